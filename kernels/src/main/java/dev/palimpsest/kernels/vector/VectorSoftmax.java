package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// Softmax and the index of the maximum, along the last axis.
final class VectorSoftmax {
    private final Parallel parallel;
    private final Scratch scratch;

    VectorSoftmax(Parallel parallel, Scratch scratch) {
        this.parallel = parallel;
        this.scratch = scratch;
    }

    /// See [dev.palimpsest.kernels.Kernels#softmax]. Three passes over a row: its maximum, the exponentials with their
    /// sum,
    /// the division.
    void softmax(NdArray x, NdArray out) {
        if (x.elements() == 0) {
            return;
        }
        int width = x.dim(-1);
        LoopNest nest = LoopNest.over(out.select(-1, 0), x.select(-1, 0));
        boolean xDirect = Rows.isDirect(x, x.stride(-1));
        boolean yDirect = Rows.isDirect(out, out.stride(-1));
        nest.forEach(parallel, Math.max(1, LoopNest.GRAIN / width), width, () -> {
            MemorySegment s = scratch.floats(width);
            MemorySegment from = xDirect ? x.memory() : s;
            MemorySegment to = yDirect ? out.memory() : s;
            return (at, n) -> {
                for (int i = 0; i < n; i++) {
                    long xo = (at[1] + i * nest.innerStride(1)) * x.dtype().bytes();
                    long yo = (at[0] + i * nest.innerStride(0)) * 4;
                    if (!xDirect) {
                        Rows.read(x.dtype(), x.memory(), xo, x.stride(-1), s, 0, width);
                        xo = 0;
                    }
                    long to0 = yDirect ? yo : 0;
                    float max = Extremes.max(from, xo, width);
                    double sum = exponentials(from, xo, max, to, to0, width);
                    scale(to, to0, (float) (1 / sum), width);
                    if (!yDirect) {
                        Rows.write(s, 0, DType.F32, out.memory(), yo, out.stride(-1), width);
                    }
                }
            };
        });
    }

    /// Writes `e^(x - max)` and returns the sum.
    private static double exponentials(MemorySegment x, long xo, float max, MemorySegment y, long yo, int n) {
        double total = 0;
        for (int i = 0; i < n; i += Sums.BLOCK) {
            total += blockOfExponentials(x, xo + 4L * i, max, y, yo + 4L * i, Math.min(Sums.BLOCK, n - i));
        }
        return total;
    }

    private static float blockOfExponentials(MemorySegment x, long xo, float max, MemorySegment y, long yo, int n) {
        int lanes = Simd.LANES;
        FloatVector m = Simd.splat(max);
        FloatVector a = Simd.zero();
        FloatVector b = Simd.zero();
        int i = 0;
        for (; i <= n - 2 * lanes; i += 2 * lanes) {
            FloatVector p = VectorMath.exp(Simd.load(x, xo + 4L * i).sub(m));
            FloatVector q = VectorMath.exp(Simd.load(x, xo + 4L * (i + lanes)).sub(m));
            Simd.store(p, y, yo + 4L * i);
            Simd.store(q, y, yo + 4L * (i + lanes));
            a = a.add(p);
            b = b.add(q);
        }
        for (; i < n; i += lanes) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector p = VectorMath.exp(Simd.load(x, xo + 4L * i, rest).sub(m));
            Simd.store(p, y, yo + 4L * i, rest);
            a = a.add(Simd.zero().blend(p, rest));
        }
        return Simd.sum(a.add(b));
    }

    private static void scale(MemorySegment y, long yo, float factor, int n) {
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            Simd.store(Simd.load(y, yo + 4L * i).mul(factor), y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            Simd.store(Simd.load(y, yo + 4L * i, rest).mul(factor), y, yo + 4L * i, rest);
        }
    }

    /// See [dev.palimpsest.kernels.Kernels#argmax]. One pass for the maximum, one that stops where it is found.
    void argmax(NdArray x, NdArray out) {
        if (x.elements() == 0) {
            return;
        }
        int width = x.dim(-1);
        LoopNest nest = LoopNest.over(out, x.select(-1, 0));
        boolean direct = Rows.isDirect(x, x.stride(-1));
        nest.forEach(parallel, Math.max(1, LoopNest.GRAIN / width), width, () -> {
            MemorySegment s = scratch.floats(width);
            MemorySegment from = direct ? x.memory() : s;
            return (at, n) -> {
                for (int i = 0; i < n; i++) {
                    long xo = (at[1] + i * nest.innerStride(1)) * x.dtype().bytes();
                    if (!direct) {
                        Rows.read(x.dtype(), x.memory(), xo, x.stride(-1), s, 0, width);
                        xo = 0;
                    }
                    int index = find(from, xo, Extremes.max(from, xo, width), width);
                    out.memory().set(JAVA_LONG_UNALIGNED, 8 * (at[0] + i * nest.innerStride(0)), index);
                }
            };
        });
    }

    /// First position of a value, where a NaN equals a NaN.
    private static int find(MemorySegment x, long xo, float value, int n) {
        boolean nan = Float.isNaN(value);
        for (int i = 0; i < n; i += Simd.LANES) {
            VectorMask<Float> lanes = Simd.first(n - i);
            FloatVector v = Simd.load(x, xo + 4L * i, lanes);
            VectorMask<Float> hit = nan
                    ? v.test(VectorOperators.IS_NAN).and(lanes)
                    : v.compare(VectorOperators.EQ, value).and(lanes);
            if (hit.anyTrue()) {
                return i + hit.firstTrue();
            }
        }
        throw new IllegalStateException("the maximum of a row is not in the row");
    }
}
