package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Reduction;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/// Sums, means and extremes over any axes.
///
/// Where the input is dense along an axis that stays, whole rows are folded into one row (reduction of leading axes);
/// otherwise
/// every result has its own row to walk along. Long reductions are cut into parts whose extent depends on the shape
/// alone;
/// partial results are combined in f64 and in order.
final class VectorReduce {
    static final Specialized<Reduction, ColumnRow> COLUMNS =
            new Specialized<>(ColumnLoop.class, ColumnRow.class, List.of(Reduction.values()));

    private static final int CHUNK = 8192;

    /// Rows that are folded in f32 before their sum continues in f64.
    private static final int ROWS = 128;

    /// Results that one task completes.
    private static final int RESULTS = 4096;

    private final Parallel parallel;
    private final Scratch scratch;
    private final VectorCopy copies;

    VectorReduce(Parallel parallel, Scratch scratch, VectorCopy copies) {
        this.parallel = parallel;
        this.scratch = scratch;
        this.copies = copies;
    }

    /// Whether [#reduce] can do it.
    static boolean canReduce(NdArray x) {
        return Rows.isReadable(x.dtype()) && x.elements() > 0;
    }

    /// See [dev.palimpsest.kernels.Kernels#reduce].
    void reduce(Reduction op, NdArray x, NdArray out) {
        if (x.elements() == out.elements()) {
            copies.copy(x, out);
            return;
        }
        // the two halves of the input's axes, each at the start of the other half
        NdArray kept = x;
        NdArray folded = x;
        NdArray to = out;
        for (int i = x.rank() - 1; i >= 0; i--) {
            if (out.dim(i) == x.dim(i)) {
                folded = folded.select(i, 0);
            } else {
                kept = kept.select(i, 0);
                to = to.select(i, 0);
            }
        }
        LoopNest rows = LoopNest.over(kept, to);
        LoopNest along = LoopNest.over(folded);
        if (rows.innerStride(0) == 1 && rows.inner() > 1 && along.innerStride(0) != 1) {
            columns(op, x, out, rows, along);
        } else {
            rows(op, x, out, rows, along);
        }
    }

    /// Each result from its own row.
    private void rows(Reduction op, NdArray x, NdArray out, LoopNest results, LoopNest along) {
        int bytes = x.dtype().bytes();
        boolean direct = Rows.isDirect(x, along.innerStride(0));
        long pieces = along.pieces(CHUNK);
        long length = along.elements();
        long perPart = Math.max(1, LoopNest.GRAIN / Math.min(CHUNK, along.inner()));
        long parts = Math.ceilDiv(pieces, perPart);
        long all = results.elements();
        double[] partial = new double[Math.toIntExact(all * parts)];
        long perTask = Math.max(1, LoopNest.GRAIN / Math.min(length, perPart * CHUNK));
        parallel.forEach(Math.toIntExact(Math.ceilDiv(partial.length, perTask)), task -> {
            MemorySegment s = scratch.floats(CHUNK);
            MemorySegment from = direct ? x.memory() : s;
            long[] at = new long[2];
            int end = (int) Math.min(partial.length, (task + 1) * perTask);
            for (int t = (int) (task * perTask); t < end; t++) {
                element(results, t / parts, at);
                long shift = at[0] - x.offset();
                if (direct && pieces == 1) {
                    // the usual case, many short rows, without the machinery
                    partial[t] = combine(op, start(op), fold(op, from, 4 * at[0], along.inner()));
                    continue;
                }
                double[] total = {start(op)};
                long begin = t % parts * perPart;
                along.forEachPiece(begin, Math.min(pieces, begin + perPart), CHUNK, (p, n) -> {
                    long xo = (p[0] + shift) * bytes;
                    if (!direct) {
                        Rows.read(x.dtype(), x.memory(), xo, along.innerStride(0), s, 0, n);
                        xo = 0;
                    }
                    total[0] = combine(op, total[0], fold(op, from, xo, n));
                });
                partial[t] = total[0];
            }
        });
        parallel.forEach(Math.toIntExact(Math.ceilDiv(all, RESULTS)), t -> {
            long[] at = new long[2];
            for (long i = (long) t * RESULTS; i < Math.min(all, (t + 1L) * RESULTS); i++) {
                double total = start(op);
                for (long p = i * parts; p < (i + 1) * parts; p++) {
                    total = combine(op, total, partial[(int) p]);
                }
                element(results, i, at);
                write(op, total, x, along, at[0] - x.offset(), out, at[1]);
            }
        });
    }

    private static void element(LoopNest nest, long index, long[] at) {
        nest.position(index / nest.inner(), at);
        long inner = index % nest.inner();
        at[0] += inner * nest.innerStride(0);
        at[1] += inner * nest.innerStride(1);
    }

    /// Whole rows of results at a time.
    private void columns(Reduction op, NdArray x, NdArray out, LoopNest results, LoopNest along) {
        int bytes = x.dtype().bytes();
        boolean direct = x.dtype() == DType.F32;
        ColumnRow loop = COLUMNS.get(op);
        int width = Math.min(results.inner(), CHUNK / 8);
        int perRow = Math.ceilDiv(results.inner(), width);
        long strips = results.rows() * perRow;
        long pieces = along.pieces(ROWS);
        long perPart = Math.max(1, LoopNest.GRAIN / ((long) Math.min(ROWS, along.inner()) * width));
        long parts = Math.ceilDiv(pieces, perPart);
        double[][] partial = new double[Math.toIntExact(strips * parts)][];
        parallel.forEach(partial.length, t -> {
            long strip = t / parts;
            int first = (int) (strip % perRow) * width;
            int n = Math.min(width, results.inner() - first);
            long[] at = new long[2];
            results.position(strip / perRow, at);
            long shift = at[0] + first - x.offset();
            long block = direct ? 0 : 4L * ROWS * width;
            MemorySegment s = scratch.floats(block / 4 + width);
            double[] total = new double[n];
            Arrays.fill(total, start(op));
            long begin = t % parts * perPart;
            along.forEachPiece(begin, Math.min(pieces, begin + perPart), ROWS, (p, rows) -> {
                long xo = (p[0] + shift) * bytes;
                long step = along.innerStride(0) * bytes;
                if (!direct) {
                    for (int r = 0; r < rows; r++) {
                        Rows.read(x.dtype(), x.memory(), xo + r * step, 1, s, 4L * r * width, n);
                    }
                    xo = 0;
                    step = 4L * width;
                }
                loop.run(direct ? x.memory() : s, xo, step, rows, n, s, block);
                for (int i = 0; i < n; i++) {
                    total[i] = combine(op, total[i], s.get(JAVA_FLOAT_UNALIGNED, block + 4L * i));
                }
            });
            partial[t] = total;
        });
        long[] at = new long[2];
        for (long strip = 0; strip < strips; strip++) {
            double[] total = partial[(int) (strip * parts)];
            for (long p = strip * parts + 1; p < (strip + 1) * parts; p++) {
                for (int i = 0; i < total.length; i++) {
                    total[i] = combine(op, total[i], partial[(int) p][i]);
                }
            }
            results.position(strip / perRow, at);
            long to = at[1] + strip % perRow * width * results.innerStride(1);
            long first = at[0] + strip % perRow * width - x.offset();
            for (int i = 0; i < total.length; i++) {
                write(op, total[i], x, along, first + i, out, to + i * results.innerStride(1));
            }
        }
    }

    /// The mean in f64 throughout, for the rare sum that leaves the range of f32 although the mean does not.
    private static double mean(NdArray x, LoopNest along, long shift) {
        double[] total = {0};
        along.forEachPiece(0, along.pieces(CHUNK), CHUNK, (p, n) -> {
            for (int i = 0; i < n; i++) {
                long at = p[0] + shift + i * along.innerStride(0);
                total[0] += Rows.read(x.dtype(), x.memory(), at * x.dtype().bytes());
            }
        });
        return total[0] / along.elements();
    }

    private static double start(Reduction op) {
        return switch (op) {
            case SUM, MEAN -> 0;
            case MAX -> Double.NEGATIVE_INFINITY;
            case MIN -> Double.POSITIVE_INFINITY;
        };
    }

    private static double combine(Reduction op, double a, double b) {
        return switch (op) {
            case SUM, MEAN -> a + b;
            case MAX -> Math.max(a, b);
            case MIN -> Math.min(a, b);
        };
    }

    private static double fold(Reduction op, MemorySegment x, long xo, int n) {
        return switch (op) {
            case SUM, MEAN -> Sums.sum(x, xo, n);
            case MAX -> ExtremeRow.LOOP.max(x, xo, n);
            case MIN -> ExtremeRow.LOOP.min(x, xo, n);
        };
    }

    /// Writes a result.
    ///
    /// @param shift from the start of the input to the first of the elements that were folded
    private static void write(Reduction op, double total, NdArray x, LoopNest along, long shift, NdArray out, long at) {
        double value = total;
        if (op == Reduction.MEAN) {
            value = Double.isFinite(total) ? total / along.elements() : mean(x, along, shift);
        }
        out.memory().set(JAVA_FLOAT_UNALIGNED, 4 * at, (float) value);
    }
}
