package dev.palimpsest.models.conformance;

import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.TorchFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;

/// Verdicts on checkpoints: which must load and what they must hold, and which must be refused.
///
/// A case has the name of a `file` beside the list and a `verdict`: `load`, `reject` or `load_or_reject`. What is
/// loaded must have the tensors of the `expected` file, a safetensors file or a table of numbers, after the changes of
/// name that the case asks for: `strip` a text, take what lies `under` a prefix, `rename_attention` to its current
/// names. Further details: `metadata`, the `names` of all tensors, and the `structure` of the data around the tensors.
final class VerdictList {
    private static final List<String> COMPANIONS = List.of("file", "expected", "structure");

    private final Path list;
    private final List<JsonObject> cases;

    VerdictList(Path list, List<JsonObject> cases) {
        this.list = list;
        this.cases = cases;
    }

    /// All files that the list speaks of, absolute and normalised.
    Set<Path> files() {
        Set<Path> files = new LinkedHashSet<>();
        for (JsonObject c : cases) {
            for (String field : COMPANIONS) {
                if (c.value(field) instanceof String name) {
                    files.add(list.resolveSibling(name).toAbsolutePath().normalize());
                }
            }
        }
        return files;
    }

    /// Checks all cases.
    void check(Consumer<ConformanceResult> results) {
        for (JsonObject c : cases) {
            Path file = list;
            String kind = "weights";
            try {
                file = list.resolveSibling(c.text("file"));
                String verdict = c.text("verdict");
                kind = "weights." + verdict;
                results.accept(
                        switch (verdict) {
                            case "load" -> load(c, file, kind, false);
                            case "load_or_reject" -> load(c, file, kind, true);
                            case "reject" -> reject(file, kind);
                            default -> ConformanceResult.notImplemented(file, kind);
                        });
            } catch (RuntimeException | IOException e) {
                // Whatever is wrong with one case, the others are still to be checked.
                results.accept(ConformanceResult.failed(file, kind, String.valueOf(e.getMessage())));
            }
        }
    }

    private static String tensors(Checkpoint checkpoint) {
        int n = checkpoint.names().size();
        return n == 1 ? "1 tensor" : n + " tensors";
    }

    /// Opens the checkpoint and every tensor in it: what a reader must do before it can trust a file.
    private static Checkpoint open(Path file) {
        Checkpoint checkpoint = Checkpoint.open(file);
        try {
            checkpoint.names().forEach(checkpoint::tensor);
            return checkpoint;
        } catch (RuntimeException e) {
            checkpoint.close();
            throw e;
        }
    }

    private static ConformanceResult reject(Path file, String kind) {
        if (!Files.exists(file)) {
            return ConformanceResult.failed(file, kind, "does not exist");
        }
        try (Checkpoint checkpoint = open(file)) {
            return ConformanceResult.failed(file, kind, "was loaded: " + tensors(checkpoint));
        } catch (CheckpointException e) {
            return ConformanceResult.of(file, kind, "refused: " + e.reason(), List.of());
        } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
            // A reader that breaks does not refuse.
            return ConformanceResult.failed(file, kind, "ends in " + e);
        }
    }

    private ConformanceResult load(JsonObject c, Path file, String kind, boolean mayReject) throws IOException {
        Checkpoint checkpoint;
        try {
            checkpoint = open(file);
        } catch (CheckpointException e) {
            return mayReject && Files.exists(file)
                    ? ConformanceResult.of(file, kind, "refused: " + e.reason(), List.of())
                    : ConformanceResult.failed(file, kind, e.reason());
        }
        try (checkpoint) {
            List<String> problems = new ArrayList<>();
            if (!mayReject) {
                checkpoint.verify();
            }
            compare(c, checkpoint, problems);
            return ConformanceResult.of(file, kind, tensors(checkpoint), problems);
        } catch (CheckpointException e) {
            return ConformanceResult.failed(file, kind, String.valueOf(e.getMessage()));
        }
    }

    private void compare(JsonObject c, Checkpoint opened, List<String> problems) throws IOException {
        Checkpoint actual = opened;
        if (c.has("strip")) {
            actual = actual.stripping(c.text("strip"));
        }
        if (c.has("under")) {
            actual = actual.under(c.text("under"));
        }
        if (c.bool("rename_attention", false)) {
            actual = actual.renaming(VerdictList::currentAttentionName);
        }
        if (c.has("metadata")) {
            JsonObject metadata = c.object("metadata");
            Map<String, String> expected = new TreeMap<>();
            metadata.names().forEach(key -> expected.put(key, metadata.text(key)));
            Map<String, String> found = new TreeMap<>(actual.metadata());
            if (!found.equals(expected)) {
                problems.add("has the metadata " + found + " instead of " + expected);
            }
        }
        if (c.has("names")) {
            compareNames(new TreeSet<>(c.texts("names")), actual, problems);
        }
        if (c.has("structure")) {
            compareStructure(c, opened, problems);
        } else if (c.has("expected")) {
            Path expected = list.resolveSibling(c.text("expected"));
            if (expected.toString().toLowerCase(Locale.ROOT).endsWith(".json")) {
                StoredNumbers.compare(JsonObject.read(expected), actual, problems);
            } else {
                compareTensors(expected, actual, problems);
            }
        }
    }

    /// The names that diffusers gave the attention of an autoencoder before they became those of its attention
    /// processor.
    private static String currentAttentionName(String name) {
        return name.replace(".query.", ".to_q.")
                .replace(".key.", ".to_k.")
                .replace(".value.", ".to_v.")
                .replace(".proj_attn.", ".to_out.0.");
    }

    private static void compareNames(Set<String> expected, Checkpoint actual, List<String> problems) {
        Set<String> missing = new TreeSet<>(expected);
        missing.removeAll(actual.names());
        Set<String> unexpected = new TreeSet<>(actual.names());
        unexpected.removeAll(expected);
        missing.forEach(name -> problems.add("lacks the tensor " + name));
        unexpected.forEach(name -> problems.add("has the tensor " + name + ", which it should not"));
    }

    private static void compareTensors(Path file, Checkpoint actual, List<String> problems) {
        try (Checkpoint expected = Checkpoint.open(file)) {
            compareNames(new TreeSet<>(expected.names()), actual, problems);
            for (String name : expected.names()) {
                if (actual.names().contains(name)) {
                    StoredNumbers.difference(actual.tensor(name), expected.tensor(name))
                            .ifPresent(d -> problems.add(name + " " + d));
                }
            }
        }
    }

    private void compareStructure(JsonObject c, Checkpoint actual, List<String> problems) throws IOException {
        if (!(actual instanceof TorchFile torch)) {
            problems.add("is not a PyTorch file, so it has no structure");
            return;
        }
        Path structure = list.resolveSibling(c.text("structure"));
        Object expected = JsonObject.parseValue(Files.readString(structure), structure.toString());
        if (c.has("expected")) {
            try (Checkpoint tensors = Checkpoint.open(list.resolveSibling(c.text("expected")))) {
                new PickleComparison(torch, tensors).compare(expected, problems);
            }
        } else {
            new PickleComparison(torch, null).compare(expected, problems);
        }
    }
}
