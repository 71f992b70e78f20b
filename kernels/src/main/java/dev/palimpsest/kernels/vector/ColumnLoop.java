package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Reduction;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Folds rows, four vectors of columns at a time in registers; a template for [Specialized].
final class ColumnLoop implements ColumnRow {
    private static final Reduction OP = Specialized.constant(MethodHandles.lookup(), Reduction.class);
    private static final float START =
            OP == Reduction.MAX ? Float.NEGATIVE_INFINITY : OP == Reduction.MIN ? Float.POSITIVE_INFINITY : 0;

    /// Rows that are folded by themselves before they are folded into the rest: short chains of additions round less.
    private static final int BLOCK = 16;

    ColumnLoop() {}

    @Override
    public void run(MemorySegment x, long xo, long step, int rows, int columns, MemorySegment y, long yo) {
        int lanes = Simd.LANES;
        int i = 0;
        for (; i <= columns - 4 * lanes; i += 4 * lanes) {
            four(x, xo + 4L * i, step, rows, y, yo + 4L * i);
        }
        for (; i < columns; i += lanes) {
            one(x, xo + 4L * i, step, rows, Simd.first(columns - i), y, yo + 4L * i);
        }
    }

    @Inline
    private static void four(MemorySegment x, long xo, long step, int rows, MemorySegment y, long yo) {
        long v = 4L * Simd.LANES;
        FloatVector a = Simd.splat(START);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        for (int block = 0; block < rows; block += BLOCK) {
            FloatVector p = Simd.splat(START);
            FloatVector q = p;
            FloatVector s = p;
            FloatVector t = p;
            int end = Math.min(rows, block + BLOCK);
            for (int r = block; r < end; r++) {
                long at = xo + r * step;
                p = fold(p, Simd.load(x, at));
                q = fold(q, Simd.load(x, at + v));
                s = fold(s, Simd.load(x, at + 2 * v));
                t = fold(t, Simd.load(x, at + 3 * v));
            }
            a = fold(a, p);
            b = fold(b, q);
            c = fold(c, s);
            d = fold(d, t);
        }
        Simd.store(a, y, yo);
        Simd.store(b, y, yo + v);
        Simd.store(c, y, yo + 2 * v);
        Simd.store(d, y, yo + 3 * v);
    }

    @Inline
    private static void one(
            MemorySegment x, long xo, long step, int rows, VectorMask<Float> lanes, MemorySegment y, long yo) {
        FloatVector a = Simd.splat(START);
        for (int block = 0; block < rows; block += BLOCK) {
            FloatVector p = Simd.splat(START);
            int end = Math.min(rows, block + BLOCK);
            for (int r = block; r < end; r++) {
                p = fold(p, Simd.load(x, xo + r * step, lanes));
            }
            a = fold(a, p);
        }
        Simd.store(a, y, yo, lanes);
    }

    @Inline
    private static FloatVector fold(FloatVector a, FloatVector b) {
        if (OP == Reduction.MAX) {
            return a.max(b);
        }
        return OP == Reduction.MIN ? a.min(b) : a.add(b);
    }
}
