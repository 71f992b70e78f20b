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

    @Override
    public void position(
            MemorySegment x, long xo, MemorySegment c, long co, long step, MemorySegment y, long yo, int n) {
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            long at = co + 4L * i;
            FloatVector v = Simd.load(x, xo + 4L * i).sub(Simd.load(c, at));
            v = v.fma(Simd.load(c, at + step), Simd.load(c, at + 2 * step));
            Simd.store(VectorMath.activate(ACTIVATION, v), y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            long at = co + 4L * i;
            FloatVector v = Simd.load(x, xo + 4L * i, rest).sub(Simd.load(c, at, rest));
            v = v.fma(Simd.load(c, at + step, rest), Simd.load(c, at + 2 * step, rest));
            Simd.store(VectorMath.activate(ACTIVATION, v), y, yo + 4L * i, rest);
        }
    }
}
