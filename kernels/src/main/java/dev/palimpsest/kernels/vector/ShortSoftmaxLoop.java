package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// The softmax of rows of a few whole vectors, without loops in a row; a template for [Specialized].
final class ShortSoftmaxLoop implements ShortSoftmaxRow {
    private static final int COUNT = Specialized.constant(MethodHandles.lookup(), Integer.class);
    private static final long BYTES = 4L * Simd.LANES;

    ShortSoftmaxLoop() {}

    @Override
    public void maxima(MemorySegment x, long xo, long step, float[] max, int rows) {
        for (int row = 0; row < rows; row++) {
            long at = xo + row * step;
            FloatVector m = Simd.load(x, at);
            m = larger(m, x, at, 1);
            m = larger(m, x, at, 2);
            m = larger(m, x, at, 3);
            m = larger(m, x, at, 4);
            m = larger(m, x, at, 5);
            m = larger(m, x, at, 6);
            m = larger(m, x, at, 7);
            max[row] = largest(m);
        }
    }

    @Override
    public void exponentials(
            MemorySegment x, long xo, long step, float[] max, MemorySegment y, long yo, long yStep, int rows) {
        for (int row = 0; row < rows; row++) {
            long from = xo + row * step;
            long to = yo + row * yStep;
            FloatVector m = Simd.splat(max[row]);
            FloatVector sum = exponential(x, from, m, y, to);
            sum = exponential(sum, m, x, from, y, to, 1);
            sum = exponential(sum, m, x, from, y, to, 2);
            sum = exponential(sum, m, x, from, y, to, 3);
            sum = exponential(sum, m, x, from, y, to, 4);
            sum = exponential(sum, m, x, from, y, to, 5);
            sum = exponential(sum, m, x, from, y, to, 6);
            sum = exponential(sum, m, x, from, y, to, 7);
            max[row] = Simd.sum(sum);
        }
    }

    @Override
    public void divide(MemorySegment y, long yo, long step, float[] sums, int rows) {
        for (int row = 0; row < rows; row++) {
            long at = yo + row * step;
            FloatVector factor = Simd.splat(1 / sums[row]);
            scale(factor, y, at, 0);
            scale(factor, y, at, 1);
            scale(factor, y, at, 2);
            scale(factor, y, at, 3);
            scale(factor, y, at, 4);
            scale(factor, y, at, 5);
            scale(factor, y, at, 6);
            scale(factor, y, at, 7);
        }
    }

    /// The larger ones of some numbers and the `i`-th vector of a row that has one.
    @Inline
    private static FloatVector larger(FloatVector m, MemorySegment x, long at, int i) {
        return i < COUNT ? larger(m, Simd.load(x, at + i * BYTES)) : m;
    }

    /// The sum of some numbers and the exponentials of the `i`-th vector of a row that has one, which are written.
    @Inline
    private static FloatVector exponential(
            FloatVector sum, FloatVector max, MemorySegment x, long xo, MemorySegment y, long yo, int i) {
        return i < COUNT ? sum.add(exponential(x, xo + i * BYTES, max, y, yo + i * BYTES)) : sum;
    }

    @Inline
    private static FloatVector exponential(MemorySegment x, long xo, FloatVector max, MemorySegment y, long yo) {
        FloatVector p = VectorMath.exp(Simd.load(x, xo).sub(max));
        Simd.store(p, y, yo);
        return p;
    }

    @Inline
    private static void scale(FloatVector factor, MemorySegment y, long at, int i) {
        if (i < COUNT) {
            Simd.store(Simd.load(y, at + i * BYTES).mul(factor), y, at + i * BYTES);
        }
    }

    /// The larger one in each lane; a NaN may get lost, but it makes the exponentials' sum one.
    @Inline
    private static FloatVector larger(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.GT, a));
    }

    /// The largest lane.
    @Inline
    private static float largest(FloatVector v) {
        FloatVector m = v;
        if (Simd.LANES > 8) {
            m = larger(m, m.rearrange(Simd.ACROSS_8));
        }
        if (Simd.LANES > 4) {
            m = larger(m, m.rearrange(Simd.ACROSS_4));
        }
        m = larger(m, m.rearrange(Simd.ACROSS_2));
        return larger(m, m.rearrange(Simd.ACROSS_1)).lane(0);
    }
}
