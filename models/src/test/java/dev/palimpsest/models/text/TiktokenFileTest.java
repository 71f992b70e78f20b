package dev.palimpsest.models.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TiktokenFileTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "300 | dGhlcmU= | line 300: expected \"base64 rank\", found no space",
                "10 | !!!! 9 | line 10: the token is not valid base64",
                "10 | CR 9 | line 10: the base64 of the token is cut short",
                "10 | ' 9' | line 10: the token is empty",
                "10 | CQ== nine | line 10: the rank is not a whole number below 1000000000",
                "10 | CQ== -9 | line 10: the rank is not a whole number below 1000000000",
                "10 | CQ== 99999999999 | line 10: the rank is not a whole number below 1000000000",
                "10 | CQ== 900 | line 10: rank 900 leaves a gap: 269 tokens have the ranks 0 to 268",
                "10 | CQ== 8 | line 10: rank 8 was already given in line 9",
                "10 | CA== 9 | line 10: the token was already given in line 9",
            })
    void aBrokenLineIsNamed(int line, String content, String reason) throws IOException {
        List<String> lines = new ArrayList<>(SmallVocabularies.tiktokenLines());
        if (line <= lines.size()) {
            lines.set(line - 1, content);
        } else {
            while (lines.size() < line - 1) {
                lines.add("");
            }
            lines.add(content);
        }
        Path file = Files.write(folder.resolve("broken.tiktoken"), lines);
        assertThatExceptionOfType(VocabularyException.class)
                .isThrownBy(() -> QwenTokenizer.load(file))
                .withMessage(file + ": " + reason);
    }

    @Test
    void aMissingByteIsNamed() throws IOException {
        List<String> lines = new ArrayList<>(SmallVocabularies.tiktokenLines());
        lines.set('A', "QUE= 65"); // "AA"
        Path file = Files.write(folder.resolve("gap.tiktoken"), lines);
        assertThatExceptionOfType(VocabularyException.class)
                .isThrownBy(() -> QwenTokenizer.load(file))
                .withMessage(file + ": no token stands for the single byte 0x41, so not every text could be encoded");
    }

    @Test
    void filesThatAreNoVocabularyAreRefused() throws IOException {
        Path missing = folder.resolve("missing.tiktoken");
        Path empty = Files.createFile(folder.resolve("empty.tiktoken"));
        Path blank = Files.writeString(folder.resolve("blank.tiktoken"), "\n\n");
        Path huge = folder.resolve("huge.tiktoken");
        try (var file = new RandomAccessFile(huge.toFile(), "rw")) {
            file.setLength(1L << 33);
        }
        assertRefused(missing, "there is no such vocabulary file");
        assertRefused(folder, "is a folder, expected a vocabulary file");
        assertRefused(empty, "the vocabulary file is empty");
        assertRefused(blank, "the vocabulary file holds no tokens");
        assertRefused(huge, "has more than 16777216 bytes, too large for a vocabulary");
    }

    private static void assertRefused(Path file, String reason) {
        assertThatExceptionOfType(VocabularyException.class)
                .isThrownBy(() -> QwenTokenizer.load(file))
                .withMessage(file + ": " + reason);
    }

    @Test
    void linesMayComeInAnyOrderAndWithCarriageReturns() throws IOException {
        List<String> lines = new ArrayList<>(SmallVocabularies.tiktokenLines());
        Collections.shuffle(lines, new Random(1));
        Path shuffled = Files.writeString(folder.resolve("shuffled.tiktoken"), String.join("\r\n", lines) + "\r\n\r\n");
        assertThat(QwenTokenizer.load(shuffled).encode("the other crown"))
                .isEqualTo(SmallVocabularies.qwen(folder).encode("the other crown"));
    }
}
