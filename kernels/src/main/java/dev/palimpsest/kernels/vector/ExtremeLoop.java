package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// Extremes of rows; a template for [Specialized].
final class ExtremeLoop implements ExtremeRow {
    ExtremeLoop() {}

    @Override
    public float max(MemorySegment x, long xo, int n) {
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

    @Override
    public float min(MemorySegment x, long xo, int n) {
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

    @Override
    public int find(MemorySegment x, long xo, float value, int n) {
        // a NaN differs from everything, also from itself
        boolean nan = Float.isNaN(value);
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            FloatVector v = Simd.load(x, xo + 4L * i);
            VectorMask<Float> hit = v.compare(VectorOperators.EQ, nan ? v : Simd.splat(value));
            if (nan ? !hit.allTrue() : hit.anyTrue()) {
                return i + (nan ? hit.not() : hit).firstTrue();
            }
        }
        for (; i < n; i++) {
            float v = x.get(JAVA_FLOAT_UNALIGNED, xo + 4L * i);
            if (v == value || (nan && Float.isNaN(v))) {
                return i;
            }
        }
        return -1;
    }

    @Override
    public boolean isBelow(MemorySegment x, long xo, float limit, int n) {
        FloatVector largest = Simd.zero();
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            largest = largest.max(Simd.load(x, xo + 4L * i).abs());
        }
        if (i < n) {
            largest = largest.max(Simd.load(x, xo + 4L * i, Simd.first(n - i)).abs());
        }
        return largest.lt(limit).allTrue();
    }
}
