package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Deviations down the columns, four vectors of columns at a time in registers; a template for [Specialized].
final class DeviationLoop implements DeviationRow {
    DeviationLoop() {}

    @Override
    public void whole(
            MemorySegment x,
            long xo,
            long step,
            int rows,
            int from,
            int to,
            int columns,
            MemorySegment means,
            long mo,
            MemorySegment y,
            long yo) {
        for (int i = from; i < to; i += 4 * Simd.LANES) {
            four(x, xo + 4L * i, step, rows, means, mo + 4L * i, y, yo + 4L * i, 4L * columns);
        }
    }

    @Override
    public void rest(
            MemorySegment x,
            long xo,
            long step,
            int rows,
            int from,
            int columns,
            MemorySegment means,
            long mo,
            MemorySegment y,
            long yo) {
        for (int i = from; i < columns; i += Simd.LANES) {
            VectorMask<Float> rest = Simd.first(columns - i);
            FloatVector m = Simd.load(means, mo + 4L * i, rest);
            FloatVector a = Simd.zero();
            FloatVector aa = Simd.zero();
            for (int r = 0; r < rows; r++) {
                FloatVector v = Simd.load(x, xo + r * step + 4L * i, rest).sub(m);
                a = a.add(v);
                aa = v.fma(v, aa);
            }
            Simd.store(a, y, yo + 4L * i, rest);
            Simd.store(aa, y, yo + 4L * (columns + i), rest);
        }
    }

    @Inline
    private static void four(
            MemorySegment x,
            long xo,
            long step,
            int rows,
            MemorySegment means,
            long mo,
            MemorySegment y,
            long yo,
            long squares) {
        long v = 4L * Simd.LANES;
        FloatVector k = Simd.load(means, mo);
        FloatVector l = Simd.load(means, mo + v);
        FloatVector m = Simd.load(means, mo + 2 * v);
        FloatVector n = Simd.load(means, mo + 3 * v);
        FloatVector a = Simd.zero();
        FloatVector b = Simd.zero();
        FloatVector c = Simd.zero();
        FloatVector d = Simd.zero();
        FloatVector aa = Simd.zero();
        FloatVector bb = Simd.zero();
        FloatVector cc = Simd.zero();
        FloatVector dd = Simd.zero();
        for (int r = 0; r < rows; r++) {
            long at = xo + r * step;
            FloatVector p = Simd.load(x, at).sub(k);
            FloatVector q = Simd.load(x, at + v).sub(l);
            FloatVector s = Simd.load(x, at + 2 * v).sub(m);
            FloatVector t = Simd.load(x, at + 3 * v).sub(n);
            a = a.add(p);
            b = b.add(q);
            c = c.add(s);
            d = d.add(t);
            aa = p.fma(p, aa);
            bb = q.fma(q, bb);
            cc = s.fma(s, cc);
            dd = t.fma(t, dd);
        }
        Simd.store(a, y, yo);
        Simd.store(b, y, yo + v);
        Simd.store(c, y, yo + 2 * v);
        Simd.store(d, y, yo + 3 * v);
        Simd.store(aa, y, yo + squares);
        Simd.store(bb, y, yo + squares + v);
        Simd.store(cc, y, yo + squares + 2 * v);
        Simd.store(dd, y, yo + squares + 3 * v);
    }
}
