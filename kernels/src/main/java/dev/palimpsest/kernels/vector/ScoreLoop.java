package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.MAX;

import dev.palimpsest.kernels.BFloat16;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// The loops over scores; a template for [Specialized].
final class ScoreLoop implements ScoreRow {
    ScoreLoop() {}

    @Override
    public void add(MemorySegment m, long at, int n, MemorySegment x, long xAt, long step) {
        int i = 0;
        if (step == 1) {
            for (; i <= n - Simd.LANES; i += Simd.LANES) {
                Simd.store(Simd.load(m, at + i * 4L).add(Simd.load(x, xAt + i * 4L)), m, at + i * 4L);
            }
        }
        for (; i < n; i++) {
            float sum = m.get(JAVA_FLOAT_UNALIGNED, at + i * 4L) + x.get(JAVA_FLOAT_UNALIGNED, xAt + i * step * 4);
            m.set(JAVA_FLOAT_UNALIGNED, at + i * 4L, sum);
        }
    }

    @Override
    public void write(MemorySegment m, long at, int n, float factor, MemorySegment to, long toAt, long step) {
        int i = 0;
        if (step == 1) {
            for (; i <= n - Simd.LANES; i += Simd.LANES) {
                Simd.store(Simd.load(m, at + i * 4L).mul(factor), to, toAt + i * 4L);
            }
        }
        for (; i < n; i++) {
            to.set(JAVA_FLOAT_UNALIGNED, toAt + i * step * 4, m.get(JAVA_FLOAT_UNALIGNED, at + i * 4L) * factor);
        }
    }

    @Override
    public void probabilities(MemorySegment m, long at, int n, float max, float factor) {
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            Simd.store(VectorMath.exp(Simd.load(m, at + i * 4L).sub(max)).mul(factor), m, at + i * 4L);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector e =
                    VectorMath.exp(Simd.load(m, at + i * 4L, rest).sub(max)).mul(factor);
            Simd.store(e, m, at + i * 4L, rest);
        }
    }

    @Override
    public void copy(float[] tile, int rows, int w, float factor, MemorySegment m, long at, long stride) {
        FloatVector f = Simd.splat(factor);
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < w; i += Simd.LANES) {
                Simd.store(FloatVector.fromArray(Simd.FLOATS, tile, r * w + i).mul(f), m, at + r * stride + i * 4L);
            }
        }
    }

    /// The largest of `start` and the scores. Four maxima run side by side, since one waits for the previous. A
    /// comparison and a choice are a quarter of the instructions of the vector's own maximum, which minds NaNs and
    /// signs of zeros.
    @Inline
    private static float max(MemorySegment m, long at, int n, float start) {
        FloatVector a = Simd.splat(start);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= n - 4 * Simd.LANES; i += 4 * Simd.LANES) {
            FloatVector s = Simd.load(m, at + i * 4L);
            FloatVector t = Simd.load(m, at + (i + Simd.LANES) * 4L);
            FloatVector u = Simd.load(m, at + (i + 2 * Simd.LANES) * 4L);
            FloatVector v = Simd.load(m, at + (i + 3 * Simd.LANES) * 4L);
            a = a.blend(s, s.compare(GT, a));
            b = b.blend(t, t.compare(GT, b));
            c = c.blend(u, u.compare(GT, c));
            d = d.blend(v, v.compare(GT, d));
        }
        for (; i < n; i += Simd.LANES) {
            FloatVector s = Simd.load(m, at + i * 4L);
            a = a.blend(s, s.compare(GT, a));
        }
        a = a.blend(b, b.compare(GT, a));
        c = c.blend(d, d.compare(GT, c));
        return a.blend(c, c.compare(GT, a)).reduceLanes(MAX);
    }

    @Override
    public void weigh(
            MemorySegment m,
            long at,
            long stride,
            int n,
            int first,
            int rows,
            float[] max,
            float[] factor,
            float[] sums) {
        weigh(m, at, stride, n, first, rows, max, factor, sums, false);
    }

    @Override
    public void weighRounded(
            MemorySegment m,
            long at,
            long stride,
            int n,
            int first,
            int rows,
            float[] max,
            float[] factor,
            float[] sums) {
        weigh(m, at, stride, n, first, rows, max, factor, sums, true);
    }

    /// @param rounded whether the weights are rounded to bf16, a constant of each caller
    @Inline
    private static void weigh(
            MemorySegment m,
            long at,
            long stride,
            int n,
            int first,
            int rows,
            float[] max,
            float[] factor,
            float[] sums,
            boolean rounded) {
        for (int r = 0; r < rows; r++) {
            long row = at + r * stride;
            float before = max[first + r];
            float now = max(m, row, n, before);
            // nothing seen yet: any finite number makes the weights 0
            float shift = Math.max(now, -Float.MAX_VALUE);
            float by = now == before ? 1 : (float) Math.exp(before - shift);
            max[first + r] = now;
            factor[first + r] = by;
            FloatVector highest = Simd.splat(shift);
            int sumsAt = (first + r) * Simd.LANES;
            FloatVector sum = FloatVector.fromArray(Simd.FLOATS, sums, sumsAt).mul(by);
            for (int i = 0; i < n; i += Simd.LANES) {
                FloatVector e =
                        VectorMath.expOfNegative(Simd.load(m, row + i * 4L).sub(highest));
                if (rounded) {
                    Simd.store(Simd.toBFloat16Bits(e).lanewise(LSHL, 16), m, row + i * 4L);
                } else {
                    Simd.store(e, m, row + i * 4L);
                }
                sum = sum.add(e);
            }
            sum.intoArray(sums, sumsAt);
        }
    }

    @Override
    public void scale(float[] a, int from, int n, float factor) {
        for (int i = from; i < from + n; i += Simd.LANES) {
            FloatVector.fromArray(Simd.FLOATS, a, i).mul(factor).intoArray(a, i);
        }
    }

    @Override
    public void write(float[] a, int from, int n, float factor, MemorySegment to, long toAt, long step) {
        int i = 0;
        if (step == 1) {
            for (; i <= n - Simd.LANES; i += Simd.LANES) {
                Simd.store(FloatVector.fromArray(Simd.FLOATS, a, from + i).mul(factor), to, toAt + i * 4L);
            }
        }
        for (; i < n; i++) {
            to.set(JAVA_FLOAT_UNALIGNED, toAt + i * step * 4, a[from + i] * factor);
        }
    }

    @Override
    public void round(MemorySegment m, long at, int n) {
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            Simd.store(Simd.toBFloat16Bits(Simd.load(m, at + i * 4L)).lanewise(LSHL, 16), m, at + i * 4L);
        }
        for (; i < n; i++) {
            float x = m.get(JAVA_FLOAT_UNALIGNED, at + i * 4L);
            m.set(JAVA_FLOAT_UNALIGNED, at + i * 4L, BFloat16.toFloat(BFloat16.fromFloat(x)));
        }
    }

    @Override
    public boolean finite(MemorySegment m, long at, int n) {
        // a finite number times 0 is 0, anything else no number
        FloatVector sum = Simd.zero();
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            sum = Simd.load(m, at + i * 4L).fma(Simd.zero(), sum);
        }
        float rest = Simd.sum(sum);
        for (; i < n; i++) {
            rest += m.get(JAVA_FLOAT_UNALIGNED, at + i * 4L) * 0f;
        }
        return rest == 0;
    }
}
