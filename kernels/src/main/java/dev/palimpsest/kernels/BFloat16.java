package dev.palimpsest.kernels;

/// Conversion between binary32 and bfloat16, its upper half.
public final class BFloat16 {
    private BFloat16() {}

    /// Rounds to the nearest bfloat16, ties to even; a NaN stays a (quiet) NaN.
    public static short fromFloat(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40);
        }
        return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }

    /// The exact value.
    public static float toFloat(short value) {
        return Float.intBitsToFloat(value << 16);
    }
}
