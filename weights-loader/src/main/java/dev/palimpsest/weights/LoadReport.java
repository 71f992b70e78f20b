package dev.palimpsest.weights;

import dev.palimpsest.kernels.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/// How a checkpoint and a model differ, all of it at once.
///
/// @param path the checkpoint
/// @param missing what the model needs and the checkpoint does not have
/// @param misshaped what both have in different shapes
/// @param unexpected what the checkpoint has and the model did not ask for
public record LoadReport(Path path, List<Missing> missing, List<Misshaped> misshaped, List<Unexpected> unexpected) {
    private static final int MOST_SHOWN = 8;
    private static final int LONGEST_NAME = 100;

    /// Copies the lists.
    public LoadReport {
        missing = List.copyOf(missing);
        misshaped = List.copyOf(misshaped);
        unexpected = List.copyOf(unexpected);
    }

    /// A tensor that the checkpoint lacks.
    ///
    /// @param name full name
    /// @param expected shape that the model needs
    /// @param nearest an unexpected tensor that may be the one meant
    public record Missing(String name, Shape expected, Optional<String> nearest) {
        /// Name, shape and guess.
        @Override
        public String toString() {
            return clip(name) + " " + expected
                    + nearest.map(n -> ", did you mean " + clip(n) + "?").orElse("");
        }
    }

    /// A tensor of another shape than the model needs.
    ///
    /// @param name full name
    /// @param expected shape that the model needs
    /// @param found shape in the checkpoint
    public record Misshaped(String name, Shape expected, Shape found) {
        /// Name and both shapes.
        @Override
        public String toString() {
            return clip(name) + " is " + found + " instead of " + expected;
        }
    }

    /// A tensor that nothing asked for.
    ///
    /// @param name full name
    /// @param info its type and shape
    public record Unexpected(String name, TensorInfo info) {
        /// Name, type and shape.
        @Override
        public String toString() {
            return clip(name) + " " + info;
        }
    }

    /// Whether the checkpoint has exactly what the model needs.
    public boolean isComplete() {
        return missing.isEmpty() && misshaped.isEmpty() && unexpected.isEmpty();
    }

    /// One sentence with a bounded number of examples of every kind; fit for an error message.
    public String summary() {
        if (isComplete()) {
            return "fits the model";
        }
        List<String> parts = new ArrayList<>();
        parts.add(part(missing, "missing", Missing::toString));
        parts.add(part(misshaped, "of another shape", Misshaped::toString));
        parts.add(part(unexpected, "unexpected", Unexpected::toString));
        parts.removeIf(String::isEmpty);
        return "does not fit the model: " + String.join("; ", parts);
    }

    /// Every difference, one a line.
    @Override
    public String toString() {
        List<String> lines = new ArrayList<>();
        lines.add(path + " " + summary().replaceFirst(":.*", ""));
        missing.forEach(m -> lines.add("  missing     " + m));
        misshaped.forEach(m -> lines.add("  shape       " + m));
        unexpected.forEach(u -> lines.add("  unexpected  " + u));
        return String.join("\n", lines);
    }

    private static <T> String part(List<T> items, String what, Function<T, String> text) {
        if (items.isEmpty()) {
            return "";
        }
        String shown = items.stream().limit(MOST_SHOWN).map(text).collect(Collectors.joining(", "));
        int rest = items.size() - MOST_SHOWN;
        return items.size() + (items.size() == 1 ? " tensor " : " tensors ") + what + " (" + shown
                + (rest > 0 ? " and " + rest + " more" : "") + ")";
    }

    private static String clip(String name) {
        return CheckpointException.printable(name, LONGEST_NAME);
    }
}
