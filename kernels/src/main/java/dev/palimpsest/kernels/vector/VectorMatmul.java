package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Checks;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/// Matrix product by register tiles over packed operands (Goto & van de Geijn 2008, "Anatomy of high-performance
/// matrix multiplication"; Van Zee & van de Geijn 2015, BLIS).
///
/// Three levels:
///
/// - **Operands.** Leading axes on which the right side is the same for all are further rows of the left side; what
/// remains is a batch of independent products.
/// - **One product.** The right side is packed, some columns at a time, into panels that all tasks share; a task owns a
/// group of rows and some of the panels. The inner dimension runs in blocks whose part of a panel stays in the
/// second-level cache. With one group of rows there is nothing to share, and each task packs its own blocks. A handful
/// of rows times a transposed weight is bound by reading that weight, so it is read in place, see [FewRows].
/// - **One tile**, see [Tile] and [TileWriter].
///
/// Every sum runs over the inner dimension in order, whatever the blocks and whoever computes them: results depend
/// neither on the number of threads nor on how the work was cut.
final class VectorMatmul {
    /// Bytes of shared panels.
    private static final long PANELS = 8L << 20;

    /// Longest inner dimension of a shared panel; longer ones are packed block by block in the tasks.
    private static final int SHARED_K = 16 * 1024;

    /// Length of the blocks of the inner dimension.
    private static final int BLOCK_K = 1536;

    /// Rows of a group, roughly: enough to pay for fetching a panel, few enough to stay in the second-level cache.
    private static final int GROUP_ROWS = 96;

    /// Panels of a task at most, each of which needs tiles of its own while the inner dimension runs in blocks.
    private static final int GROUP_PANELS = 16;

    /// Multiplications below which a product runs on the calling thread alone.
    private static final double SERIAL = 256 * 1024;

    private final Parallel parallel;
    private final Tiles tiles;
    private final Workspace.Pool workspaces;

    VectorMatmul(Parallel parallel, Tiles tiles, Workspace.Pool workspaces) {
        this.parallel = parallel;
        this.tiles = tiles;
        this.workspaces = workspaces;
    }

    /// See [dev.palimpsest.kernels.Kernels#matmul].
    void run(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
        Checks.matmul(a, b, out, epilogue);
        if (out.elements() == 0) {
            return;
        }
        Product.Batch batch = Product.of(a, b, out, epilogue);
        if (batch.axes() == 0) {
            run(batch.product());
        } else {
            runBatch(batch.product(), batch.axes());
        }
    }

    /// See [dev.palimpsest.kernels.Kernels#matmul(NdArray, dev.palimpsest.kernels.PackedMatrix, NdArray, Epilogue)].
    void run(NdArray a, VectorPacked b, NdArray out, Epilogue epilogue) {
        Checks.matmul(a, b, out, epilogue);
        if (out.elements() == 0) {
            return;
        }
        NdArray gate = epilogue.gate() == null ? null : epilogue.gate().expand(out.shape());
        NdArray residual =
                epilogue.residual() == null ? null : epilogue.residual().expand(out.shape());
        Epilogue stretched = new Epilogue(epilogue.bias(), epilogue.activation(), gate, residual);
        new PackedMatmul(parallel, tiles, workspaces, a, b, out, stretched).run();
    }

    /// Runs the independent products of a batch: side by side if they are small, otherwise one after another, each in
    /// parallel.
    private void runBatch(Product product, int batchAxes) {
        int[] extents = Arrays.copyOf(product.out().shape().dims(), batchAxes);
        int items = Arrays.stream(extents).reduce(1, Math::multiplyExact);
        double each = (double) product.out().elements() / items * product.a().dim(-1);
        if (items * each < SERIAL) {
            for (int i = 0; i < items; i++) {
                run(product.item(i, extents));
            }
        } else if (each < 64 * SERIAL) {
            parallel.forEach(items, i -> run(product.item(i, extents)));
        } else {
            for (int i = 0; i < items; i++) {
                run(product.item(i, extents));
            }
        }
    }

    private void run(Product p) {
        int k = p.a().dim(-1);
        int n = p.b().dim(-1);
        int m = Math.toIntExact(p.out().elements() / n);
        if (m <= Tiles.INNER_ROWS && p.b().stride(0) == 1 && k >= 4 * tiles.lanes() && n > 1) {
            new FewRows(tiles, workspaces, p, m, n, k).run(this::forEach);
        } else {
            new Blocked(p, m, n, k).run();
        }
    }

    /// Runs the tasks of a loop of about so many multiplications.
    private void forEach(double multiplications, int tasks, IntConsumer task) {
        if (multiplications < SERIAL) {
            for (int i = 0; i < tasks; i++) {
                task.accept(i);
            }
        } else {
            parallel.forEach(tasks, task);
        }
    }

    /// The general case: register tiles over packed operands.
    private final class Blocked {
        private final Product p;
        private final int m;
        private final int n;
        private final int k;
        private final int width = tiles.columns();
        private final RowMap aRows;
        private final long aStep;
        private final TileWriter writer;
        private final int groupRows;
        private final int groups;
        private final int blockK;

        Blocked(Product p, int m, int n, int k) {
            this.p = p;
            this.m = m;
            this.n = n;
            this.k = k;
            aRows = RowMap.of(p.a());
            aStep = p.a().dim(-1) == 1 ? 1 : p.a().stride(-1);
            writer = new TileWriter(p.out(), p.epilogue(), width);
            // equal groups, so that no task is much shorter than the others
            int atLeast = Math.ceilDiv(m, GROUP_ROWS);
            groupRows = Math.ceilDiv(Math.ceilDiv(m, atLeast), tiles.rows()) * tiles.rows();
            groups = Math.ceilDiv(m, groupRows);
            blockK = k <= BLOCK_K ? Math.max(k, 1) : Math.ceilDiv(k, Math.ceilDiv(k, BLOCK_K));
        }

        void run() {
            int panels = Math.ceilDiv(n, width);
            if (groups == 1 || k > SHARED_K) {
                compute(null, 0, panels);
                return;
            }
            int atOnce = Math.clamp(PANELS / (4L * k * width + 1), 1, panels);
            try (Workspace workspace = workspaces.take()) {
                MemorySegment shared = workspace.memory(Workspace.Use.PANELS, 4L * k * width * atOnce);
                for (int first = 0; first < panels; first += atOnce) {
                    int from = first;
                    int count = Math.min(atOnce, panels - first);
                    VectorMatmul.this.forEach((double) k * width * count * 16, count, i -> pack(from + i, i, shared));
                    compute(shared, first, count);
                }
            }
        }

        private void pack(int panel, int slot, MemorySegment shared) {
            try (Workspace workspace = workspaces.take()) {
                packBlock(panel, 0, k, shared, 4L * k * width * slot, workspace);
            }
        }

        private void packBlock(int panel, int fromK, int length, MemorySegment to, long toAt, Workspace workspace) {
            long at = p.b().offset() + fromK * p.b().stride(0) + (long) panel * width * p.b().stride(1);
            int columns = columns(panel);
            Packing.panel(
                    p.b().memory(),
                    p.b().dtype(),
                    at,
                    p.b().stride(0),
                    p.b().stride(1),
                    length,
                    columns,
                    tiles.widthFor(columns),
                    to,
                    toAt,
                    workspace);
        }

        private int columns(int panel) {
            return Math.min(width, n - panel * width);
        }

        /// Computes `count` panels from `first` on, which lie in `shared` or, if there is none, are packed on the way.
        private void compute(@Nullable MemorySegment shared, int first, int count) {
            // enough tasks that threads which start late or run slowly do not hold up the others
            int wanted = Math.ceilDiv(4 * parallel.threads(), groups);
            int splits = parallel.threads() == 1 ? 1 : Math.clamp(wanted, 1, count);
            splits = Math.max(splits, Math.ceilDiv(count, GROUP_PANELS));
            int parts = splits;
            double multiplications = (double) m * k * Math.min(n, (long) count * width);
            VectorMatmul.this.forEach(multiplications, groups * parts, task -> {
                int from = (int) ((long) count * (task % parts) / parts);
                int to = (int) ((long) count * (task % parts + 1) / parts);
                try (Workspace workspace = workspaces.take()) {
                    group(task / parts * groupRows, shared, first, from, to, workspace);
                }
            });
        }

        /// One task: a group of rows times the panels from `from` to `to`, counted from `first`.
        private void group(int row, @Nullable MemorySegment shared, int first, int from, int to, Workspace workspace) {
            int rows = Math.min(groupRows, m - row);
            int blocks = Math.ceilDiv(rows, tiles.rows());
            boolean single = blockK >= k;
            TileWriter.Rows where = writer.rows(rows, workspace).set(0, row, rows);
            long aStride = stride(blockK);
            MemorySegment a = workspace.memory(Workspace.Use.ROWS, aStride * blocks * tiles.rows());
            for (int fromK = 0; fromK < k || fromK == 0; fromK += blockK) {
                int length = Math.min(blockK, k - fromK);
                boolean last = fromK + length >= k;
                packRows(row, rows, fromK, length, a, aStride, workspace);
                for (int panel = from; panel < to; panel++) {
                    int columns = columns(first + panel);
                    int w = tiles.widthFor(columns);
                    MemorySegment b;
                    long bAt;
                    if (shared != null) {
                        b = shared;
                        bAt = 4L * k * width * panel + 4L * w * fromK;
                    } else {
                        b = workspace.memory(Workspace.Use.PANELS, 4L * blockK * width);
                        bAt = 0;
                        packBlock(first + panel, fromK, length, b, 0, workspace);
                    }
                    for (int r = 0; r < blocks; r++) {
                        int tileRows = Math.min(tiles.rows(), rows - r * tiles.rows());
                        int kernelRows = tiles.rowsFor(tileRows);
                        float[] tile = workspace.tile(single ? 0 : (panel - from) * blocks + r, tiles.rows() * width);
                        if (fromK == 0) {
                            Arrays.fill(tile, 0, kernelRows * w, 0f);
                        }
                        tiles.outer(kernelRows, w)
                                .accumulate(a, aStride * r * tiles.rows(), aStride, b, bAt, 4L * w, tile, length);
                        if (last) {
                            int column = (first + panel) * width;
                            writer.write(tile, w, where, r * tiles.rows(), tileRows, column, columns);
                        }
                    }
                }
            }
        }

        private void packRows(
                int row, int rows, int fromK, int length, MemorySegment to, long stride, Workspace workspace) {
            DType type = p.a().dtype();
            long even = aRows.evenStride();
            if (aStep != 1 && even == 1) {
                long at = aRows.at(row) + fromK * aStep;
                Packing.transposed(p.a().memory(), type, at, aStep, length, rows, to, 0, stride, workspace);
            } else {
                for (int r = 0; r < rows; r++) {
                    long at = aRows.at(row + r) + fromK * aStep;
                    Packing.row(p.a().memory(), type, at, aStep, length, to, r * stride);
                }
            }
        }
    }

    /// Distance in bytes of rows of `k` elements in scratch: an odd number of cache lines, so that rows do not compete
    /// for the same sets of the cache.
    static long stride(int k) {
        long lines = Math.ceilDiv(k * 4L, 64);
        return (lines | 1) * 64;
    }
}
