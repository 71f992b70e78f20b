package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// Moving rows of elements between their stored form and dense floats.
///
/// Positions are in bytes, strides in elements.
final class Rows {
    private static final Specialized<ConversionRow.Conversion, ConversionRow> CONVERSIONS =
            new Specialized<>(ConversionLoop.class, ConversionRow.class, List.of(ConversionRow.Conversion.values()));

    private Rows() {}

    /// Whether the vector kernels can read elements of this type.
    static boolean isReadable(DType t) {
        return t == DType.F32 || t == DType.F16 || t == DType.BF16;
    }

    /// Whether a row of this array can be used where it lies.
    static boolean isDirect(NdArray a, long stride) {
        return a.dtype() == DType.F32 && stride == 1;
    }

    /// Reads `n` elements of an f32, f16 or bf16 array as dense floats.
    static void read(DType t, MemorySegment x, long xo, long stride, MemorySegment y, long yo, int n) {
        switch (t) {
            case F32 -> {
                if (stride == 1) {
                    MemorySegment.copy(x, xo, y, yo, 4L * n);
                } else {
                    readFloats(x, xo, 4 * stride, y, yo, n);
                }
            }
            case BF16 -> {
                if (stride == 1) {
                    CONVERSIONS.get(ConversionRow.Conversion.FROM_BF16).run(x, xo, y, yo, n);
                } else {
                    readBFloat16(x, xo, 2 * stride, y, yo, n);
                }
            }
            case F16 -> {
                if (stride == 1) {
                    CONVERSIONS.get(ConversionRow.Conversion.FROM_F16).run(x, xo, y, yo, n);
                } else {
                    readFloat16(x, xo, 2 * stride, y, yo, n);
                }
            }
            default -> throw new IllegalStateException(t.label() + " rows cannot be read as floats");
        }
    }

    /// Reads one element of an f32, f16 or bf16 array.
    static float read(DType t, MemorySegment x, long xo) {
        return switch (t) {
            case F32 -> x.get(JAVA_FLOAT_UNALIGNED, xo);
            case BF16 -> BFloat16.toFloat(x.get(JAVA_SHORT_UNALIGNED, xo));
            case F16 -> Float.float16ToFloat(x.get(JAVA_SHORT_UNALIGNED, xo));
            default -> throw new IllegalStateException(t.label() + " elements cannot be read as floats");
        };
    }

    /// Writes `n` dense floats as elements of an f32, f16 or bf16 array.
    static void write(MemorySegment x, long xo, DType t, MemorySegment y, long yo, long stride, int n) {
        switch (t) {
            case F32 -> {
                if (stride == 1) {
                    MemorySegment.copy(x, xo, y, yo, 4L * n);
                } else {
                    writeFloats(x, xo, y, yo, 4 * stride, n);
                }
            }
            case BF16 -> {
                if (stride == 1) {
                    CONVERSIONS.get(ConversionRow.Conversion.TO_BF16).run(x, xo, y, yo, n);
                } else {
                    writeBFloat16(x, xo, y, yo, 2 * stride, n);
                }
            }
            case F16 -> {
                if (stride == 1) {
                    CONVERSIONS.get(ConversionRow.Conversion.TO_F16).run(x, xo, y, yo, n);
                } else {
                    writeFloat16(x, xo, y, yo, 2 * stride, n);
                }
            }
            default -> throw new IllegalStateException("floats cannot be written as " + t.label() + " rows");
        }
    }

    private static void readFloats(MemorySegment x, long xo, long step, MemorySegment y, long yo, int n) {
        if (step == 0) {
            FillRow.LOOP.run(y, yo, x.get(JAVA_INT_UNALIGNED, xo), n);
            return;
        }
        for (int i = 0; i < n; i++) {
            y.set(JAVA_FLOAT_UNALIGNED, yo + 4L * i, x.get(JAVA_FLOAT_UNALIGNED, xo + step * i));
        }
    }

    private static void readBFloat16(MemorySegment x, long xo, long step, MemorySegment y, long yo, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_FLOAT_UNALIGNED, yo + 4L * i, BFloat16.toFloat(x.get(JAVA_SHORT_UNALIGNED, xo + step * i)));
        }
    }

    private static void readFloat16(MemorySegment x, long xo, long step, MemorySegment y, long yo, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_FLOAT_UNALIGNED, yo + 4L * i, Float.float16ToFloat(x.get(JAVA_SHORT_UNALIGNED, xo + step * i)));
        }
    }

    private static void writeFloats(MemorySegment x, long xo, MemorySegment y, long yo, long step, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_FLOAT_UNALIGNED, yo + step * i, x.get(JAVA_FLOAT_UNALIGNED, xo + 4L * i));
        }
    }

    private static void writeBFloat16(MemorySegment x, long xo, MemorySegment y, long yo, long step, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_SHORT_UNALIGNED, yo + step * i, BFloat16.fromFloat(x.get(JAVA_FLOAT_UNALIGNED, xo + 4L * i)));
        }
    }

    private static void writeFloat16(MemorySegment x, long xo, MemorySegment y, long yo, long step, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_SHORT_UNALIGNED, yo + step * i, Float.floatToFloat16(x.get(JAVA_FLOAT_UNALIGNED, xo + 4L * i)));
        }
    }
}
