package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// Largest and smallest elements of rows of dense floats; NaN if any element is.
final class Extremes {
    private Extremes() {}

    /// Largest of `n` floats at byte `xo`, negative infinity for none.
    static float max(MemorySegment x, long xo, int n) {
        int lanes = Simd.LANES;
        FloatVector a = Simd.splat(Float.NEGATIVE_INFINITY);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= n - 4 * lanes; i += 4 * lanes) {
            a = a.max(Simd.load(x, xo + 4L * i));
            b = b.max(Simd.load(x, xo + 4L * (i + lanes)));
            c = c.max(Simd.load(x, xo + 4L * (i + 2 * lanes)));
            d = d.max(Simd.load(x, xo + 4L * (i + 3 * lanes)));
        }
        for (; i < n; i += lanes) {
            VectorMask<Float> rest = Simd.first(n - i);
            a = a.blend(a.max(Simd.load(x, xo + 4L * i, rest)), rest);
        }
        return a.max(b).max(c.max(d)).reduceLanes(VectorOperators.MAX);
    }

    /// Smallest of `n` floats at byte `xo`, positive infinity for none.
    static float min(MemorySegment x, long xo, int n) {
        int lanes = Simd.LANES;
        FloatVector a = Simd.splat(Float.POSITIVE_INFINITY);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= n - 4 * lanes; i += 4 * lanes) {
            a = a.min(Simd.load(x, xo + 4L * i));
            b = b.min(Simd.load(x, xo + 4L * (i + lanes)));
            c = c.min(Simd.load(x, xo + 4L * (i + 2 * lanes)));
            d = d.min(Simd.load(x, xo + 4L * (i + 3 * lanes)));
        }
        for (; i < n; i += lanes) {
            VectorMask<Float> rest = Simd.first(n - i);
            a = a.blend(a.min(Simd.load(x, xo + 4L * i, rest)), rest);
        }
        return a.min(b).min(c.min(d)).reduceLanes(VectorOperators.MIN);
    }
}
