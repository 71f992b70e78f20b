package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.palimpsest.kernels.BFloat16;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;

/// Converts rows; a template for [Specialized].
final class ConversionLoop implements ConversionRow {
    private static final Conversion OP = Specialized.constant(MethodHandles.lookup(), Conversion.class);

    ConversionLoop() {}

    @Override
    public void run(MemorySegment x, long xo, MemorySegment y, long yo, int n) {
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            if (OP == Conversion.FROM_BF16) {
                Simd.store(Simd.fromBFloat16(Simd.loadShorts(x, xo + 2L * i)), y, yo + 4L * i);
            } else if (OP == Conversion.FROM_F16) {
                Simd.store(Simd.fromFloat16(Simd.loadShorts(x, xo + 2L * i)), y, yo + 4L * i);
            } else if (OP == Conversion.TO_BF16) {
                Simd.store(Simd.toBFloat16(Simd.load(x, xo + 4L * i)), y, yo + 2L * i);
            } else {
                Simd.store(Simd.toFloat16(Simd.load(x, xo + 4L * i)), y, yo + 2L * i);
            }
        }
        for (; i < n; i++) {
            if (OP == Conversion.FROM_BF16) {
                y.set(JAVA_FLOAT_UNALIGNED, yo + 4L * i, BFloat16.toFloat(x.get(JAVA_SHORT_UNALIGNED, xo + 2L * i)));
            } else if (OP == Conversion.FROM_F16) {
                y.set(
                        JAVA_FLOAT_UNALIGNED,
                        yo + 4L * i,
                        Float.float16ToFloat(x.get(JAVA_SHORT_UNALIGNED, xo + 2L * i)));
            } else if (OP == Conversion.TO_BF16) {
                y.set(JAVA_SHORT_UNALIGNED, yo + 2L * i, BFloat16.fromFloat(x.get(JAVA_FLOAT_UNALIGNED, xo + 4L * i)));
            } else {
                y.set(
                        JAVA_SHORT_UNALIGNED,
                        yo + 2L * i,
                        Float.floatToFloat16(x.get(JAVA_FLOAT_UNALIGNED, xo + 4L * i)));
            }
        }
    }
}
