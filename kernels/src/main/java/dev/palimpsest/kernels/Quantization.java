package dev.palimpsest.kernels;

/// The 8-bit quantisation of [Arithmetic#INT8] and [Arithmetic#INT8_WEIGHT_ONLY], to the bit: all providers compute
/// these formulas with these operations of f32, so that their integers are the same.
///
/// **Weights** are symmetric (Jacob et al. 2018, arXiv 1712.05877, section 2, with zero point 0). For a column, or a
/// group of its elements, whose largest magnitude is `m`:
///
/// - `q = rint(w * (127 / m))`, from -127 to 127, and `scale = m / 127`;
/// - where `127 / m` is infinite (`m` is 0 or below 4e-37) all integers and the scale are 0.
///
/// **Activations** are quantised when a product is computed, each row by itself, to unsigned integers with a zero
/// point, so that 0 stays 0 and no code is wasted on a side that has no values. With `lo = min(0, smallest)`, `hi =
/// max(0, largest)` and `range = hi - lo`:
///
/// - `zero = rint(-lo * (255 / range))`, `q = clamp(rint(x * (255 / range)) + zero, 0, 255)`, `scale = range / 255`;
/// - where `255 / range` is infinite all integers, the zero point and the scale are 0;
/// - in a row that holds a NaN or an infinity, or whose range is infinite, the scale is NaN, and with it the row of
/// the product.
///
/// **The product** is `float(sum(q_x q_w) - zero sum(q_w)) * scale_w * scale_x`; both sums are exact in 32 bits up to
/// [#MAX_INNER] terms. `rint` rounds to the nearest integer, ties to even.
public final class Quantization {
    /// Longest inner dimension whose sums fit 32 bits: `255 * 127 * 65536 < 2^31`.
    public static final int MAX_INNER = 65_536;

    private static final float WEIGHT_LEVELS = 127;
    private static final float ACTIVATION_LEVELS = 255;

    private Quantization() {}

    /// Factor from weights to integers.
    ///
    /// @param largest largest magnitude, finite
    public static float weightInverse(float largest) {
        float inverse = WEIGHT_LEVELS / largest;
        return Float.isInfinite(inverse) ? 0 : inverse;
    }

    /// Factor from integers to weights.
    ///
    /// @param largest largest magnitude, finite
    public static float weightScale(float largest) {
        return weightInverse(largest) == 0 ? 0 : largest / WEIGHT_LEVELS;
    }

    /// The integer of a weight.
    ///
    /// @param inverse as [#weightInverse] gives it
    public static byte weight(float value, float inverse) {
        return (byte) Math.rint(value * inverse);
    }

    /// How the activations of one row are quantised.
    ///
    /// @param inverse factor from activations to integers
    /// @param zero the integer of 0
    /// @param scale factor from integers, less the zero point, to activations; NaN for a row that is not finite
    public record Row(float inverse, int zero, float scale) {
        /// The integer of an activation, 0 to 255.
        public int quantize(float value) {
            return Math.clamp((long) Math.rint(value * inverse) + zero, 0, 255);
        }
    }

    /// The quantisation of a row.
    ///
    /// @param smallest smallest element, or 0 if that is less; NaN if an element is
    /// @param largest largest element, or 0 if that is greater; NaN if an element is
    public static Row row(float smallest, float largest) {
        float range = largest - smallest;
        if (!(range < Float.POSITIVE_INFINITY)) {
            return new Row(0, 0, Float.NaN);
        }
        float inverse = ACTIVATION_LEVELS / range;
        if (Float.isInfinite(inverse)) {
            return new Row(0, 0, 0);
        }
        return new Row(inverse, (int) Math.rint(-smallest * inverse), range / ACTIVATION_LEVELS);
    }
}
