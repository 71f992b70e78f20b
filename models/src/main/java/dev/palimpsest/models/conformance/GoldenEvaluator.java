package dev.palimpsest.models.conformance;

import dev.palimpsest.tensor.Tensor;
import java.util.Map;
import java.util.Set;

/// Computes the outputs of one family of golden files again.
///
/// An evaluator knows kinds, never file names: everything it needs comes from the file's config, the names and shapes
/// of its tensors and its metadata.
public interface GoldenEvaluator {
    /// The kinds that this evaluator understands.
    Set<String> kinds();

    /// Builds the component from the file's weights, feeds the inputs and returns what came out.
    ///
    /// Runs inside a scope; what it returns is kept until it was compared.
    ///
    /// @return tensors by the keys of the file, complete with `out.` or `grad.`; entries that the file does not expect
    ///     are ignored, entries that it expects and does not get are failures
    Map<String, Tensor> evaluate(GoldenFile file);

    /// How close an output must be. By default floating-point numbers have the file's tolerance, everything else is
    /// exact.
    ///
    /// @param key complete with `out.` or `grad.`
    /// @param floating whether the expected tensor holds floating-point numbers
    default Tolerance tolerance(GoldenFile file, String key, boolean floating) {
        return floating ? file.tolerance() : Tolerance.EXACT;
    }
}
