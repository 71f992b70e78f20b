package dev.palimpsest.kernels;

import org.jspecify.annotations.Nullable;

/// Scaled dot-product attention, `softmax(scale * q k^T + bias) v`, computed with a streaming softmax so that the
/// matrix of scores never exists (Milakov & Gimelshein 2018, arXiv 1805.02867; Dao et al. 2022, arXiv 2205.14135).
///
/// With [Arithmetic#BF16] the elements of q, k and v are rounded to bf16, and so are the weights (relative to the
/// largest weight that the query has met) before they multiply the values; products are summed in f32, and scale,
/// bias, softmax and its denominator are f32, of the weights as they were before they were rounded. `x86` is about
/// twice as fast that way, `vector` no faster than in f32.
///
/// Relative L2 errors against double precision, measured for operands from a normal distribution, head widths of 64 and
/// 128 and 1024 to 4096 keys (`AttentionTest` repeats one): 6e-7 to 1.3e-6 in f32, 3.3e-3 in bf16.
///
/// @param scale multiplied to the scores, usually `1 / sqrt(headDim)`
/// @param visible which keys each query sees
/// @param bias added to the scaled scores, stretches to `(heads, queries, keys)`, f32; negative infinity hides a key,
///     and a query whose keys are all hidden sees nothing and yields zeros
/// @param probabilities if given, receives the attention probabilities `(heads, queries, keys)`, f32, 0 for hidden
///     keys
/// @param logSumExp if given, receives the natural logarithm of each row's softmax denominator (including the row
///     maximum), `(queries, heads)`, f32; negative infinity for a query that sees nothing
/// @param arithmetic how both products are computed: [Arithmetic#F32] or [Arithmetic#BF16]
public record Attention(
        float scale,
        KeyRanges visible,
        @Nullable NdArray bias,
        @Nullable NdArray probabilities,
        @Nullable NdArray logSumExp,
        Arithmetic arithmetic) {

    /// Checks the arithmetic.
    ///
    /// @throws IllegalArgumentException if attention is not defined in this arithmetic
    public Attention {
        if (arithmetic != Arithmetic.F32 && arithmetic != Arithmetic.BF16) {
            throw new IllegalArgumentException("attention: " + arithmetic + " is not one of F32 and BF16");
        }
    }

    /// Attention in f32.
    public Attention(
            float scale,
            KeyRanges visible,
            @Nullable NdArray bias,
            @Nullable NdArray probabilities,
            @Nullable NdArray logSumExp) {
        this(scale, visible, bias, probabilities, logSumExp, Arithmetic.F32);
    }

    /// Attention in f32 without bias and extra outputs.
    public static Attention of(float scale, KeyRanges visible) {
        return new Attention(scale, visible, null, null, null);
    }

    /// The same in another arithmetic.
    public Attention withArithmetic(Arithmetic other) {
        return new Attention(scale, visible, bias, probabilities, logSumExp, other);
    }
}
