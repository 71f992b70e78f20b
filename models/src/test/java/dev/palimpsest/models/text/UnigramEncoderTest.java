package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.models.text.SentencePieceModel.Kind;
import dev.palimpsest.models.text.SentencePieceModel.Piece;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class UnigramEncoderTest {

    @Test
    void noSegmentationHasALargerSumThanTheOneFound() {
        var random = new Random(17);
        for (int round = 0; round < 200; round++) {
            Map<String, Float> scores = new LinkedHashMap<>();
            while (scores.size() < 12) {
                scores.put(randomString(random, 1 + random.nextInt(4)), -1 - 9 * random.nextFloat());
            }
            List<Piece> vocabulary = new ArrayList<>(List.of(new Piece("<unk>", 0, Kind.UNKNOWN)));
            scores.forEach((text, score) -> vocabulary.add(new Piece(text, score, Kind.NORMAL)));
            // Must not be used, whatever its score.
            vocabulary.add(new Piece("é".repeat(2), 100, Kind.UNUSED));
            double unknown = scores.values().stream().min(Float::compare).orElseThrow() - 10.0;
            var encoder = new UnigramEncoder(vocabulary, 0);
            for (int i = 0; i < 20; i++) {
                String text = randomString(random, 1 + random.nextInt(9));
                byte[] bytes = text.getBytes(UTF_8);
                double[] sum = {0};
                int[] covered = {0};
                encoder.encode(bytes, (id, start, end) -> {
                    assertThat(start).isEqualTo(covered[0]);
                    covered[0] = end;
                    String part = new String(bytes, start, end - start, UTF_8);
                    if (id == 0) {
                        sum[0] += unknown * part.length();
                    } else {
                        assertThat(vocabulary.get(id).text()).isEqualTo(part);
                        sum[0] += vocabulary.get(id).score();
                    }
                });
                assertThat(covered[0]).isEqualTo(bytes.length);
                assertThat(sum[0]).as(text).isCloseTo(best(text, scores, unknown), within(1e-4));
            }
        }
    }

    /// The largest sum over all segmentations, by trying each first piece.
    private static double best(String text, Map<String, Float> scores, double unknown) {
        if (text.isEmpty()) {
            return 0;
        }
        double best = scores.containsKey(text.substring(0, 1))
                ? Double.NEGATIVE_INFINITY
                : unknown + best(text.substring(1), scores, unknown);
        for (var piece : scores.entrySet()) {
            if (text.startsWith(piece.getKey())) {
                best = Math.max(
                        best,
                        piece.getValue() + best(text.substring(piece.getKey().length()), scores, unknown));
            }
        }
        return best;
    }

    @Test
    void ofEqualSumsTheOneWithTheLongerLastPieceStays() {
        assertThat(encode("lll", -1, -4, -5)).containsExactly("l", "ll");
    }

    @Test
    void aCandidateIsComparedBeforeItsSumIsRounded() {
        // x + l + ll is stored as -1114; x + ll + l is -1113.99995, greater, but would round to -1114 as well.
        assertThat(encode("xlll", -1098.5f, -9.8f, -5.7f)).containsExactly("x", "ll", "l");
    }

    private static List<String> encode(String text, float x, float l, float ll) {
        List<Piece> vocabulary = List.of(
                new Piece("<unk>", 0, Kind.UNKNOWN),
                new Piece("x", x, Kind.NORMAL),
                new Piece("l", l, Kind.NORMAL),
                new Piece("ll", ll, Kind.NORMAL));
        List<String> pieces = new ArrayList<>();
        new UnigramEncoder(vocabulary, 0)
                .encode(
                        text.getBytes(UTF_8),
                        (id, start, end) -> pieces.add(vocabulary.get(id).text()));
        return pieces;
    }

    private static String randomString(Random random, int length) {
        var text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append("abcé".charAt(random.nextInt(4)));
        }
        return text.toString();
    }
}
