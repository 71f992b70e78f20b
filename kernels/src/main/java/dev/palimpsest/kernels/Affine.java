package dev.palimpsest.kernels;

import org.jspecify.annotations.Nullable;

/// What follows a normalisation `n`: `y = (n * weight + bias) * scale + shift`, each part optional.
///
/// `weight` and `bias` are learned, of shape `(width)`. `scale` and `shift` are adaptive (computed from a condition;
/// Peebles & Xie 2023, arXiv 2212.09748) and stretch to the shape of the input, so they may differ from row to row.
/// All f32.
///
/// @param weight learned factor
/// @param bias learned term
/// @param scale adaptive factor, used as it is (no "1 +")
/// @param shift adaptive term
public record Affine(
        @Nullable NdArray weight,
        @Nullable NdArray bias,
        @Nullable NdArray scale,
        @Nullable NdArray shift) {
    /// The bare normalisation.
    public static final Affine NONE = new Affine(null, null, null, null);

    /// Learned factor and term only.
    public static Affine learned(@Nullable NdArray weight, @Nullable NdArray bias) {
        return new Affine(weight, bias, null, null);
    }

    /// Adaptive factor and term only.
    public static Affine adaptive(@Nullable NdArray scale, @Nullable NdArray shift) {
        return new Affine(null, null, scale, shift);
    }
}
