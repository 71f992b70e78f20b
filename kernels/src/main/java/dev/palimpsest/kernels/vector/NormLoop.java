package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// The last step of a normalisation; a template for [Specialized].
final class NormLoop implements NormRow {
    private static final Form FORM = Specialized.constant(MethodHandles.lookup(), Form.class);
    private static final boolean CENTRED = FORM.centred();
    private static final boolean FACTOR = FORM.factor();
    private static final boolean TERM = FORM.term();

    NormLoop() {}

    @Override
    public void run(
            MemorySegment x,
            long xo,
            float mean,
            float inverse,
            float remainder,
            MemorySegment factor,
            long fo,
            MemorySegment term,
            long to,
            MemorySegment y,
            long yo,
            int n) {
        FloatVector m = Simd.splat(mean);
        FloatVector r = Simd.splat(inverse);
        FloatVector e = Simd.splat(remainder);
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            FloatVector v = normalized(Simd.load(x, xo + 4L * i), m, r, e);
            if (FACTOR && TERM) {
                v = v.fma(Simd.load(factor, fo + 4L * i), Simd.load(term, to + 4L * i));
            } else if (FACTOR) {
                v = v.mul(Simd.load(factor, fo + 4L * i));
            } else if (TERM) {
                v = v.add(Simd.load(term, to + 4L * i));
            }
            Simd.store(v, y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector v = normalized(Simd.load(x, xo + 4L * i, rest), m, r, e);
            if (FACTOR && TERM) {
                v = v.fma(Simd.load(factor, fo + 4L * i, rest), Simd.load(term, to + 4L * i, rest));
            } else if (FACTOR) {
                v = v.mul(Simd.load(factor, fo + 4L * i, rest));
            } else if (TERM) {
                v = v.add(Simd.load(term, to + 4L * i, rest));
            }
            Simd.store(v, y, yo + 4L * i, rest);
        }
    }

    @Inline
    private static FloatVector normalized(FloatVector x, FloatVector mean, FloatVector inverse, FloatVector remainder) {
        return CENTRED ? x.sub(mean).fma(inverse, remainder) : x.mul(inverse);
    }
}
