package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Activation;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// The last step of a group normalisation; a template for [Specialized].
final class GroupLoop implements GroupRow {
    private static final Activation ACTIVATION = Specialized.constant(MethodHandles.lookup(), Activation.class);

    GroupLoop() {}

    @Override
    public void channel(
            MemorySegment x, long xo, float mean, float factor, float term, MemorySegment y, long yo, int n) {
        FloatVector m = Simd.splat(mean);
        FloatVector f = Simd.splat(factor);
        FloatVector t = Simd.splat(term);
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            FloatVector v = Simd.load(x, xo + 4L * i).sub(m).fma(f, t);
            Simd.store(VectorMath.activate(ACTIVATION, v), y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector v = Simd.load(x, xo + 4L * i, rest).sub(m).fma(f, t);
            Simd.store(VectorMath.activate(ACTIVATION, v), y, yo + 4L * i, rest);
        }
    }

    /// Two vectors of channels at a time: their means, factors and terms stay in registers while the positions go by.
    @Override
    public void whole(
            MemorySegment x,
            long xo,
            long xStep,
            MemorySegment c,
            long co,
            long step,
            MemorySegment y,
            long yo,
            long yStep,
            int positions,
            int n) {
        int lanes = Simd.LANES;
        for (int i = 0; i < n; i += 2 * lanes) {
            long at = co + 4L * i;
            long next = at + 4L * lanes;
            FloatVector m = Simd.load(c, at);
            FloatVector f = Simd.load(c, at + step);
            FloatVector t = Simd.load(c, at + 2 * step);
            FloatVector m2 = Simd.load(c, next);
            FloatVector f2 = Simd.load(c, next + step);
            FloatVector t2 = Simd.load(c, next + 2 * step);
            for (int p = 0; p < positions; p++) {
                long from = xo + p * xStep + 4L * i;
                long to = yo + p * yStep + 4L * i;
                FloatVector v = Simd.load(x, from).sub(m).fma(f, t);
                FloatVector w = Simd.load(x, from + 4L * lanes).sub(m2).fma(f2, t2);
                Simd.store(VectorMath.activate(ACTIVATION, v), y, to);
                Simd.store(VectorMath.activate(ACTIVATION, w), y, to + 4L * lanes);
            }
        }
    }

    @Override
    public void rest(
            MemorySegment x,
            long xo,
            long xStep,
            MemorySegment c,
            long co,
            long step,
            MemorySegment y,
            long yo,
            long yStep,
            int positions,
            int n) {
        for (int i = 0; i < n; i += Simd.LANES) {
            VectorMask<Float> rest = Simd.first(n - i);
            long at = co + 4L * i;
            FloatVector m = Simd.load(c, at, rest);
            FloatVector f = Simd.load(c, at + step, rest);
            FloatVector t = Simd.load(c, at + 2 * step, rest);
            for (int p = 0; p < positions; p++) {
                FloatVector v =
                        Simd.load(x, xo + p * xStep + 4L * i, rest).sub(m).fma(f, t);
                Simd.store(VectorMath.activate(ACTIVATION, v), y, yo + p * yStep + 4L * i, rest);
            }
        }
    }
}
