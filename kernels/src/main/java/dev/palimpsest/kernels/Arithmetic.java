package dev.palimpsest.kernels;

/// How a product with a [PackedMatrix] is computed. [#F32] is exact up to the rounding of f32 sums; the others trade
/// accuracy for speed or memory and have to be asked for.
///
/// Relative L2 errors of a product against double precision, measured for operands from a normal distribution and
/// inner dimensions of 512 to 8192 (`PackedMatrixTest` repeats the one of 2048):
///
/// | arithmetic | error |
/// |---|---|
/// | [#F32], f32 weights | 4e-7 to 2e-6 |
/// | [#BF16] | 2.4e-3 |
/// | [#INT8_WEIGHT_ONLY], a scale a column | 8e-3 to 9e-3 |
/// | [#INT8_WEIGHT_ONLY], a scale for every 64 elements | 6e-3 |
/// | [#INT8] | 1.1e-2 to 1.2e-2 |
///
/// Outliers among weights or activations, which widen the steps of a whole column or row, make the integers' larger.
///
/// What is gained depends on the provider. `vector` has no instructions that multiply bf16 or integers: it rounds as
/// the arithmetic says and then multiplies floats, about as fast as [#F32], so there it is only the weights' memory
/// that shrinks, and with it the time of products of a few rows.
public enum Arithmetic {
    /// Weights as they are stored (f32, bf16 or f16), both operands widened to f32, sums in f32.
    F32,
    /// Both operands rounded to bf16 (to nearest, ties to even), sums in f32.
    BF16,
    /// 8-bit integers on both sides, whose products are summed as integers (`vector`: as floats, exact up to 2^24):
    /// weights with one scale for each column, activations with a scale and a zero point for each row, found when the
    /// product is computed; see [Quantization].
    INT8,
    /// Weights as 8-bit integers with one scale for each column or for each group of elements of a column, see
    /// [Quantization]; activations and sums in f32.
    INT8_WEIGHT_ONLY
}
