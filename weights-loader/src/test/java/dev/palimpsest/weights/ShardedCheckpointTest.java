package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ShardedCheckpointTest {
    private static final String INDEX = "model.safetensors.index.json";

    @TempDir
    Path folder;

    private void shard(String file, String tensor, int value) throws IOException {
        Files.write(
                folder.resolve(file),
                SafeTensorsBytes.file(
                        "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}".formatted(tensor),
                        (byte) value));
    }

    private void torchShard(String file, String tensor, int value) throws IOException {
        byte[] pickle = PickleBytes.stateDict(tensor, "ByteStorage", "0", 1, 0, new long[] {1}, new long[] {1});
        Files.write(folder.resolve(file), ZipBytes.torch(pickle, Map.of("0", new byte[] {(byte) value})));
    }

    private Path index(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text);
    }

    @Test
    void theIndexSaysWhereTensorsAre() throws IOException {
        shard("one.safetensors", "a", 1);
        shard("two.safetensors", "b", 2);
        Path index = index(INDEX, """
                {"metadata": {"total_size": 2, "by": "me", "more": {}},
                 "weight_map": {"b": "two.safetensors", "a": "one.safetensors"}}""");
        for (Path path : new Path[] {folder, index}) {
            try (Checkpoint c = Checkpoint.open(path)) {
                assertThat(c).isInstanceOf(ShardedCheckpoint.class);
                assertThat(c.path()).isEqualTo(index);
                assertThat(c.names()).containsExactly("b", "a");
                assertThat(c.tensor("a").getLong(0)).isEqualTo(1);
                assertThat(c.tensor("b").getLong(0)).isEqualTo(2);
                assertThat(c.metadata()).containsExactly(Map.entry("total_size", "2"), Map.entry("by", "me"));
                assertThatThrownBy(() -> c.tensor("c")).isInstanceOf(CheckpointException.class);
                c.verify();
            }
        }
    }

    @Test
    void shardsMayBePyTorchFiles() throws IOException {
        torchShard("one.bin", "a", 1);
        torchShard("two.bin", "b", 2);
        index("pytorch_model.bin.index.json", "{\"weight_map\": {\"a\": \"one.bin\", \"b\": \"two.bin\"}}");
        try (Checkpoint c = Checkpoint.open(folder)) {
            assertThat(c.tensor("b").getLong(0)).isEqualTo(2);
            assertThat(((ShardedCheckpoint) c).shards())
                    .extracting(p -> p.getFileName().toString())
                    .containsExactly("one.bin", "two.bin");
        }
    }

    @Test
    void ofTwoIndexesTheOneWithItsFilesIsTaken() throws IOException {
        torchShard("one.bin", "a", 1);
        index("pytorch_model.bin.index.json", "{\"weight_map\": {\"a\": \"one.bin\"}}");
        index(INDEX, "{\"weight_map\": {\"a\": \"one.safetensors\"}}");
        try (Checkpoint c = Checkpoint.open(folder)) {
            assertThat(c.tensor("a").getLong(0)).isEqualTo(1);
        }
        shard("one.safetensors", "a", 7);
        try (Checkpoint c = Checkpoint.open(folder)) {
            assertThat(c.tensor("a").getLong(0)).isEqualTo(7);
        }
    }

    @Test
    void aFolderMayHaveASingleFile() throws IOException {
        Files.writeString(folder.resolve("config.json"), "{}");
        torchShard("pytorch_model.bin", "a", 5);
        try (Checkpoint c = Checkpoint.open(folder)) {
            assertThat(c).isInstanceOf(TorchFile.class);
        }
        shard("model.safetensors", "a", 6);
        assertThatThrownBy(() -> Checkpoint.open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(folder + ": has several files of weights and no index; name one of them:"
                        + " 'model.safetensors', 'pytorch_model.bin'");
    }

    @Test
    void anEmptyFolderIsExplained() {
        assertThatThrownBy(() -> Checkpoint.open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("has no index (*.index.json) and no file of weights");
    }

    @Test
    void afterCloseNothingCanBeRead() throws IOException {
        shard("one.safetensors", "a", 1);
        index(INDEX, "{\"weight_map\": {\"a\": \"one.safetensors\"}}");
        Checkpoint c = Checkpoint.open(folder);
        c.close();
        c.close();
        assertThatThrownBy(() -> c.tensor("a")).isInstanceOf(IllegalStateException.class);
    }

    static Stream<Arguments> brokenIndexes() {
        return Stream.of(
                Arguments.of("{\"weight_map\": {\"a\": \"gone.safetensors\"}}", "which does not exist"),
                Arguments.of(
                        "{\"weight_map\": {\"b\": \"one.safetensors\"}}",
                        "says that tensor 'b' is in 'one.safetensors', but it is not"),
                Arguments.of(
                        "{\"weight_map\": {\"a\": \"../one.safetensors\"}}", "which is not the plain name of a file"),
                Arguments.of("{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "which is not the plain name of a file"),
                Arguments.of("{\"weight_map\": {\"a\": \"..\"}}", "which is not the plain name of a file"),
                Arguments.of("{\"weight_map\": {\"a\": \"\"}}", "which is not the plain name of a file"),
                Arguments.of("{\"weight_map\": {\"a\": 1}}", "does not name the file of tensor 'a'"),
                Arguments.of(
                        "{\"weight_map\": {\"a\": \"one.safetensors\", \"a\": \"one.safetensors\"}}",
                        "lists tensor 'a' twice"),
                Arguments.of("{\"weight_map\": []}", "has a weight_map that is no object"),
                Arguments.of("{\"weight_map\": {}, \"weight_map\": {}}", "has weight_map twice"),
                Arguments.of("{}", "is not an index of weights: it has no weight_map"),
                Arguments.of("{\"weight_map\": {}} x", "is not valid JSON"),
                Arguments.of("{\"x\": " + "[".repeat(10_000), "is not valid JSON"),
                // an index that lists itself must not open itself
                Arguments.of(
                        "{\"weight_map\": {\"a\": \"" + INDEX + "\"}}", "is neither a safetensors nor a PyTorch file"));
    }

    @ParameterizedTest
    @MethodSource("brokenIndexes")
    void aBrokenIndexIsRefusedInOneSentence(String text, String reason) throws IOException {
        shard("one.safetensors", "a", 1);
        index(INDEX, text);
        assertThatThrownBy(() -> Checkpoint.open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(reason)
                .message()
                .hasLineCount(1);
    }
}
