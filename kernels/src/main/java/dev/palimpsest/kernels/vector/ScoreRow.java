package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static jdk.incubator.vector.VectorOperators.MAX;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Loops over one row of attention scores. Positions are in bytes; the memory is native and f32.
final class ScoreRow {
    private static final int LANES = Simd.LANES;

    private ScoreRow() {}

    /// `m[i] *= factor`
    static void scale(MemorySegment m, long at, int n, float factor) {
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            Simd.store(Simd.load(m, at + i * 4L).mul(factor), m, at + i * 4L);
        }
        for (; i < n; i++) {
            m.set(JAVA_FLOAT_UNALIGNED, at + i * 4L, m.get(JAVA_FLOAT_UNALIGNED, at + i * 4L) * factor);
        }
    }

    /// `a[i] *= factor` in a row of a tile, whose length is a multiple of the vector's.
    static void scale(float[] a, int from, int n, float factor) {
        for (int i = from; i < from + n; i += LANES) {
            FloatVector.fromArray(Simd.FLOATS, a, i).mul(factor).intoArray(a, i);
        }
    }

    /// Copies a row of a tile, whose length is a multiple of the vector's.
    static void copy(float[] a, int from, MemorySegment m, long at, int n) {
        for (int i = 0; i < n; i += LANES) {
            Simd.store(FloatVector.fromArray(Simd.FLOATS, a, from + i), m, at + i * 4L);
        }
    }

    /// `m[i] += x[i * step]`
    static void add(MemorySegment m, long at, int n, MemorySegment x, long xAt, long step) {
        int i = 0;
        if (step == 1) {
            for (; i <= n - LANES; i += LANES) {
                Simd.store(Simd.load(m, at + i * 4L).add(Simd.load(x, xAt + i * 4L)), m, at + i * 4L);
            }
        }
        for (; i < n; i++) {
            float sum = m.get(JAVA_FLOAT_UNALIGNED, at + i * 4L) + x.get(JAVA_FLOAT_UNALIGNED, xAt + i * step * 4);
            m.set(JAVA_FLOAT_UNALIGNED, at + i * 4L, sum);
        }
    }

    /// The largest element, NaN if there is one; n at least 1. Four maxima run side by side, since one waits for the
    /// previous.
    static float max(MemorySegment m, long at, int n) {
        float max = m.get(JAVA_FLOAT_UNALIGNED, at);
        int i = 0;
        if (n >= 4 * LANES) {
            FloatVector a = Simd.load(m, at);
            FloatVector b = Simd.load(m, at + LANES * 4L);
            FloatVector c = Simd.load(m, at + 2L * LANES * 4L);
            FloatVector d = Simd.load(m, at + 3L * LANES * 4L);
            for (i = 4 * LANES; i <= n - 4 * LANES; i += 4 * LANES) {
                a = a.max(Simd.load(m, at + i * 4L));
                b = b.max(Simd.load(m, at + (i + LANES) * 4L));
                c = c.max(Simd.load(m, at + (i + 2 * LANES) * 4L));
                d = d.max(Simd.load(m, at + (i + 3 * LANES) * 4L));
            }
            max = a.max(b).max(c.max(d)).reduceLanes(MAX);
        }
        for (; i < n; i++) {
            max = Math.max(max, m.get(JAVA_FLOAT_UNALIGNED, at + i * 4L));
        }
        return max;
    }

    /// `m[i] = e^(m[i] - shift)`; returns the sum.
    static float exponentials(MemorySegment m, long at, int n, float shift) {
        FloatVector sum = Simd.zero();
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            FloatVector e = VectorMath.exp(Simd.load(m, at + i * 4L).sub(shift));
            Simd.store(e, m, at + i * 4L);
            sum = sum.add(e);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector e = VectorMath.exp(Simd.load(m, at + i * 4L, rest).sub(shift));
            Simd.store(e, m, at + i * 4L, rest);
            sum = sum.add(Simd.zero().blend(e, rest));
        }
        return Simd.sum(sum);
    }

    /// `to[i * step] = a[i] * factor`
    static void write(float[] a, int from, int n, float factor, MemorySegment to, long toAt, long step) {
        int i = 0;
        if (step == 1) {
            for (; i <= n - LANES; i += LANES) {
                Simd.store(FloatVector.fromArray(Simd.FLOATS, a, from + i).mul(factor), to, toAt + i * 4L);
            }
        }
        for (; i < n; i++) {
            to.set(JAVA_FLOAT_UNALIGNED, toAt + i * step * 4, a[from + i] * factor);
        }
    }

    /// `to[i * step] = m[i]`
    static void write(MemorySegment m, long at, int n, MemorySegment to, long toAt, long step) {
        for (int i = 0; i < n; i++) {
            to.set(JAVA_FLOAT_UNALIGNED, toAt + i * step * 4, m.get(JAVA_FLOAT_UNALIGNED, at + i * 4L));
        }
    }
}
