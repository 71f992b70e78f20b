package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/// A folder of Infinity beside the project whose `example/run.json` tells runs of the original and what came of them.
///
/// @param json all of `run.json`
record InfinityRuns(Path model, JsonObject json) {
    /// All such folders on this machine, perhaps none.
    static Stream<InfinityRuns> all() throws IOException {
        Path checkpoints = Cli.shared("data/checkpoints").orElse(null);
        if (checkpoints == null) {
            return Stream.empty();
        }
        try (Stream<Path> folders = Files.list(checkpoints)) {
            return folders
                    .filter(f -> String.valueOf(f.getFileName()).startsWith("infinity"))
                    .filter(f -> Files.exists(f.resolve("example/run.json")))
                    .sorted()
                    .toList()
                    .stream()
                    .map(f -> new InfinityRuns(f, JsonObject.read(f.resolve("example/run.json"))));
        }
    }

    /// The runs of a kind: `generate`, `invert`, `rewrite`.
    List<JsonObject> of(String kind) {
        return json.list("runs").stream()
                .map(JsonObject.class::cast)
                .filter(run -> run.text("kind").equals(kind))
                .toList();
    }

    /// A file that a run names.
    Path file(String name) {
        return model.resolve("example").resolve(name);
    }

    /// Compares the bits that were drawn in a run with the original's.
    void assertBits(JsonObject run, Path file) {
        try (Checkpoint drawn = Checkpoint.open(file);
                Checkpoint expected = Checkpoint.open(file("expected_bits.safetensors"))) {
            for (String name : drawn.names()) {
                NdArray original = expected.tensor(run.text("name") + "." + name);
                assertThat(drawn.tensor(name).shape()).as(name).isEqualTo(original.shape());
                assertThat(drawn.tensor(name)
                                .memory()
                                .mismatch(original.memory().asSlice(original.byteOffset(), original.elements())))
                        .as(name)
                        .isEqualTo(-1);
            }
            assertThat(drawn.names()).hasSize((int) expected.names().stream()
                    .filter(name -> name.startsWith(run.text("name") + "."))
                    .count());
        }
    }

    @Override
    public String toString() {
        return String.valueOf(model.getFileName());
    }
}
