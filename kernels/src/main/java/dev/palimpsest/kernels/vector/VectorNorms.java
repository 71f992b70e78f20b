package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// RMS and layer normalisation along the last axis.
///
/// A row stays in the first-level cache between its passes: one for the mean, one for the squares, one that writes;
/// short rows go through each pass several at a time. The affine part `(n * weight + bias) * scale + shift` is folded
/// into one factor and one term per element, once for all following rows that share them.
final class VectorNorms {
    private static final Specialized<NormRow.Form, NormRow> LOOPS =
            new Specialized<>(NormLoop.class, NormRow.class, NormRow.forms());

    /// Rows up to this length are normalised several at a time; their sums are added in f32.
    private static final int SHORT = 1024;

    private final Parallel parallel;
    private final Scratch scratch;

    VectorNorms(Parallel parallel, Scratch scratch) {
        this.parallel = parallel;
        this.scratch = scratch;
    }

    /// See [dev.palimpsest.kernels.Kernels#rmsNorm].
    void rmsNorm(NdArray x, float eps, Affine affine, NdArray out) {
        normalize(x, eps, affine, out, false);
    }

    /// See [dev.palimpsest.kernels.Kernels#layerNorm].
    void layerNorm(NdArray x, float eps, Affine affine, NdArray out) {
        normalize(x, eps, affine, out, true);
    }

    private void normalize(NdArray x, float eps, Affine affine, NdArray out, boolean centred) {
        if (x.elements() == 0) {
            return;
        }
        int width = x.dim(-1);
        NdArray scale = affine.scale() == null ? null : affine.scale().expand(x.shape());
        NdArray shift = affine.shift() == null ? null : affine.shift().expand(x.shape());
        List<NdArray> rows = new ArrayList<>(List.of(out.select(-1, 0), x.select(-1, 0)));
        int scaleAt = scale == null ? -1 : rows.size();
        if (scale != null) {
            rows.add(scale.select(-1, 0));
        }
        int shiftAt = shift == null ? -1 : rows.size();
        if (shift != null) {
            rows.add(shift.select(-1, 0));
        }
        LoopNest nest = LoopNest.over(rows.toArray(NdArray[]::new));
        boolean factor = affine.weight() != null || scale != null;
        boolean term = affine.bias() != null || shift != null;
        NormRow loop = LOOPS.get(new NormRow.Form(centred, factor, term));
        boolean xDirect = Rows.isDirect(x, x.stride(-1));
        boolean yDirect = Rows.isDirect(out, out.stride(-1));
        int xBytes = x.dtype().bytes();
        // short rows would spend more time between the loops than in them
        boolean together = xDirect
                && yDirect
                && width <= SHORT
                && width % Simd.LANES == 0
                && (scaleAt < 0 || nest.innerStride(scaleAt) == 0)
                && (shiftAt < 0 || nest.innerStride(shiftAt) == 0);
        nest.forEach(parallel, Math.max(1, LoopNest.GRAIN / width), width, () -> {
            long slot = 4L * Math.ceilDiv(width, Simd.LANES) * Simd.LANES;
            MemorySegment s = scratch.floats((2 + Folded.SLOTS) * slot / 4);
            Folded folded = new Folded(affine.weight(), affine.bias(), scale, shift, width, s, 2 * slot, slot);
            MemorySegment from = xDirect ? x.memory() : s;
            MemorySegment to = yDirect ? out.memory() : s;
            return (at, n) -> {
                if (together) {
                    folded.moveTo(scaleAt < 0 ? 0 : at[scaleAt], shiftAt < 0 ? 0 : at[shiftAt]);
                    loop.rows(
                            from,
                            4 * at[1],
                            4 * nest.innerStride(1),
                            eps,
                            folded.factor,
                            folded.factorAt,
                            folded.term,
                            folded.termAt,
                            to,
                            4 * at[0],
                            4 * nest.innerStride(0),
                            n,
                            width);
                    return;
                }
                for (int i = 0; i < n; i++) {
                    long xo = (at[1] + i * nest.innerStride(1)) * xBytes;
                    long yo = (at[0] + i * nest.innerStride(0)) * 4;
                    folded.moveTo(
                            scaleAt < 0 ? 0 : at[scaleAt] + i * nest.innerStride(scaleAt),
                            shiftAt < 0 ? 0 : at[shiftAt] + i * nest.innerStride(shiftAt));
                    if (!xDirect) {
                        Rows.read(x.dtype(), x.memory(), xo, x.stride(-1), s, 0, width);
                        xo = 0;
                    }
                    Statistics row = centred ? centred(from, xo, width) : uncentred(from, xo, width);
                    float inverse = (float) (1 / Math.sqrt(row.variance + eps));
                    loop.run(
                            from,
                            xo,
                            row.near,
                            inverse,
                            (float) (-row.miss * inverse),
                            folded.factor,
                            folded.factorAt,
                            folded.term,
                            folded.termAt,
                            to,
                            yDirect ? yo : slot,
                            width);
                    if (!yDirect) {
                        Rows.write(s, slot, DType.F32, out.memory(), yo, out.stride(-1), width);
                    }
                }
            };
        });
    }

    /// What a row is normalised with.
    ///
    /// @param near the mean, nearly
    /// @param miss the mean minus `near`
    /// @param variance the biased variance
    private record Statistics(float near, double miss, double variance) {}

    private static Statistics centred(MemorySegment x, long xo, int n) {
        float near = (float) (Sums.sum(x, xo, n) / n);
        double[] sums = new double[2];
        Sums.deviations(x, xo, near, n, sums);
        double miss = sums[0] / n;
        return new Statistics(near, miss, Math.max(sums[1] / n - miss * miss, 0));
    }

    private static Statistics uncentred(MemorySegment x, long xo, int n) {
        return new Statistics(0, 0, Sums.squares(x, xo, n) / n);
    }

    /// The affine part as one factor and one term per element.
    private static final class Folded {
        /// Rows of scratch memory that this may use.
        static final int SLOTS = 6;

        private final @Nullable NdArray weight;
        private final @Nullable NdArray bias;
        private final @Nullable NdArray scale;
        private final @Nullable NdArray shift;
        private final int width;
        private final MemorySegment scratch;
        private final long slots;
        private final long slot;
        private long scaleOffset = -1;
        private long shiftOffset = -1;
        private boolean fresh = true;

        MemorySegment factor;
        long factorAt;
        MemorySegment term;
        long termAt;

        Folded(
                @Nullable NdArray weight,
                @Nullable NdArray bias,
                @Nullable NdArray scale,
                @Nullable NdArray shift,
                int width,
                MemorySegment scratch,
                long slots,
                long slot) {
            this.weight = weight;
            this.bias = bias;
            this.scale = scale;
            this.shift = shift;
            this.width = width;
            this.scratch = scratch;
            this.slots = slots;
            this.slot = slot;
            factor = scratch;
            term = scratch;
        }

        /// Folds for a row whose scale and shift begin at these elements, unless that has just been done.
        void moveTo(long scaleAt, long shiftAt) {
            if (!fresh && scaleAt == scaleOffset && shiftAt == shiftOffset) {
                return;
            }
            fresh = false;
            scaleOffset = scaleAt;
            shiftOffset = shiftAt;
            factor = scratch;
            term = scratch;
            if (weight != null) {
                factorAt = load(weight, weight.offset(), 0);
                factor = memory(weight);
            }
            if (bias != null) {
                termAt = load(bias, bias.offset(), 1);
                term = memory(bias);
            }
            if (scale != null) {
                long by = load(scale, scaleAt, 2);
                multiply(by, memory(scale));
            }
            if (shift != null) {
                long plus = load(shift, shiftAt, 3);
                add(plus, memory(shift));
            }
        }

        private void multiply(long by, MemorySegment rows) {
            if (weight == null) {
                factor = rows;
                factorAt = by;
            } else {
                VectorElementwise.dense(Binary.MULTIPLY)
                        .run(factor, factorAt, rows, by, scratch, slots + 4 * slot, width);
                factor = scratch;
                factorAt = slots + 4 * slot;
            }
            if (bias != null) {
                VectorElementwise.dense(Binary.MULTIPLY).run(term, termAt, rows, by, scratch, slots + 5 * slot, width);
                term = scratch;
                termAt = slots + 5 * slot;
            }
        }

        private void add(long plus, MemorySegment rows) {
            if (bias == null) {
                term = rows;
                termAt = plus;
            } else {
                VectorElementwise.dense(Binary.ADD).run(term, termAt, rows, plus, scratch, slots + 5 * slot, width);
                term = scratch;
                termAt = slots + 5 * slot;
            }
        }

        private MemorySegment memory(NdArray a) {
            return Rows.isDirect(a, a.stride(-1)) ? a.memory() : scratch;
        }

        /// Where a row of an operand lies densely, in bytes; copied into a slot if need be.
        private long load(NdArray a, long offset, int to) {
            if (Rows.isDirect(a, a.stride(-1))) {
                return 4 * offset;
            }
            long at = slots + to * slot;
            Rows.read(a.dtype(), a.memory(), 4 * offset, a.stride(-1), scratch, at, width);
            return at;
        }
    }
}
