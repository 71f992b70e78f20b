package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Sums of blocks, in four chains of vectors; a template for [Specialized].
final class SumLoop implements SumRow {
    SumLoop() {}

    @Override
    public float sum(MemorySegment x, long xo, int n) {
        int lanes = Simd.LANES;
        FloatVector a = Simd.zero();
        FloatVector b = Simd.zero();
        FloatVector c = Simd.zero();
        FloatVector d = Simd.zero();
        int i = 0;
        for (; i <= n - 4 * lanes; i += 4 * lanes) {
            a = a.add(Simd.load(x, xo + 4L * i));
            b = b.add(Simd.load(x, xo + 4L * (i + lanes)));
            c = c.add(Simd.load(x, xo + 4L * (i + 2 * lanes)));
            d = d.add(Simd.load(x, xo + 4L * (i + 3 * lanes)));
        }
        for (; i <= n - lanes; i += lanes) {
            a = a.add(Simd.load(x, xo + 4L * i));
        }
        if (i < n) {
            b = b.add(Simd.load(x, xo + 4L * i, Simd.first(n - i)));
        }
        return Simd.sum(a.add(b).add(c.add(d)));
    }

    @Override
    public float squares(MemorySegment x, long xo, int n) {
        int lanes = Simd.LANES;
        FloatVector a = Simd.zero();
        FloatVector b = Simd.zero();
        FloatVector c = Simd.zero();
        FloatVector d = Simd.zero();
        int i = 0;
        for (; i <= n - 4 * lanes; i += 4 * lanes) {
            FloatVector p = Simd.load(x, xo + 4L * i);
            FloatVector q = Simd.load(x, xo + 4L * (i + lanes));
            FloatVector r = Simd.load(x, xo + 4L * (i + 2 * lanes));
            FloatVector s = Simd.load(x, xo + 4L * (i + 3 * lanes));
            a = p.fma(p, a);
            b = q.fma(q, b);
            c = r.fma(r, c);
            d = s.fma(s, d);
        }
        for (; i <= n - lanes; i += lanes) {
            FloatVector p = Simd.load(x, xo + 4L * i);
            a = p.fma(p, a);
        }
        if (i < n) {
            FloatVector p = Simd.load(x, xo + 4L * i, Simd.first(n - i));
            b = p.fma(p, b);
        }
        return Simd.sum(a.add(b).add(c.add(d)));
    }

    @Override
    public void deviations(MemorySegment x, long xo, float mean, int n, double[] sums) {
        int lanes = Simd.LANES;
        FloatVector m = Simd.splat(mean);
        FloatVector a = Simd.zero();
        FloatVector b = Simd.zero();
        FloatVector c = Simd.zero();
        FloatVector d = Simd.zero();
        FloatVector aa = Simd.zero();
        FloatVector bb = Simd.zero();
        FloatVector cc = Simd.zero();
        FloatVector dd = Simd.zero();
        int i = 0;
        for (; i <= n - 4 * lanes; i += 4 * lanes) {
            FloatVector p = Simd.load(x, xo + 4L * i).sub(m);
            FloatVector q = Simd.load(x, xo + 4L * (i + lanes)).sub(m);
            FloatVector r = Simd.load(x, xo + 4L * (i + 2 * lanes)).sub(m);
            FloatVector s = Simd.load(x, xo + 4L * (i + 3 * lanes)).sub(m);
            a = a.add(p);
            b = b.add(q);
            c = c.add(r);
            d = d.add(s);
            aa = p.fma(p, aa);
            bb = q.fma(q, bb);
            cc = r.fma(r, cc);
            dd = s.fma(s, dd);
        }
        for (; i < n; i += lanes) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector p = Simd.zero().blend(Simd.load(x, xo + 4L * i, rest).sub(m), rest);
            a = a.add(p);
            aa = p.fma(p, aa);
        }
        sums[0] += Simd.sum(a.add(b).add(c.add(d)));
        sums[1] += Simd.sum(aa.add(bb).add(cc.add(dd)));
    }
}
