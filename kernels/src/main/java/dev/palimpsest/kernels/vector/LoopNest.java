package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import java.util.Arrays;

/// A loop nest over arrays of one shape, with as few and as long loops as their strides allow.
///
/// Axes of extent 1 disappear, the others are ordered by the first array's strides (so a channels-last array is walked
/// channels last, whatever its logical order), and neighbouring axes that lie densely behind each other in all arrays
/// become one. The innermost axis is a row; rows are cut into chunks, and chunks are dealt out to threads in a way that
/// depends on the extents alone.
final class LoopNest {
    /// Elements that are worth a task of their own.
    static final int GRAIN = 1 << 15;

    /// The work on a piece of a row.
    @FunctionalInterface
    interface Body {
        /// Works on one piece.
        ///
        /// @param offsets for each array the position of the piece's first element, in elements
        /// @param n number of elements
        void run(long[] offsets, int n);
    }

    /// Makes one body per task, which can hold on to what a thread needs.
    @FunctionalInterface
    interface Task {
        /// The body for one task.
        Body start();
    }

    private final int[] dims;
    private final long[][] strides;
    private final long[] start;

    private LoopNest(int[] dims, long[][] strides, long[] start) {
        this.dims = dims;
        this.strides = strides;
        this.start = start;
    }

    /// The nest over arrays of the same shape; the first one gives the order.
    static LoopNest over(NdArray... arrays) {
        NdArray lead = arrays[0];
        int rank = 0;
        int[] axes = new int[lead.rank()];
        for (int i = 0; i < axes.length; i++) {
            if (lead.dim(i) != 1) {
                // insertion sort, stable, by descending stride
                int at = rank++;
                while (at > 0 && before(arrays, i, axes[at - 1])) {
                    axes[at] = axes[at - 1];
                    at--;
                }
                axes[at] = i;
            }
        }
        int[] dims = new int[Math.max(rank, 1)];
        long[][] strides = new long[arrays.length][dims.length];
        dims[0] = 1;
        for (int a = 0; a < arrays.length; a++) {
            strides[a][0] = 1;
        }
        int n = 0;
        for (int i = 0; i < rank; i++) {
            int d = lead.dim(axes[i]);
            boolean merge = n > 0 && (long) dims[n - 1] * d <= 1 << 30;
            for (int a = 0; a < arrays.length && merge; a++) {
                merge = strides[a][n - 1] == arrays[a].stride(axes[i]) * d;
            }
            n += merge ? 0 : 1;
            dims[n - 1] = merge ? dims[n - 1] * d : d;
            for (int a = 0; a < arrays.length; a++) {
                strides[a][n - 1] = arrays[a].stride(axes[i]);
            }
        }
        n = Math.max(n, 1);
        long[] start = new long[arrays.length];
        for (int a = 0; a < arrays.length; a++) {
            start[a] = arrays[a].offset();
            strides[a] = Arrays.copyOf(strides[a], n);
        }
        return new LoopNest(Arrays.copyOf(dims, n), strides, start);
    }

    /// Whether axis `i` belongs outside of axis `j`: the larger stride in the first array that tells them apart.
    private static boolean before(NdArray[] arrays, int i, int j) {
        for (NdArray a : arrays) {
            if (a.stride(i) != a.stride(j)) {
                return a.stride(i) > a.stride(j);
            }
        }
        return false;
    }

    /// Number of loops, at least 1.
    int rank() {
        return dims.length;
    }

    /// Extent of a loop, outermost first.
    int dim(int axis) {
        return dims[axis];
    }

    /// Stride of an array along a loop.
    long stride(int array, int axis) {
        return strides[array][axis];
    }

    /// Length of a row.
    int inner() {
        return dims[dims.length - 1];
    }

    /// Stride of an array along the rows.
    long innerStride(int array) {
        return strides[array][dims.length - 1];
    }

    /// Number of rows.
    long rows() {
        long n = 1;
        for (int i = 0; i < dims.length - 1; i++) {
            n *= dims[i];
        }
        return n;
    }

    /// Number of elements.
    long elements() {
        return rows() * inner();
    }

    /// Writes where a row begins, in elements, for every array.
    void position(long row, long[] offsets) {
        System.arraycopy(start, 0, offsets, 0, start.length);
        long rest = row;
        for (int i = dims.length - 2; i >= 0; i--) {
            long index = rest % dims[i];
            rest /= dims[i];
            for (int a = 0; a < start.length; a++) {
                offsets[a] += index * strides[a][i];
            }
        }
    }

    /// Runs a body for all rows, cut into chunks of at most `chunk` elements.
    void forEach(Parallel parallel, int chunk, Task task) {
        forEach(parallel, chunk, 1, task);
    }

    /// Runs a body for all rows, cut into chunks of at most `chunk` elements.
    ///
    /// @param weight how many elements of work one element of the nest stands for
    void forEach(Parallel parallel, int chunk, long weight, Task task) {
        int inner = inner();
        long pieces = pieces(chunk);
        if (pieces == 0) {
            return;
        }
        long perTask = Math.max(1, GRAIN / (Math.min(chunk, inner) * weight));
        int tasks = Math.toIntExact(Math.ceilDiv(pieces, perTask));
        parallel.forEach(tasks, t -> {
            long from = t * perTask;
            forEachPiece(from, Math.min(pieces, from + perTask), chunk, task.start());
        });
    }

    /// Number of pieces of at most `chunk` elements.
    long pieces(int chunk) {
        return rows() * Math.ceilDiv(inner(), chunk);
    }

    /// Runs a body on this thread for the pieces from `from` to `to - 1`, in order.
    void forEachPiece(long from, long to, int chunk, Body body) {
        if (from >= to) {
            return;
        }
        long perRow = Math.ceilDiv(inner(), chunk);
        int arrays = start.length;
        int inner = inner();
        long[] row = new long[arrays];
        long[] piece = new long[arrays];
        long r = from / perRow;
        long c = from % perRow;
        position(r, row);
        int[] index = new int[dims.length];
        long rest = r;
        for (int i = dims.length - 2; i >= 0; i--) {
            index[i] = (int) (rest % dims[i]);
            rest /= dims[i];
        }
        for (long p = from; p < to; p++) {
            int at = (int) (c * chunk);
            for (int a = 0; a < arrays; a++) {
                piece[a] = row[a] + at * strides[a][dims.length - 1];
            }
            body.run(piece, Math.min(chunk, inner - at));
            if (++c == perRow) {
                c = 0;
                next(row, index);
            }
        }
    }

    /// Moves to the next row, like the wheels of a counter.
    private void next(long[] row, int[] index) {
        for (int i = dims.length - 2; i >= 0; i--) {
            boolean carry = ++index[i] == dims[i];
            long steps = carry ? 1 - dims[i] : 1;
            index[i] = carry ? 0 : index[i];
            for (int a = 0; a < row.length; a++) {
                row[a] += steps * strides[a][i];
            }
            if (!carry) {
                return;
            }
        }
    }
}
