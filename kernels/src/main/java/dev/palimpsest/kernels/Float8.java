package dev.palimpsest.kernels;

/// The values of the two 8-bit floating types (Micikevicius et al. 2022, arXiv 2209.05433, table 1).
public final class Float8 {
    private static final int E4M3_BIAS = 7;

    private Float8() {}

    /// The exact value of an [DType#F8_E4M3]: a sign, 4 exponent and 3 fraction bits. There are no infinities; only
    /// the two largest codes are NaN.
    public static float fromE4M3(byte code) {
        int exponent = code >> 3 & 0xf;
        int fraction = code & 7;
        float magnitude = exponent == 0xf && fraction == 7
                ? Float.NaN
                : exponent == 0
                        ? Math.scalb((float) fraction, 1 - E4M3_BIAS - 3)
                        : Math.scalb((float) (8 + fraction), exponent - E4M3_BIAS - 3);
        return code < 0 ? -magnitude : magnitude;
    }

    /// The exact value of an [DType#F8_E5M2]: the upper half of a binary16.
    public static float fromE5M2(byte code) {
        return Float.float16ToFloat((short) (code << 8));
    }
}
