package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
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

    /// Floats that pay for a call of a kernel.
    private static final int SHORT = 64;

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
    public int shortest(Arithmetic arithmetic) {
        return SHORT;
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
        private final int lines;

        /// The panel that [#turned] holds: its position, and where it lies turned.
        private long turnedAt = -1;

        private long turnedAddress;

        Sums(TileWriter writer, int lines, int length, Workspace workspace) {
            this.writer = writer;
            this.length = length;
            this.lines = lines;
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
            if (2 * columns < tiles.lanes() && units % tiles.lanes() == 0) {
                addFew(line, a, aAt, count, aStride, panels, panelAt, width, units, first, last, column, columns);
                return;
            }
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
                if (last) {
                    writer.announce(where, line * length + from, rows, column, columns);
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

        /// The same by inner products, for so few columns that most lanes of an outer product would multiply zeros.
        private void addFew(
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
            int rows = Math.min(length, tiles.innerRows(columns));
            int tileColumns = tiles.innerColumns(rows);
            int lanes = tiles.lanes();
            Tile kernel = tiles.inner(DType.F32, rows);
            long bStride = 4L * count * units;
            MemorySegment b = turned(panels, panelAt, width, count * units, columns, tileColumns);
            int tilesOfLine = Math.ceilDiv(length, rows);
            float[] result = workspace.tile(lines * tilesOfLine, rows * width);
            for (int i = 0; i < tilesOfLine; i++) {
                // the last tile begins so early that it is a whole one, and computes some rows again
                int from = Math.min(i * rows, length - rows);
                float[] sums = workspace.tile(first && last ? 0 : line * tilesOfLine + i, rows * tileColumns * lanes);
                if (first) {
                    Arrays.fill(sums, 0, rows * tileColumns * lanes, 0f);
                }
                for (int s = 0; s < count; s++) {
                    kernel.accumulate(a, aAt[s] + aStride * from, aStride, b, 4L * units * s, bStride, sums, units);
                }
                if (last) {
                    for (int r = 0; r < rows; r++) {
                        for (int c = 0; c < columns; c++) {
                            result[r * width + c] = sum(sums, (r * tileColumns + c) * lanes, lanes);
                        }
                    }
                    writer.write(result, width, where, line * length + from, rows, column, columns);
                }
            }
        }

        /// The columns of a panel as rows, and rows of zeros behind them.
        private MemorySegment turned(
                MemorySegment panels, long panelAt, int width, int units, int columns, int tileColumns) {
            MemorySegment turned = workspace.memory(Workspace.Use.WEIGHTS, 4L * units * tileColumns);
            if (panelAt != turnedAt || turned.address() != turnedAddress) {
                turned.asSlice(4L * units * columns).fill((byte) 0);
                for (int c = 0; c < columns; c++) {
                    for (int i = 0; i < units; i++) {
                        float weight = panels.get(JAVA_FLOAT_UNALIGNED, panelAt + 4L * ((long) i * width + c));
                        turned.set(JAVA_FLOAT_UNALIGNED, 4L * ((long) c * units + i), weight);
                    }
                }
                turnedAt = panelAt;
                turnedAddress = turned.address();
            }
            return turned;
        }

        /// Sums neighbouring elements, always in the same order.
        private static float sum(float[] values, int from, int count) {
            for (int half = count / 2; half > 0; half /= 2) {
                for (int i = from; i < from + half; i++) {
                    values[i] += values[i + half];
                }
            }
            return values[from];
        }
    }
}
