package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Weighted sums of rows; a template for [Specialized].
final class WeightedLoop implements WeightedRow {
    WeightedLoop() {}

    @Override
    public void blend(MemorySegment x, long xo, long step, float u, float v, MemorySegment y, long yo, int n) {
        FloatVector factor = Simd.splat(v);
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            FloatVector a = Simd.load(x, xo + 4L * i).mul(u);
            Simd.store(Simd.load(x, xo + step + 4L * i).fma(factor, a), y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector a = Simd.load(x, xo + 4L * i, rest).mul(u);
            Simd.store(Simd.load(x, xo + step + 4L * i, rest).fma(factor, a), y, yo + 4L * i, rest);
        }
    }

    @Override
    public void weighted(MemorySegment x, long xo, long step, float[] weights, MemorySegment y, long yo, int n) {
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            FloatVector a = Simd.zero();
            for (int k = 0; k < weights.length; k++) {
                a = Simd.load(x, xo + k * step + 4L * i).fma(Simd.splat(weights[k]), a);
            }
            Simd.store(a, y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector a = Simd.zero();
            for (int k = 0; k < weights.length; k++) {
                a = Simd.load(x, xo + k * step + 4L * i, rest).fma(Simd.splat(weights[k]), a);
            }
            Simd.store(a, y, yo + 4L * i, rest);
        }
    }
}
