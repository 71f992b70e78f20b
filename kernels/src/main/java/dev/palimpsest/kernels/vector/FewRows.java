package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.IntConsumer;

/// The product of a few rows with a transposed matrix, as a linear layer for a handful of tokens needs it.
///
/// It is bound by reading the matrix, so nothing is packed: every column of the product is a row of the matrix as it
/// is stored, and an inner-product tile runs along some of them at once. Rows that are f16, or no whole number of
/// vectors long, pass through a small buffer that widens them and ends them with zeros.
///
/// Each lane sums every so manyth product, then the lanes are added in order: a fixed order again, though another one
/// than in products of more rows.
final class FewRows {
    /// Columns of a task.
    private static final int COLUMNS = 64;

    /// Elements of a row that are widened at a time: those of a tile stay in the first-level cache.
    private static final int BLOCK = 1024;

    private final Tiles tiles;
    private final Workspace.Pool workspaces;
    private final Product p;
    private final int m;
    private final int n;
    private final int k;
    private final int padded;
    private final TileWriter writer;

    /// Runs tasks, in parallel if it is worth it.
    @FunctionalInterface
    interface Loop {
        /// Runs `tasks` tasks that make up so many multiplications.
        void forEach(double multiplications, int tasks, IntConsumer task);
    }

    /// @param p a product of at most [Tiles#INNER_ROWS] rows whose right side has dense columns
    FewRows(Tiles tiles, Workspace.Pool workspaces, Product p, int m, int n, int k) {
        this.tiles = tiles;
        this.workspaces = workspaces;
        this.p = p;
        this.m = m;
        this.n = n;
        this.k = k;
        int step = Math.max(tiles.lanes(), Simd.LANES);
        padded = Math.ceilDiv(k, step) * step;
        writer = new TileWriter(p.out(), p.epilogue(), COLUMNS);
    }

    void run(Loop loop) {
        NdArray left = p.a();
        RowMap rows = RowMap.of(left);
        long stride = VectorMatmul.stride(padded);
        try (Workspace shared = workspaces.take()) {
            MemorySegment a = shared.memory(Workspace.Use.ROWS, stride * m);
            for (int r = 0; r < m; r++) {
                Packing.row(left.memory(), left.dtype(), rows.at(r), left.stride(-1), k, a, r * stride);
                Packing.zero(a, r * stride + k * 4L, padded - k);
            }
            loop.forEach((double) m * n * k, Math.ceilDiv(n, COLUMNS), task -> {
                try (Workspace workspace = workspaces.take()) {
                    columns(a, stride, task * COLUMNS, Math.min(COLUMNS, n - task * COLUMNS), workspace);
                }
            });
        }
    }

    /// Computes some columns of the product.
    private void columns(MemorySegment a, long aStride, int first, int count, Workspace workspace) {
        int atOnce = tiles.innerColumns(m);
        float[] sums = workspace.tile(0, m * atOnce * tiles.lanes());
        float[] result = workspace.tile(1, m * COLUMNS);
        for (int c = 0; c < count; c += atOnce) {
            int columns = Math.min(atOnce, count - c);
            Arrays.fill(sums, 0f);
            for (int fromK = 0; fromK < padded; fromK += BLOCK) {
                accumulate(a, aStride, first + c, columns, fromK, sums, workspace);
            }
            for (int r = 0; r < m; r++) {
                for (int j = 0; j < columns; j++) {
                    result[r * COLUMNS + c + j] = sum(sums, (r * atOnce + j) * tiles.lanes(), tiles.lanes());
                }
            }
        }
        writer.write(result, COLUMNS, writer.rows(m, workspace).set(0, 0, m), 0, m, first, count);
    }

    /// Adds one block of the inner dimension for the columns of one tile.
    private void accumulate(
            MemorySegment a, long aStride, int first, int columns, int fromK, float[] sums, Workspace workspace) {
        NdArray b = p.b();
        long bStride = b.stride(1);
        long at = b.offset() + first * bStride + fromK;
        int length = Math.min(BLOCK, padded - fromK);
        DType type = b.dtype();
        if (type != DType.F16 && padded == k && columns == tiles.innerColumns(m)) {
            int bytes = type.bytes();
            tiles.inner(type, m)
                    .accumulate(a, fromK * 4L, aStride, b.memory(), at * bytes, bStride * bytes, sums, length);
            return;
        }
        // the tile reads as many rows as it always does; what it makes of old ones is not looked at
        long stride = VectorMatmul.stride(BLOCK);
        MemorySegment staged = workspace.memory(Workspace.Use.STAGING, stride * tiles.innerColumns(m));
        int existing = Math.min(length, k - fromK);
        for (int j = 0; j < columns; j++) {
            Packing.row(b.memory(), b.dtype(), at + j * bStride, 1, existing, staged, j * stride);
            Packing.zero(staged, j * stride + existing * 4L, length - existing);
        }
        tiles.inner(DType.F32, m).accumulate(a, fromK * 4L, aStride, staged, 0, stride, sums, length);
    }

    private static float sum(float[] values, int from, int count) {
        float sum = 0;
        for (int i = from; i < from + count; i++) {
            sum += values[i];
        }
        return sum;
    }
}
