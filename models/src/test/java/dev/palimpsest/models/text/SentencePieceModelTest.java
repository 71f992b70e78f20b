package dev.palimpsest.models.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SentencePieceModelTest {
    @TempDir
    private Path folder;

    static Stream<Arguments> brokenModels() {
        return Stream.of(
                arguments(small().piece("", -1, 1), "piece 19 is empty"),
                arguments(small().piece("a", -1, 1), "piece 19 (a) was already given as piece 5"),
                arguments(small().piece("b", Float.NaN, 1), "piece 19 (b) has the score NaN"),
                arguments(small().piece("b", -1, 6), "piece 19 (b) has the type 6"),
                arguments(small().piece(new byte[] {(byte) 0xC3}, -1, 1), "piece 19 is not valid UTF-8"),
                arguments(small().piece("<unknown>", 0, 2), "it has 16 normal and 2 unknown pieces"),
                arguments(new SentencePieceFile().piece("a", 0, 1), "it has 1 normal and 0 unknown pieces"),
                arguments(new SentencePieceFile().piece("<unk>", 0, 2), "it has 0 normal and 1 unknown pieces"),
                arguments(
                        new SentencePieceFile()
                                .piece("<unk>", 0, 2)
                                .piece("a", 0, 1)
                                .piece("<pad>", 0, 3),
                        "is no T5 vocabulary: it has no piece </s>"),
                arguments(small().trainer(3, 2), "the model type is 2, only 1 (unigram) is supported"),
                arguments(small().trainer(24, 1), "white space as a suffix"),
                arguments(small().trainer(35, 1), "byte fallback"),
                arguments(small().raw(0x0A, 0x7F), "field 1 claims 127 bytes, its message has 0 left"),
                arguments(small().raw(0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F), "field 1 claims 4294967295 bytes"),
                arguments(small().raw(0x0A, 0x02, 0x0A, 0x05, 0x41), "field 1 claims 5 bytes, its message has 0 left"),
                arguments(small().raw(0x08, 0x01), "field 1 has wire type 0, expected 2"),
                arguments(small().raw(0x0B), "field 1 has wire type 3, expected 2"),
                arguments(small().raw(0x4B), "field 9 has the unsupported wire type 3"),
                arguments(small().raw(0x02), "names no protobuf field"),
                arguments(
                        small().raw(0x48, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01),
                        "more than ten bytes"),
                arguments(small().raw(0x48, 0x80), "ends in the middle of field 9"),
                arguments(small().charsMap(new byte[] {1, 2, 3}), "the normaliser's table of 3 bytes is cut short"),
                arguments(small().charsMap(table(t -> t[3] = 0x7F)), "is cut short"),
                arguments(small().charsMap(table(t -> t[t.length - 1] = 'x')), "has no end"),
                arguments(
                        small().charsMap(table(t -> t[4 + 3] = 0x7F)),
                        "node 0 of the normaliser's trie points outside"),
                arguments(
                        // The value of "a" stands at the beginning of the last block.
                        small().charsMap(table(t -> t[4 + 4 * 512 + 1] = 1)),
                        "names a replacement outside of the table"));
    }

    private static SentencePieceFile small() {
        return SmallVocabularies.sentencePiece();
    }

    private static byte[] table(Consumer<byte[]> damage) {
        byte[] table = CharsMapWriter.write(Map.of("a", "b"));
        damage.accept(table);
        return table;
    }

    @ParameterizedTest
    @MethodSource("brokenModels")
    void aBrokenModelIsRefusedInOneSentence(SentencePieceFile model, String reason) throws IOException {
        Path file = Files.write(folder.resolve("broken.model"), model.bytes());
        assertThatExceptionOfType(VocabularyException.class)
                .isThrownBy(() -> T5Tokenizer.load(file))
                .withMessageStartingWith(file.toString())
                .withMessageContaining(reason)
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n"));
    }

    @Test
    void aFileCutAnywhereLoadsOrIsRefused() throws IOException {
        byte[] whole = small().bytes();
        Path file = folder.resolve("cut.model");
        for (int length = 0; length < whole.length; length += length < 300 ? 1 : 997) {
            Files.write(file, Arrays.copyOf(whole, length));
            loadsOrIsRefused(file);
        }
    }

    @Test
    void aFileWithChangedBytesLoadsOrIsRefused() throws IOException {
        var random = new Random(23);
        byte[] whole = small().bytes();
        Path file = folder.resolve("changed.model");
        int refused = 0;
        for (int i = 0; i < 400; i++) {
            byte[] changed = whole.clone();
            for (int change = random.nextInt(3); change >= 0; change--) {
                // Most of the file is the sparse table: half of the changes go to the pieces before it.
                int at = random.nextInt(random.nextBoolean() ? 300 : whole.length);
                changed[at] = (byte) random.nextInt(256);
            }
            Files.write(file, changed);
            refused += loadsOrIsRefused(file) ? 0 : 1;
        }
        assertThat(refused).isBetween(80, 380);
    }

    /// What loads must also encode: every look-up stays inside the tables.
    private static boolean loadsOrIsRefused(Path file) throws IOException {
        T5Tokenizer tokenizer;
        try {
            tokenizer = T5Tokenizer.load(file);
        } catch (VocabularyException e) {
            return false;
        }
        int[] ids = tokenizer.encode("a cat, the\tcat\uFB01 ½ \u3000x \u4F60\u0001e\u0301 \u0000 <extra_id_3> é");
        assertThat(ids).endsWith(tokenizer.endId());
        return true;
    }
}
