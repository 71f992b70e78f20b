package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// Convolution on the tiles of the Vector API.
///
/// They multiply floats; [Arithmetic#BF16] means that those are rounded beforehand, which makes nothing faster.
final class VectorPatchTiles implements PatchTiles {
    /// Bytes of a panel that stay in the second-level cache beside everything else.
    private static final int PANEL = 300 * 1024;

    private final Tiles tiles;

    VectorPatchTiles(Tiles tiles) {
        this.tiles = tiles;
    }

    @Override
    public String name() {
        return "vector";
    }

    @Override
    public int elements(Arithmetic arithmetic) {
        return 1;
    }

    @Override
    public int columns() {
        return tiles.columns();
    }

    @Override
    public int widthFor(int columns) {
        return tiles.widthFor(columns);
    }

    @Override
    public int rows() {
        return tiles.rows();
    }

    @Override
    public int stretchesAtOnce(int units) {
        return Math.max(1, PANEL / Math.max(1, 4 * units * columns()));
    }

    @Override
    public Target target(Arithmetic arithmetic, NdArray rows, Epilogue epilogue) {
        TileWriter writer = new TileWriter(rows, epilogue, tiles.columns());
        return (lines, length, workspace) -> new Sums(writer, lines, length, workspace);
    }

    /// One array of sums for each tile.
    private final class Sums implements Lines {
        private final TileWriter writer;
        private final TileWriter.Rows where;
        private final Workspace workspace;
        private final int length;
        private final int blocks;

        Sums(TileWriter writer, int lines, int length, Workspace workspace) {
            this.writer = writer;
            this.length = length;
            this.workspace = workspace;
            where = writer.rows(lines * length, workspace);
            blocks = Math.ceilDiv(length, tiles.rows());
        }

        @Override
        public void place(int line, long row) {
            where.set(line * length, row, length);
        }

        @Override
        public void add(
                int line,
                MemorySegment a,
                long[] aAt,
                int count,
                long aStride,
                MemorySegment panels,
                long panelAt,
                int width,
                int units,
                boolean first,
                boolean last,
                int column,
                int columns) {
            int most = tiles.rows();
            for (int b = 0; b < blocks; b++) {
                int from = b * most;
                int rows = Math.min(most, length - from);
                int tileRows = tiles.rowsFor(rows);
                // sums that are complete at once need one array only, which stays in the first-level cache
                float[] tile = workspace.tile(first && last ? 0 : line * blocks + b, most * tiles.columns());
                if (first) {
                    Arrays.fill(tile, 0, tileRows * width, 0f);
                }
                Tile kernel = tiles.outer(tileRows, width);
                for (int s = 0; s < count; s++) {
                    long bAt = panelAt + 4L * width * units * s;
                    kernel.accumulate(a, aAt[s] + aStride * from, aStride, panels, bAt, 4L * width, tile, units);
                }
                if (last) {
                    writer.write(tile, width, where, line * length + from, rows, column, columns);
                }
            }
        }
    }
}
