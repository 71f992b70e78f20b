package dev.palimpsest.kernels;

/// How a product with a [PackedMatrix] is computed. [#F32] is exact up to the rounding of f32 sums; the others trade
/// accuracy for speed or memory and have to be asked for.
public enum Arithmetic {
    /// Weights as they are stored (f32, bf16 or f16), both operands widened to f32, sums in f32.
    F32,
    /// Both operands rounded to bf16 (to nearest, ties to even), sums in f32.
    BF16,
    /// 8-bit integers on both sides, sums exact in 32-bit integers: weights with one scale for each column,
    /// activations with a scale and a zero point for each row, found when the product is computed; see [Quantization].
    INT8,
    /// Weights as 8-bit integers with one scale for each column or for each group of elements of a column, see
    /// [Quantization]; activations and sums in f32.
    INT8_WEIGHT_ONLY
}
