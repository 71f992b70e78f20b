package dev.palimpsest.models.conformance;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/// Finds the evaluator for a golden file by its kind, runs it and compares.
public final class GoldenRunner {
    private final Map<String, GoldenEvaluator> byKind = new HashMap<>();

    /// A runner with these evaluators.
    ///
    /// @throws IllegalArgumentException if two of them claim the same kind
    public GoldenRunner(List<? extends GoldenEvaluator> evaluators) {
        for (GoldenEvaluator evaluator : evaluators) {
            for (String kind : evaluator.kinds()) {
                if (byKind.putIfAbsent(kind, evaluator) != null) {
                    throw new IllegalArgumentException("two evaluators claim golden files of the kind " + kind);
                }
            }
        }
    }

    /// All kinds that can be checked, sorted.
    public Set<String> kinds() {
        return Collections.unmodifiableSet(new TreeSet<>(byKind.keySet()));
    }

    /// Computes everything that the file expects and compares it.
    ///
    /// @throws IllegalArgumentException if there is no evaluator for the file's kind
    public GoldenReport check(GoldenFile file) {
        GoldenEvaluator evaluator = byKind.get(file.kind());
        if (evaluator == null) {
            throw new IllegalArgumentException(file.path() + ": there is no evaluator for the kind " + file.kind());
        }
        return Scope.run(() -> {
            Map<String, Tensor> actual = Scope.run(() -> evaluator.evaluate(file));
            List<TensorComparison> tensors = new ArrayList<>();
            for (String key : file.expected()) {
                Tensor expected = file.expected(key);
                Tolerance tolerance =
                        evaluator.tolerance(file, key, expected.dtype().isFloating());
                tensors.add(TensorComparison.compare(key, actual.get(key), expected, tolerance));
            }
            return new GoldenReport(file.path(), file.kind(), tensors);
        });
    }
}
