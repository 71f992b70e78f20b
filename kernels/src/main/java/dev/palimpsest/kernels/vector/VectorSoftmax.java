package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// Softmax and the index of the maximum, along the last axis.
final class VectorSoftmax {
    private static final Specialized<Integer, ShortSoftmaxRow> SHORT =
            new Specialized<>(ShortSoftmaxLoop.class, ShortSoftmaxRow.class, List.of(1, 2, 3, 4, 5, 6, 7, 8));

    /// Exponentials that are added in f32; blocks are added in f64.
    private static final int BLOCK = 1024;

    private final Parallel parallel;
    private final Scratch scratch;

    VectorSoftmax(Parallel parallel, Scratch scratch) {
        this.parallel = parallel;
        this.scratch = scratch;
    }

    /// See [dev.palimpsest.kernels.Kernels#softmax]. Three passes over a row: its maximum, the exponentials with their
    /// sum, the division.
    void softmax(NdArray x, NdArray out) {
        if (x.elements() == 0) {
            return;
        }
        int width = x.dim(-1);
        LoopNest nest = LoopNest.over(out.select(-1, 0), x.select(-1, 0));
        boolean xDirect = Rows.isDirect(x, x.stride(-1));
        boolean yDirect = Rows.isDirect(out, out.stride(-1));
        // short rows would spend more time between the loops than in them
        boolean together = xDirect && yDirect && width <= BLOCK && width % Simd.LANES == 0;
        nest.forEach(parallel, Math.max(1, LoopNest.GRAIN / width), width, () -> {
            MemorySegment s = scratch.floats(width);
            MemorySegment from = xDirect ? x.memory() : s;
            MemorySegment to = yDirect ? out.memory() : s;
            return (at, n) -> {
                if (together) {
                    long xStep = 4 * nest.innerStride(1);
                    long yStep = 4 * nest.innerStride(0);
                    if (width <= ShortSoftmaxRow.VECTORS * Simd.LANES) {
                        inRegisters(from, 4 * at[1], xStep, to, 4 * at[0], yStep, n, width / Simd.LANES);
                        return;
                    }
                    SoftmaxRow.LOOP.rows(from, 4 * at[1], xStep, to, 4 * at[0], yStep, n, width);
                    return;
                }
                for (int i = 0; i < n; i++) {
                    long xo = (at[1] + i * nest.innerStride(1)) * x.dtype().bytes();
                    long yo = (at[0] + i * nest.innerStride(0)) * 4;
                    if (!xDirect) {
                        Rows.read(x.dtype(), x.memory(), xo, x.stride(-1), s, 0, width);
                        xo = 0;
                    }
                    long to0 = yDirect ? yo : 0;
                    float max = ExtremeRow.LOOP.max(from, xo, width);
                    double sum = exponentials(from, xo, max, to, to0, width);
                    SoftmaxRow.LOOP.scale(to, to0, (float) (1 / sum), width);
                    if (!yDirect) {
                        Rows.write(s, 0, DType.F32, out.memory(), yo, out.stride(-1), width);
                    }
                }
            };
        });
    }

    /// Rows of whole vectors, few enough that no loop runs over a row.
    private static void inRegisters(
            MemorySegment x, long xo, long xStep, MemorySegment y, long yo, long yStep, int rows, int vectors) {
        ShortSoftmaxRow loop = SHORT.get(vectors);
        float[] found = new float[ShortSoftmaxRow.ROWS];
        for (int i = 0; i < rows; i += found.length) {
            int n = Math.min(found.length, rows - i);
            loop.maxima(x, xo + i * xStep, xStep, found, n);
            loop.exponentials(x, xo + i * xStep, xStep, found, y, yo + i * yStep, yStep, n);
            loop.divide(y, yo + i * yStep, yStep, found, n);
        }
    }

    /// Writes `e^(x - max)` and returns the sum.
    private static double exponentials(MemorySegment x, long xo, float max, MemorySegment y, long yo, int n) {
        double total = 0;
        for (int i = 0; i < n; i += BLOCK) {
            total += SoftmaxRow.LOOP.exponentials(x, xo + 4L * i, max, y, yo + 4L * i, Math.min(BLOCK, n - i));
        }
        return total;
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
                    int index = ExtremeRow.LOOP.find(from, xo, ExtremeRow.LOOP.max(from, xo, width), width);
                    out.memory().set(JAVA_LONG_UNALIGNED, 8 * (at[0] + i * nest.innerStride(0)), index);
                }
            };
        });
    }
}
