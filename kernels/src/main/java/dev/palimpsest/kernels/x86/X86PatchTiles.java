package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.vector.PatchTiles;
import dev.palimpsest.kernels.vector.Workspace;
import dev.palimpsest.kernels.x86.FinishGenerator.Sums;
import dev.palimpsest.kernels.x86.LayoutGenerator.Layout;
import dev.palimpsest.kernels.x86.TileGenerator.Kind;
import dev.palimpsest.kernels.x86.TileGenerator.Tile;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Convolution on the micro-kernels in machine code: all tiles of a line below each other in one call, see
/// [TileGenerator], in f32 or in pairs of bf16.
final class X86PatchTiles implements PatchTiles {
    /// Rows of no scales.
    private static final Activations PLAIN = new Activations(0, 0, 0, 0);

    /// Bytes of a panel that stay in the second-level cache beside everything else.
    private static final int PANEL = 300 * 1024;

    /// Elements that pay for going on to the next stretch inside a kernel.
    private static final int SHORT = 8;

    private final MicroKernels kernels;

    X86PatchTiles(MicroKernels kernels) {
        this.kernels = kernels;
    }

    /// Whether there are micro-kernels for this arithmetic.
    boolean supports(Arithmetic arithmetic) {
        return kernels.supports(type(arithmetic));
    }

    private static TileType type(Arithmetic arithmetic) {
        return arithmetic == Arithmetic.BF16 ? TileType.BF16 : TileType.F32;
    }

    @Override
    public String name() {
        return "x86";
    }

    @Override
    public int elements(Arithmetic arithmetic) {
        return type(arithmetic).weights();
    }

    @Override
    public int columns() {
        return TileGenerator.COLUMNS;
    }

    @Override
    public int widthFor(int columns) {
        return Math.ceilDiv(columns, TileGenerator.LANES) * TileGenerator.LANES;
    }

    @Override
    public int rows() {
        return TileType.F32.rows();
    }

    @Override
    public int shortest(Arithmetic arithmetic) {
        return SHORT;
    }

    @Override
    public int stretchesAtOnce(int units) {
        return Math.max(1, PANEL / Math.max(1, 4 * units * TileGenerator.COLUMNS));
    }

    @Override
    public void narrow(MemorySegment from, long at, MemorySegment to, long toAt, int n, Workspace workspace) {
        int blocks = n / TileGenerator.LANES;
        if (blocks > 0) {
            Arguments.of(workspace, 2)
                    .set(LayoutGenerator.FROM, from.address() + at)
                    .set(LayoutGenerator.FROM_STRIDE, 0)
                    .set(LayoutGenerator.TO, to.address() + toAt)
                    .set(LayoutGenerator.ROWS, 1)
                    .set(LayoutGenerator.BLOCKS, blocks)
                    .set(LayoutGenerator.TAIL, 0)
                    .run(kernels.layout(new Layout.Convert(DType.F32, DType.BF16)));
        }
        // the program writes whole vectors only, and behind a line may lie another one that is still needed
        int done = blocks * TileGenerator.LANES;
        PatchTiles.super.narrow(from, at + 4L * done, to, toAt + 2L * done, n - done, workspace);
    }

    @Override
    public Target target(Arithmetic arithmetic, NdArray rows, Epilogue epilogue) {
        Finisher finisher = new Finisher(kernels, Sums.F32, null, rows, epilogue);
        return (lines, length, workspace) -> new LineSums(type(arithmetic), finisher, lines, length, workspace);
    }

    private final class LineSums implements Lines {
        private final TileType type;
        private final Finisher finisher;
        private final MemorySegment sums;
        private final long[] rows;
        private final int length;
        private final int tileRows;
        private final int largeTiles;
        private final int smallTiles;
        private final Workspace workspace;
        private final @Nullable Program[] programs = new Program[2 * TileGenerator.VECTORS];
        private final Arguments tile;
        private final Arguments finish;
        private final Prefetches prefetches = new Prefetches();

        LineSums(TileType type, Finisher finisher, int lines, int length, Workspace workspace) {
            this.type = type;
            this.finisher = finisher;
            this.length = length;
            this.workspace = workspace;
            sums = workspace.memory(Workspace.Use.SUMS, 4L * lines * length * TileGenerator.COLUMNS);
            rows = workspace.positions(0, lines);
            // some tiles of so many rows, the others of one less
            int tiles = Math.ceilDiv(length, type.rows());
            tileRows = Math.ceilDiv(length, tiles);
            smallTiles = tiles * tileRows - length;
            largeTiles = tiles - smallTiles;
            tile = Arguments.of(workspace, 0).set(TileGenerator.TAIL, 0);
            finish = Arguments.of(workspace, 1);
        }

        @Override
        public void place(int line, long row) {
            rows[line] = row;
        }

        @Override
        public void expect(int calls) {
            prefetches.begin(calls);
        }

        @Override
        public void expect(MemorySegment memory, long at, long bytes) {
            prefetches.add(memory.address() + at, bytes);
        }

        @Override
        public void expect(long row) {
            finisher.expect(Math.toIntExact(row), length, prefetches);
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
            int vectors = width / TileGenerator.LANES;
            // sums that are complete at once need the memory of one line only, which stays in the first-level cache
            long sumsAt = first && last ? 0 : 4L * line * length * width;
            MemorySegment offsets = workspace.memory(Workspace.Use.STAGING, 8L * count);
            for (int s = 0; s < count; s++) {
                offsets.setAtIndex(JAVA_LONG, s, aAt[s]);
            }
            tile.set(TileGenerator.ROW_STRIDE, aStride)
                    .set(TileGenerator.ADD, first ? 0 : 1)
                    .set(TileGenerator.UNITS, units)
                    .set(TileGenerator.PANEL, panels.address() + panelAt)
                    .set(TileGenerator.STRETCHES, count)
                    .set(TileGenerator.OFFSETS, offsets.address())
                    .set(TileGenerator.OUT, 0);
            int row = Math.toIntExact(rows[line]);
            boolean delegated = last && finisher.delegate(row, length, column, columns, PLAIN, row, tile);
            long passes = (long) (largeTiles + smallTiles) * count * (units / TileGenerator.STEPS);
            prefetches.share(tile, passes, panels.address());
            run(a.address(), sums.address() + sumsAt, largeTiles, tileRows, vectors);
            if (smallTiles > 0) {
                int done = largeTiles * tileRows;
                run(
                        a.address() + done * aStride,
                        sums.address() + sumsAt + 4L * done * width,
                        smallTiles,
                        tileRows - 1,
                        vectors);
            }
            if (last && !delegated) {
                MemorySegment at = sums.asSlice(sumsAt, 4L * length * width);
                finisher.write(at, row, length, column, columns, PLAIN, row, finish);
            }
        }

        private void run(long from, long to, int tiles, int rowsOfTile, int vectors) {
            tile.set(TileGenerator.ROWS, from)
                    .set(TileGenerator.SUMS, to)
                    .set(TileGenerator.TILES, tiles)
                    .run(program(rowsOfTile, vectors));
        }

        private Program program(int rowsOfTile, int vectors) {
            int at = TileGenerator.VECTORS * (tileRows - rowsOfTile) + vectors - 1;
            Program program = programs[at];
            if (program == null) {
                program = kernels.tile(new Tile(type, rowsOfTile, vectors, false, 0, Kind.PATCHES));
                programs[at] = program;
            }
            return program;
        }
    }
}
