package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Passes of the softmax; a template for [Specialized].
final class SoftmaxLoop implements SoftmaxRow {
    SoftmaxLoop() {}

    @Override
    public float exponentials(MemorySegment x, long xo, float max, MemorySegment y, long yo, int n) {
        int lanes = Simd.LANES;
        FloatVector m = Simd.splat(max);
        FloatVector sum = Simd.zero();
        int i = 0;
        for (; i <= n - lanes; i += lanes) {
            FloatVector p = VectorMath.exp(Simd.load(x, xo + 4L * i).sub(m));
            Simd.store(p, y, yo + 4L * i);
            sum = sum.add(p);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector p = VectorMath.exp(Simd.load(x, xo + 4L * i, rest).sub(m));
            Simd.store(p, y, yo + 4L * i, rest);
            sum = sum.add(Simd.zero().blend(p, rest));
        }
        return Simd.sum(sum);
    }

    @Override
    public void scale(MemorySegment y, long yo, float factor, int n) {
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            Simd.store(Simd.load(y, yo + 4L * i).mul(factor), y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            Simd.store(Simd.load(y, yo + 4L * i, rest).mul(factor), y, yo + 4L * i, rest);
        }
    }
}
