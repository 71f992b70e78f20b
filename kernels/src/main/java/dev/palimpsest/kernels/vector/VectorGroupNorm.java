package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Reduction;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// Group normalisation.
///
/// Two passes over memory: one gathers the moments of fixed parts of each group (a part is read twice, the second time
/// from cache), which are then combined in order; the other normalises, applies weight, bias and activation, and
/// writes. Channels-last arrays are read position by position with the channels across the vectors; all others group
/// by group.
final class VectorGroupNorm {
    private static final Specialized<Activation, GroupRow> LOOPS =
            new Specialized<>(GroupLoop.class, GroupRow.class, List.of(Activation.values()));

    /// Elements that are copied or normalised at a time.
    private static final int CHUNK = 8192;

    /// Elements of a part of a channels-last array: half of a small second-level cache.
    private static final int PART = 1 << 15;

    private final Parallel parallel;
    private final Scratch scratch;

    VectorGroupNorm(Parallel parallel, Scratch scratch) {
        this.parallel = parallel;
        this.scratch = scratch;
    }

    /// See [dev.palimpsest.kernels.Kernels#groupNorm].
    void groupNorm(NdArray x, int groups, float eps, NdArray weight, NdArray bias, Activation activation, NdArray out) {
        if (x.elements() == 0) {
            return;
        }
        int channels = x.dim(1);
        boolean channelsLast = channels > 1 && x.stride(1) == 1 && out.stride(1) == 1;
        Moments[] moments = channelsLast ? momentsOfPositions(x, groups) : momentsOfGroups(x, groups);
        float[] mean = new float[x.dim(0) * channels];
        float[] factor = new float[mean.length];
        float[] term = new float[mean.length];
        for (int i = 0; i < mean.length; i++) {
            int c = i % channels;
            Moments m = moments[i / (channels / groups)];
            double f = weight.get(c) / Math.sqrt(m.variance() + eps);
            mean[i] = (float) m.mean();
            factor[i] = (float) f;
            // the mean is subtracted in f32; what its rounding leaves goes into the term
            term[i] = (float) (bias.get(c) - (m.mean() - mean[i]) * f);
        }
        GroupRow loop = LOOPS.get(activation);
        if (channelsLast) {
            applyToPositions(x, mean, factor, term, loop, out);
        } else {
            applyToChannels(x, mean, factor, term, loop, out);
        }
    }

    /// The moments of all groups of all samples, for any strides.
    private Moments[] momentsOfGroups(NdArray x, int groups) {
        int width = x.dim(1) / groups;
        int all = x.dim(0) * groups;
        LoopNest first = LoopNest.over(x.select(0, 0).slice(0, 0, width));
        boolean direct = Rows.isDirect(x, first.innerStride(0));
        long pieces = first.pieces(CHUNK);
        long perPart = Math.max(1, PART / Math.min(CHUNK, first.inner()));
        int parts = Math.toIntExact(Math.ceilDiv(pieces, perPart));
        Moments[] partial = new Moments[Math.multiplyExact(all, parts)];
        double[] counts = new double[partial.length];
        int perTask = Math.toIntExact(Math.max(1, LoopNest.GRAIN / Math.min(first.elements(), PART)));
        parallel.forEach(Math.ceilDiv(partial.length, perTask), task -> {
            MemorySegment s = scratch.floats(CHUNK);
            MemorySegment from = direct ? x.memory() : s;
            for (int i = task * perTask; i < Math.min(partial.length, (task + 1) * perTask); i++) {
                int t = i;
                long shift = t / parts / groups * x.stride(0) + (long) (t / parts % groups) * width * x.stride(1);
                Moments part = new Moments();
                long begin = t % parts * perPart;
                first.forEachPiece(begin, Math.min(pieces, begin + perPart), CHUNK, (at, n) -> {
                    long xo = (at[0] + shift) * x.dtype().bytes();
                    if (!direct) {
                        Rows.read(x.dtype(), x.memory(), xo, first.innerStride(0), s, 0, n);
                        xo = 0;
                    }
                    part.add(from, xo, n);
                    counts[t] += n;
                });
                partial[t] = part;
            }
        });
        Moments[] total = new Moments[all];
        for (int i = 0; i < all; i++) {
            total[i] = new Moments();
            for (int p = i * parts; p < (i + 1) * parts; p++) {
                total[i].add(counts[p], partial[p].mean(), partial[p].deviations());
            }
        }
        return total;
    }

    private void applyToChannels(NdArray x, float[] mean, float[] factor, float[] term, GroupRow loop, NdArray out) {
        int channels = x.dim(1);
        LoopNest nest =
                LoopNest.over(out.select(0, 0).select(0, 0), x.select(0, 0).select(0, 0));
        boolean xDirect = Rows.isDirect(x, nest.innerStride(1));
        boolean yDirect = Rows.isDirect(out, nest.innerStride(0));
        long pieces = nest.pieces(CHUNK);
        long all = pieces * x.dim(0) * channels;
        long perTask = Math.max(1, LoopNest.GRAIN / Math.min(CHUNK, nest.inner()));
        parallel.forEach(Math.toIntExact(Math.ceilDiv(all, perTask)), t -> {
            MemorySegment s = scratch.floats(CHUNK);
            MemorySegment from = xDirect ? x.memory() : s;
            MemorySegment to = yDirect ? out.memory() : s;
            long end = Math.min(all, (t + 1) * perTask);
            for (long p = t * perTask; p < end; ) {
                int c = (int) (p / pieces);
                long xShift = c / channels * x.stride(0) + c % channels * x.stride(1);
                long yShift = c / channels * out.stride(0) + c % channels * out.stride(1);
                long last = Math.min(end, (c + 1) * pieces);
                nest.forEachPiece(p % pieces, last - c * pieces, CHUNK, (at, n) -> {
                    long xo = (at[1] + xShift) * x.dtype().bytes();
                    long yo = (at[0] + yShift) * 4;
                    if (!xDirect) {
                        Rows.read(x.dtype(), x.memory(), xo, nest.innerStride(1), s, 0, n);
                        xo = 0;
                    }
                    loop.channel(from, xo, mean[c], factor[c], term[c], to, yDirect ? yo : 0, n);
                    if (!yDirect) {
                        Rows.write(s, 0, DType.F32, out.memory(), yo, nest.innerStride(0), n);
                    }
                });
                p = last;
            }
        });
    }

    /// The moments of all groups of all samples of an array whose channels are dense.
    private Moments[] momentsOfPositions(NdArray x, int groups) {
        ColumnRow columnSums = VectorReduce.COLUMNS.get(Reduction.SUM);
        int channels = x.dim(1);
        int width = channels / groups;
        boolean direct = x.dtype() == DType.F32;
        int chunk = Math.max(1, PART / channels);
        LoopNest first = LoopNest.over(x.select(0, 0).select(0, 0));
        long pieces = first.pieces(chunk);
        long perPart = Math.max(1, PART / ((long) Math.min(chunk, first.inner()) * channels));
        int parts = Math.toIntExact(Math.ceilDiv(pieces, perPart));
        Moments[][] partial = new Moments[x.dim(0) * parts][groups];
        double[] counts = new double[partial.length];
        parallel.forEach(partial.length, t -> {
            LoopNest nest = LoopNest.over(x.select(0, t / parts).select(0, 0));
            int rows = Math.min(chunk, nest.inner());
            long means = direct ? 0 : 4L * rows * channels;
            long sums = means + 4L * channels;
            MemorySegment s = scratch.floats(sums / 4 + 2L * channels);
            Moments[] part = partial[t];
            for (int g = 0; g < groups; g++) {
                part[g] = new Moments();
            }
            long begin = t % parts * perPart;
            nest.forEachPiece(begin, Math.min(pieces, begin + perPart), chunk, (at, n) -> {
                long xo = at[0] * x.dtype().bytes();
                long step = nest.innerStride(0) * x.dtype().bytes();
                if (!direct) {
                    for (int r = 0; r < n; r++) {
                        Rows.read(x.dtype(), x.memory(), xo + r * step, 1, s, 4L * r * channels, channels);
                    }
                    xo = 0;
                    step = 4L * channels;
                }
                MemorySegment from = direct ? x.memory() : s;
                columnSums.run(from, xo, step, n, channels, s, sums);
                float[] near = new float[groups];
                for (int g = 0; g < groups; g++) {
                    near[g] = (float) (Sums.sum(s, sums + 4L * g * width, width) / ((double) n * width));
                    FillRow.LOOP.run(s, means + 4L * g * width, Float.floatToRawIntBits(near[g]), width);
                }
                DeviationRow.LOOP.run(from, xo, step, n, channels, s, means, s, sums);
                long squares = sums + 4L * channels;
                for (int g = 0; g < groups; g++) {
                    double sum = Sums.sum(s, sums + 4L * g * width, width);
                    double ofSquares = Sums.sum(s, squares + 4L * g * width, width);
                    part[g].add((double) n * width, near[g], sum, ofSquares);
                }
                counts[t] += (double) n * width;
            });
        });
        Moments[] total = new Moments[x.dim(0) * groups];
        for (int i = 0; i < total.length; i++) {
            total[i] = new Moments();
            for (int p = i / groups * parts; p < (i / groups + 1) * parts; p++) {
                Moments part = partial[p][i % groups];
                total[i].add(counts[p], part.mean(), part.deviations());
            }
        }
        return total;
    }

    private void applyToPositions(NdArray x, float[] mean, float[] factor, float[] term, GroupRow loop, NdArray out) {
        int channels = x.dim(1);
        boolean direct = x.dtype() == DType.F32;
        int chunk = Math.max(1, LoopNest.GRAIN / channels);
        for (int n = 0; n < x.dim(0); n++) {
            int sample = n * channels;
            LoopNest nest =
                    LoopNest.over(out.select(0, n).select(0, 0), x.select(0, n).select(0, 0));
            nest.forEach(parallel, chunk, channels, () -> {
                long step = 4L * channels;
                MemorySegment s = scratch.floats(4L * channels);
                for (int c = 0; c < channels; c++) {
                    s.set(JAVA_FLOAT_UNALIGNED, 4L * c, mean[sample + c]);
                    s.set(JAVA_FLOAT_UNALIGNED, step + 4L * c, factor[sample + c]);
                    s.set(JAVA_FLOAT_UNALIGNED, 2 * step + 4L * c, term[sample + c]);
                }
                long xStep = nest.innerStride(1) * x.dtype().bytes();
                long yStep = nest.innerStride(0) * 4;
                // of so many positions the first-level cache holds all channels
                int group = direct ? Math.max(1, 4096 / channels) : 1;
                return (at, rows) -> {
                    for (int r = 0; r < rows; r += group) {
                        long xo = at[1] * x.dtype().bytes() + r * xStep;
                        long yo = at[0] * 4 + r * yStep;
                        int count = Math.min(group, rows - r);
                        if (direct) {
                            loop.positions(x.memory(), xo, xStep, s, 0, step, out.memory(), yo, yStep, count, channels);
                        } else {
                            Rows.read(x.dtype(), x.memory(), xo, 1, s, 3 * step, channels);
                            loop.positions(s, 3 * step, 0, s, 0, step, out.memory(), yo, yStep, count, channels);
                        }
                    }
                };
            });
        }
    }
}
