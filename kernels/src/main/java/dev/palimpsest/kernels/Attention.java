package dev.palimpsest.kernels;

import org.jspecify.annotations.Nullable;

/// Scaled dot-product attention, `softmax(scale * q k^T + bias) v`, computed with a streaming softmax so that the
/// matrix of scores never exists (Milakov & Gimelshein 2018, arXiv 1805.02867; Dao et al. 2022, arXiv 2205.14135).
///
/// @param scale multiplied to the scores, usually `1 / sqrt(headDim)`
/// @param visible which keys each query sees
/// @param bias added to the scaled scores, stretches to `(heads, queries, keys)`, f32; negative infinity hides a key,
///     and a query whose keys are all hidden sees nothing and yields zeros
/// @param probabilities if given, receives the attention probabilities `(heads, queries, keys)`, f32, 0 for hidden
///     keys
/// @param logSumExp if given, receives the natural logarithm of each row's softmax denominator (including the row
///     maximum), `(queries, heads)`, f32; negative infinity for a query that sees nothing
public record Attention(
        float scale,
        KeyRanges visible,
        @Nullable NdArray bias,
        @Nullable NdArray probabilities,
        @Nullable NdArray logSumExp) {

    /// Attention without bias and extra outputs.
    public static Attention of(float scale, KeyRanges visible) {
        return new Attention(scale, visible, null, null, null);
    }
}
