package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Turns pairs of elements; a template for [Specialized].
final class RopeLoop implements RopeRow {
    RopeLoop() {}

    @Override
    public void interleaved(MemorySegment x, long xo, MemorySegment s, long cos, MemorySegment y, long yo, int pairs) {
        int n = 2 * pairs;
        long sin = cos + 4L * n;
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            FloatVector v = Simd.load(x, xo + 4L * i);
            FloatVector w = Simd.neighbours(v).mul(Simd.load(s, sin + 4L * i));
            Simd.store(v.fma(Simd.load(s, cos + 4L * i), w), y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector v = Simd.load(x, xo + 4L * i, rest);
            FloatVector w = Simd.neighbours(v).mul(Simd.load(s, sin + 4L * i, rest));
            Simd.store(v.fma(Simd.load(s, cos + 4L * i, rest), w), y, yo + 4L * i, rest);
        }
    }

    @Override
    public void halves(MemorySegment x, long xo, MemorySegment s, long cos, MemorySegment y, long yo, int pairs) {
        long half = 4L * pairs;
        int i = 0;
        for (; i <= pairs - Simd.LANES; i += Simd.LANES) {
            FloatVector a = Simd.load(x, xo + 4L * i);
            FloatVector b = Simd.load(x, xo + half + 4L * i);
            FloatVector c = Simd.load(s, cos + 4L * i);
            FloatVector d = Simd.load(s, cos + half + 4L * i);
            Simd.store(a.fma(c, b.mul(d).neg()), y, yo + 4L * i);
            Simd.store(a.fma(d, b.mul(c)), y, yo + half + 4L * i);
        }
        if (i < pairs) {
            VectorMask<Float> rest = Simd.first(pairs - i);
            FloatVector a = Simd.load(x, xo + 4L * i, rest);
            FloatVector b = Simd.load(x, xo + half + 4L * i, rest);
            FloatVector c = Simd.load(s, cos + 4L * i, rest);
            FloatVector d = Simd.load(s, cos + half + 4L * i, rest);
            Simd.store(a.fma(c, b.mul(d).neg()), y, yo + 4L * i, rest);
            Simd.store(a.fma(d, b.mul(c)), y, yo + half + 4L * i, rest);
        }
    }
}
