package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Quantization;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/// One product with a packed right side.
///
/// A task owns a group of rows and some panels. It brings its rows into scratch memory once, rounded to what the
/// arithmetic multiplies; the inner dimension then runs in blocks whose part of a panel stays in the second-level
/// cache. A handful of rows is one group, and the panels are read once, as fast as memory delivers them.
///
/// Every sum runs over the inner dimension in order, or over its groups in order where they have scales of their own,
/// so results depend neither on the number of threads nor on how the work was cut. Integers are multiplied and added
/// as floats, which is exact up to 2^24 and rounds beyond.
final class PackedMatmul {
    /// Length of the blocks of the inner dimension; longer ones where the rows fit one tile, since then there is
    /// nothing to be read again.
    private static final int BLOCK_K = 512;

    private static final int LONG_BLOCK_K = 2048;

    /// Rows of a group, roughly: enough to pay for fetching a panel, few enough to stay in the second-level cache.
    private static final int GROUP_ROWS = 192;

    /// Panels of a task at most, each of which needs tiles of its own while the inner dimension runs in blocks.
    private static final int GROUP_PANELS = 16;

    /// Bytes that a group of rows takes up at most, unless a single tile takes more.
    private static final long GROUP_BYTES = 4L << 20;

    /// Multiplications that a task should have at least.
    private static final double GRAIN = 512 * 1024;

    /// Tasks for each thread, so that threads which start late or run slowly do not hold up the others.
    private static final int TASKS = 16;

    private final Parallel parallel;
    private final Tiles tiles;
    private final Workspace.Pool workspaces;
    private final NdArray left;
    private final VectorPacked b;
    private final int m;
    private final int n;
    private final int k;
    private final RowMap leftRows;
    private final long leftStep;
    private final TileWriter writer;
    private final int tileRows;
    private final int groupRows;
    private final int groups;
    private final int blockK;
    private final long stride;

    /// @param out of at least one element
    /// @param epilogue with a gate and a residual that are stretched to the output's shape
    PackedMatmul(
            Parallel parallel,
            Tiles tiles,
            Workspace.Pool workspaces,
            NdArray a,
            VectorPacked b,
            NdArray out,
            Epilogue epilogue) {
        this.parallel = parallel;
        this.tiles = tiles;
        this.workspaces = workspaces;
        this.left = a;
        this.b = b;
        k = b.shape().dim(0);
        n = b.shape().dim(1);
        m = Math.toIntExact(out.elements() / n);
        leftRows = RowMap.of(left);
        leftStep = k == 1 ? 1 : left.stride(-1);
        writer = new TileWriter(out, epilogue, b.width());
        tileRows = tiles.rows(b.type());
        stride = VectorMatmul.stride(Math.ceilDiv(k, Simd.LANES) * Simd.LANES);
        // equal groups, so that no task is much shorter than the others
        int most = Math.clamp(GROUP_BYTES / stride, tileRows, GROUP_ROWS);
        groupRows = Math.ceilDiv(Math.ceilDiv(m, Math.ceilDiv(m, most)), tileRows) * tileRows;
        groups = Math.ceilDiv(m, groupRows);
        blockK = blockK();
    }

    private int blockK() {
        int most = m <= tileRows ? LONG_BLOCK_K : BLOCK_K;
        if (b.groupSize() > 0) {
            return Math.max(1, most / b.groupSize()) * b.groupSize();
        }
        int length = Math.max(1, Math.ceilDiv(k, Math.ceilDiv(Math.max(k, 1), most)));
        return VectorPacked.paddedK(length, b.type());
    }

    void run() {
        int panels = b.count();
        double work = (double) m * n * k;
        int most = parallel.threads() == 1 ? 1 : TASKS * parallel.threads();
        int tasks = (int) Math.clamp(work / GRAIN, 1, most);
        int parts = Math.clamp(Math.ceilDiv(tasks, groups), Math.ceilDiv(panels, GROUP_PANELS), panels);
        if (tasks == 1) {
            for (int task = 0; task < groups * parts; task++) {
                task(task, panels, parts);
            }
        } else {
            parallel.forEach(groups * parts, task -> task(task, panels, parts));
        }
    }

    private void task(int task, int panels, int parts) {
        int part = task % parts;
        int from = (int) ((long) panels * part / parts);
        int to = (int) ((long) panels * (part + 1) / parts);
        try (Workspace workspace = workspaces.take()) {
            group(task / parts * groupRows, from, to, workspace);
        }
    }

    /// A group of rows times the panels from `from` to `to`.
    private void group(int row, int from, int to, Workspace workspace) {
        int rows = Math.min(groupRows, m - row);
        int blocks = Math.ceilDiv(rows, tileRows);
        boolean single = blockK >= k;
        TileWriter.Rows where = writer.rows(rows, workspace).set(0, row, rows);
        MemorySegment a = workspace.memory(Workspace.Use.ROWS, stride * blocks * tileRows);
        float[] rowScales = new float[b.arithmetic() == Arithmetic.INT8 ? rows : 0];
        prepare(row, rows, a, workspace, rowScales);
        for (int fromK = 0; fromK < k || fromK == 0; fromK += blockK) {
            int toK = Math.min(k, fromK + blockK);
            for (int panel = from; panel < to; panel++) {
                int columns = Math.min(b.width(), n - panel * b.width());
                int w = tiles.widthFor(columns);
                for (int r = 0; r < blocks; r++) {
                    int present = Math.min(tileRows, rows - r * tileRows);
                    int kernelRows = tiles.rowsFor(b.type(), present);
                    int index = single ? 0 : (panel - from) * blocks + r;
                    float[] tile = workspace.tile(index + 1, tileRows * b.width());
                    if (fromK == 0) {
                        Arrays.fill(tile, 0, kernelRows * w, 0f);
                    }
                    Tile kernel = tiles.outer(b.type(), kernelRows, w);
                    long at = stride * r * tileRows;
                    if (b.groupSize() == 0) {
                        accumulate(kernel, a, at, panel, w, tile, fromK, toK);
                    } else {
                        accumulateGroups(kernel, kernelRows * w, a, at, panel, w, tile, fromK, toK, workspace);
                    }
                    if (toK >= k) {
                        if (b.type() == PanelType.I8 && b.groupSize() == 0) {
                            scaleColumns(tile, present, panel, w);
                        }
                        for (int i = 0; i < present && b.arithmetic() == Arithmetic.INT8; i++) {
                            scale(tile, i * w, w, rowScales[r * tileRows + i]);
                        }
                        writer.write(tile, w, where, r * tileRows, present, panel * b.width(), columns);
                    }
                }
            }
        }
    }

    private void accumulate(Tile kernel, MemorySegment a, long at, int panel, int w, float[] tile, int fromK, int toK) {
        long step = b.step(w);
        int length = VectorPacked.paddedK(toK - fromK, b.type());
        long bAt = b.at(panel) + fromK * step;
        // a step of the inner dimension is a fraction of a row of ints, which is as long as the elements it holds
        kernel.accumulate(a, at + 4L * fromK, stride, b.panels(), bAt, step, tile, length);
    }

    /// Sums each group of the inner dimension by itself, then adds it times its scales.
    private void accumulateGroups(
            Tile kernel,
            int size,
            MemorySegment a,
            long at,
            int panel,
            int w,
            float[] tile,
            int fromK,
            int toK,
            Workspace workspace) {
        float[] sums = workspace.tile(0, tileRows * b.width());
        for (int from = fromK; from < toK; from += b.groupSize()) {
            Arrays.fill(sums, 0, size, 0f);
            accumulate(kernel, a, at, panel, w, sums, from, Math.min(toK, from + b.groupSize()));
            long scales = b.scalesAt(from / b.groupSize()) + 4L * panel * b.width();
            for (int j = 0; j < w; j += Simd.LANES) {
                FloatVector factor = Simd.load(b.scales(), scales + 4L * j);
                for (int i = j; i < size; i += w) {
                    FloatVector.fromArray(Simd.FLOATS, sums, i)
                            .fma(factor, FloatVector.fromArray(Simd.FLOATS, tile, i))
                            .intoArray(tile, i);
                }
            }
        }
    }

    private void scaleColumns(float[] tile, int rows, int panel, int w) {
        long scales = b.scalesAt(0) + 4L * panel * b.width();
        for (int j = 0; j < w; j += Simd.LANES) {
            FloatVector factor = Simd.load(b.scales(), scales + 4L * j);
            for (int i = j; i < rows * w; i += w) {
                FloatVector.fromArray(Simd.FLOATS, tile, i).mul(factor).intoArray(tile, i);
            }
        }
    }

    private static void scale(float[] tile, int from, int n, float factor) {
        for (int i = from; i < from + n; i += Simd.LANES) {
            FloatVector.fromArray(Simd.FLOATS, tile, i).mul(factor).intoArray(tile, i);
        }
    }

    /// Brings rows into scratch memory, as floats that the arithmetic multiplies, zeros behind their ends.
    private void prepare(int row, int rows, MemorySegment to, Workspace workspace, float[] rowScales) {
        DType type = left.dtype();
        if (leftStep != 1 && leftRows.evenStride() == 1) {
            Packing.transposed(left.memory(), type, leftRows.at(row), leftStep, k, rows, to, 0, stride, workspace);
        } else {
            for (int r = 0; r < rows; r++) {
                Packing.row(left.memory(), type, leftRows.at(row + r), leftStep, k, to, r * stride);
            }
        }
        int end = Math.ceilDiv(k, Simd.LANES) * Simd.LANES;
        for (int r = 0; r < rows; r++) {
            Packing.zero(to, r * stride + 4L * k, end - k);
            if (b.arithmetic() == Arithmetic.BF16) {
                RoundingRow.LOOPS.get(Arithmetic.BF16).run(to, r * stride, k, 1, 0);
            } else if (b.arithmetic() == Arithmetic.INT8) {
                float smallest = Math.min(0, ExtremeRow.LOOP.min(to, r * stride, k));
                float largest = Math.max(0, ExtremeRow.LOOP.max(to, r * stride, k));
                Quantization.Row q = Quantization.row(smallest, largest);
                RoundingRow.LOOPS.get(Arithmetic.INT8).run(to, r * stride, k, q.inverse(), q.zero());
                rowScales[r] = q.scale();
            }
        }
    }
}
