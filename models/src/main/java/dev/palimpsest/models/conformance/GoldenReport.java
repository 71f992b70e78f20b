package dev.palimpsest.models.conformance;

import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/// How a golden file compares, tensor by tensor.
///
/// @param path the file
/// @param kind what was checked
/// @param tensors one entry for each expected tensor, in the order of the file
public record GoldenReport(Path path, String kind, List<TensorComparison> tensors) {
    /// A report of these comparisons.
    public GoldenReport {
        tensors = List.copyOf(tensors);
    }

    /// Whether every expected tensor passed, and there is at least one.
    public boolean passed() {
        return !tensors.isEmpty() && tensors.stream().allMatch(TensorComparison::passed);
    }

    /// The comparison that is farthest off: failures before passes, then by relative error; nothing if nothing was
    /// expected.
    public Optional<TensorComparison> worst() {
        return tensors.stream()
                .max(Comparator.comparing((TensorComparison t) -> !t.passed())
                        .thenComparingDouble(TensorComparison::relL2));
    }

    /// The comparison with the largest relative error, whatever the tolerance; one that could not be compared if there
    /// is such a one, nothing if nothing was expected.
    public Optional<TensorComparison> farthest() {
        return tensors.stream().max(Comparator.comparingDouble(TensorComparison::relL2));
    }

    /// All that is wrong, one sentence a tensor.
    public List<String> problems() {
        return tensors.stream()
                .filter(t -> !t.passed())
                .map(t -> t.key() + " " + t.problem())
                .toList();
    }
}
