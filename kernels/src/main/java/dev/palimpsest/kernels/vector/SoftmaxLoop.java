package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// Passes of the softmax; a template for [Specialized].
final class SoftmaxLoop implements SoftmaxRow {
    /// Elements of the rows that are worked on together: half of a first-level cache holds them and their results.
    private static final int CACHED = 2048;

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

    /// In three sweeps over as many rows as the first-level cache holds: what a row waits for, its maximum and its
    /// sum, is then computed while other rows go on.
    @Override
    public void rows(MemorySegment x, long xo, long xStep, MemorySegment y, long yo, long yStep, int rows, int n) {
        int lanes = Simd.LANES;
        int group = Math.clamp(CACHED / n, 1, rows);
        float[] found = new float[group];
        for (int first = 0; first < rows; first += group) {
            int count = Math.min(group, rows - first);
            for (int row = 0; row < count; row++) {
                long from = xo + (first + row) * xStep;
                FloatVector a = Simd.load(x, from);
                FloatVector b = a;
                FloatVector c = a;
                FloatVector d = a;
                int i = 0;
                for (; i <= n - 4 * lanes; i += 4 * lanes) {
                    a = larger(a, Simd.load(x, from + 4L * i));
                    b = larger(b, Simd.load(x, from + 4L * (i + lanes)));
                    c = larger(c, Simd.load(x, from + 4L * (i + 2 * lanes)));
                    d = larger(d, Simd.load(x, from + 4L * (i + 3 * lanes)));
                }
                for (; i < n; i += lanes) {
                    a = larger(a, Simd.load(x, from + 4L * i));
                }
                found[row] = largest(larger(larger(a, b), larger(c, d)));
            }
            for (int row = 0; row < count; row++) {
                long from = xo + (first + row) * xStep;
                long to = yo + (first + row) * yStep;
                FloatVector max = Simd.splat(found[row]);
                FloatVector sum = Simd.zero();
                for (int i = 0; i < n; i += lanes) {
                    FloatVector p = VectorMath.exp(Simd.load(x, from + 4L * i).sub(max));
                    Simd.store(p, y, to + 4L * i);
                    sum = sum.add(p);
                }
                found[row] = Simd.sum(sum);
            }
            for (int row = 0; row < count; row++) {
                long to = yo + (first + row) * yStep;
                FloatVector factor = Simd.splat((float) (1.0 / found[row]));
                for (int i = 0; i < n; i += lanes) {
                    Simd.store(Simd.load(y, to + 4L * i).mul(factor), y, to + 4L * i);
                }
            }
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
