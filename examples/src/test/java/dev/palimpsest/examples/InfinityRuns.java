package dev.palimpsest.examples;

import dev.palimpsest.models.json.JsonObject;
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

    @Override
    public String toString() {
        return String.valueOf(model.getFileName());
    }
}
