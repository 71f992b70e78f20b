package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/// A mistake of the user gives exit code 2 and one sentence that says what is wrong.
class UserMistakesTest {
    @TempDir
    private Path folder;

    /// @param says part of the sentence
    private record Mistake(String says, List<Object> args) {
        Mistake(String says, Object... args) {
            this(says, List.of(args));
        }
    }

    @TestFactory
    Stream<DynamicTest> areToldInOneSentence() throws IOException {
        Path absent = folder.resolve("absent");
        Path empty = Files.createFile(folder.resolve("empty"));
        Path text = Files.writeString(folder.resolve("text.json"), "{}");
        Path corruptPng = Files.write(folder.resolve("corrupt.png"), new byte[] {
            (byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 1, 2, 3
        });
        Path unknownType = Files.write(
                folder.resolve("unknown.safetensors"),
                safetensors("{\"w\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4));
        return Stream.of(
                        new Mistake("A command is missing"),
                        new Mistake("Unmatched argument", "paint"),
                        new Mistake("Unknown option", "inspect", "--colour", text),
                        new Mistake("Missing required parameter", "inspect"),
                        new Mistake("does not exist", "inspect", absent),
                        new Mistake("is empty", "inspect", empty),
                        new Mistake("unknown dtype 'F99'", "inspect", unknownType),
                        new Mistake("is damaged", "inspect", corruptPng),
                        new Mistake("no weight_map", "inspect", text),
                        new Mistake("Missing required parameter", "convert", text),
                        new Mistake("does not exist", "convert", absent, folder.resolve("out")),
                        new Mistake("unknown dtype 'F99'", "convert", unknownType, folder.resolve("out")),
                        new Mistake("Missing required parameter", "golden"),
                        new Mistake("absent: does not exist", "golden", absent),
                        new Mistake("nothing to check", "golden", folder.resolve("nothing")))
                .map(m -> DynamicTest.dynamicTest(m.says() + ": " + m.args(), () -> isToldInOneSentence(m)));
    }

    private void isToldInOneSentence(Mistake mistake) throws IOException {
        Files.createDirectories(folder.resolve("nothing"));
        var run = Cli.run(mistake.args().toArray());
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains(mistake.says()).startsWith("palimpsest").endsWith("." + System.lineSeparator());
        assertThat(run.err().lines()).hasSize(1);
    }

    @Test
    void verboseShowsWhereAnErrorComesFrom() {
        var run = Cli.run("inspect", "--verbose", folder.resolve("absent"));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("CheckpointException").contains("\tat ");
    }

    private static byte[] safetensors(String header, int data) {
        byte[] bytes = new byte[8 + header.length() + data];
        bytes[0] = (byte) header.length();
        for (int i = 0; i < header.length(); i++) {
            bytes[8 + i] = (byte) header.charAt(i);
        }
        return bytes;
    }
}
