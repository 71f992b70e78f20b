package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BytePairEncoderTest {

    @Test
    void agreesWithMergingThePairOfLowestRankUntilNoneIsLeft() {
        var random = new Random(11);
        for (int round = 0; round < 300; round++) {
            List<String> tokens = randomTokens(random);
            var encoder = new BytePairEncoder(
                    tokens.stream().map(token -> token.getBytes(ISO_8859_1)).toArray(byte[][]::new));
            for (int i = 0; i < 20; i++) {
                String piece = randomString(random, 1 + random.nextInt(40));
                var ids = IntStream.builder();
                encoder.encode(piece.getBytes(ISO_8859_1), ids);
                assertThat(TokenCases.asList(ids.build().toArray()))
                        .as("%s with %s", piece, tokens)
                        .isEqualTo(definition(piece, tokens));
            }
        }
    }

    /// The rule word for word, in quadratic time.
    private static List<Integer> definition(String piece, List<String> tokens) {
        if (tokens.contains(piece)) {
            return List.of(tokens.indexOf(piece));
        }
        List<String> parts =
                new ArrayList<>(piece.chars().mapToObj(Character::toString).toList());
        while (true) {
            int best = Integer.MAX_VALUE;
            int at = -1;
            for (int i = 0; i + 1 < parts.size(); i++) {
                int rank = tokens.indexOf(parts.get(i) + parts.get(i + 1));
                if (rank >= 0 && rank < best) {
                    best = rank;
                    at = i;
                }
            }
            if (at < 0) {
                return parts.stream().map(tokens::indexOf).toList();
            }
            parts.set(at, parts.get(at) + parts.remove(at + 1));
        }
    }

    /// Three letters and some strings of them in any order: many pairs, overlaps and ties in place.
    private static List<String> randomTokens(Random random) {
        Set<String> tokens = new LinkedHashSet<>(List.of("a", "b", "c"));
        while (tokens.size() < 16) {
            tokens.add(randomString(random, 2 + random.nextInt(4)));
        }
        return List.copyOf(tokens);
    }

    private static String randomString(Random random, int length) {
        return random.ints(length, 'a', 'd')
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }
}
