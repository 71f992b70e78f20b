package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// The last step of a normalisation; a template for [Specialized].
final class NormLoop implements NormRow {
    private static final Form FORM = Specialized.constant(MethodHandles.lookup(), Form.class);
    private static final boolean CENTRED = FORM.centred();
    private static final boolean FACTOR = FORM.factor();
    private static final boolean TERM = FORM.term();

    /// Elements of the rows that are worked on together: half of a first-level cache holds them and their results.
    private static final int CACHED = 2048;

    NormLoop() {}

    @Override
    public void run(
            MemorySegment x,
            long xo,
            float mean,
            float inverse,
            float remainder,
            MemorySegment factor,
            long fo,
            MemorySegment term,
            long to,
            MemorySegment y,
            long yo,
            int n) {
        FloatVector m = Simd.splat(mean);
        FloatVector r = Simd.splat(inverse);
        FloatVector e = Simd.splat(remainder);
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            FloatVector v = normalized(Simd.load(x, xo + 4L * i), m, r, e);
            if (FACTOR && TERM) {
                v = v.fma(Simd.load(factor, fo + 4L * i), Simd.load(term, to + 4L * i));
            } else if (FACTOR) {
                v = v.mul(Simd.load(factor, fo + 4L * i));
            } else if (TERM) {
                v = v.add(Simd.load(term, to + 4L * i));
            }
            Simd.store(v, y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector v = normalized(Simd.load(x, xo + 4L * i, rest), m, r, e);
            if (FACTOR && TERM) {
                v = v.fma(Simd.load(factor, fo + 4L * i, rest), Simd.load(term, to + 4L * i, rest));
            } else if (FACTOR) {
                v = v.mul(Simd.load(factor, fo + 4L * i, rest));
            } else if (TERM) {
                v = v.add(Simd.load(term, to + 4L * i, rest));
            }
            Simd.store(v, y, yo + 4L * i, rest);
        }
    }

    /// In sweeps over as many rows as the first-level cache holds: what a row waits for, its mean and its deviation,
    /// is then computed while other rows go on.
    @Override
    public void rows(
            MemorySegment x,
            long xo,
            long xStep,
            float eps,
            MemorySegment factor,
            long fo,
            MemorySegment term,
            long to,
            MemorySegment y,
            long yo,
            long yStep,
            int rows,
            int n) {
        int group = Math.clamp(CACHED / n, 1, rows);
        float[] means = new float[group];
        float[] inverses = new float[group];
        float[] remainders = new float[group];
        double one = 1.0 / n;
        for (int first = 0; first < rows; first += group) {
            int count = Math.min(group, rows - first);
            if (CENTRED) {
                for (int row = 0; row < count; row++) {
                    means[row] = (float) (sum(x, xo + (first + row) * xStep, n) * one);
                }
            }
            for (int row = 0; row < count; row++) {
                long from = xo + (first + row) * xStep;
                FloatVector mean = Simd.splat(means[row]);
                double variance = squares(x, from, mean, n) * one;
                double miss = 0;
                if (CENTRED) {
                    miss = deviation(x, from, mean, n) * one;
                    variance = Math.max(variance - miss * miss, 0);
                }
                double inverse = 1 / Math.sqrt(variance + eps);
                inverses[row] = (float) inverse;
                remainders[row] = (float) (-miss * inverse);
            }
            for (int row = 0; row < count; row++) {
                long from = xo + (first + row) * xStep;
                long into = yo + (first + row) * yStep;
                FloatVector mean = Simd.splat(means[row]);
                FloatVector r = Simd.splat(inverses[row]);
                FloatVector e = Simd.splat(remainders[row]);
                for (int i = 0; i < n; i += Simd.LANES) {
                    FloatVector v = normalized(Simd.load(x, from + 4L * i), mean, r, e);
                    if (FACTOR && TERM) {
                        v = v.fma(Simd.load(factor, fo + 4L * i), Simd.load(term, to + 4L * i));
                    } else if (FACTOR) {
                        v = v.mul(Simd.load(factor, fo + 4L * i));
                    } else if (TERM) {
                        v = v.add(Simd.load(term, to + 4L * i));
                    }
                    Simd.store(v, y, into + 4L * i);
                }
            }
        }
    }

    @Inline
    private static double sum(MemorySegment x, long xo, int n) {
        return deviation(x, xo, Simd.zero(), n);
    }

    /// The sum of the differences from a number.
    @Inline
    private static double deviation(MemorySegment x, long xo, FloatVector from, int n) {
        int lanes = Simd.LANES;
        FloatVector a = Simd.zero();
        FloatVector b = a;
        int i = 0;
        for (; i <= n - 2 * lanes; i += 2 * lanes) {
            a = a.add(Simd.load(x, xo + 4L * i).sub(from));
            b = b.add(Simd.load(x, xo + 4L * (i + lanes)).sub(from));
        }
        if (i < n) {
            a = a.add(Simd.load(x, xo + 4L * i).sub(from));
        }
        return Simd.sum(a.add(b));
    }

    /// The sum of the squares of the differences from a number.
    @Inline
    private static double squares(MemorySegment x, long xo, FloatVector from, int n) {
        int lanes = Simd.LANES;
        FloatVector a = Simd.zero();
        FloatVector b = a;
        int i = 0;
        for (; i <= n - 2 * lanes; i += 2 * lanes) {
            FloatVector p = Simd.load(x, xo + 4L * i);
            FloatVector q = Simd.load(x, xo + 4L * (i + lanes));
            p = CENTRED ? p.sub(from) : p;
            q = CENTRED ? q.sub(from) : q;
            a = p.fma(p, a);
            b = q.fma(q, b);
        }
        if (i < n) {
            FloatVector p = Simd.load(x, xo + 4L * i);
            p = CENTRED ? p.sub(from) : p;
            a = p.fma(p, a);
        }
        return Simd.sum(a.add(b));
    }

    @Inline
    private static FloatVector normalized(FloatVector x, FloatVector mean, FloatVector inverse, FloatVector remainder) {
        return CENTRED ? x.sub(mean).fma(inverse, remainder) : x.mul(inverse);
    }
}
