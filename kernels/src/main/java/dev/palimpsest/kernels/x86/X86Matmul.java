package dev.palimpsest.kernels.x86;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.vector.Product;
import dev.palimpsest.kernels.vector.Workspace;
import dev.palimpsest.kernels.x86.FinishGenerator.Sums;
import dev.palimpsest.kernels.x86.PanelPacker.Quantized;
import dev.palimpsest.kernels.x86.TileGenerator.Kind;
import dev.palimpsest.kernels.x86.TileGenerator.Tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/// Matrix product by micro-kernels in machine code (Goto & van de Geijn 2008, "Anatomy of high-performance matrix
/// multiplication").
///
/// - **Operands.** The right side is in [Panels]: packed beforehand, or here, some columns at a time. Rows of the left
/// side are read where they are if they have the right type, else they are converted once, some megabytes at a time.
/// - **Tasks.** A task owns a group of rows and some panels. It runs the inner dimension in blocks, so that its rows
/// and a panel stay in the second-level cache; all tiles of the group use a panel before the next one is read.
/// Neighbouring tasks share panels rather than rows, because those are what comes from far.
/// - **Tiles**, see [TileGenerator]; then [FinishGenerator].
///
/// Every sum runs over the inner dimension in order, whatever the blocks and whoever computes them: results depend
/// neither on the number of threads nor on how the work was cut.
final class X86Matmul {
    /// Bytes of panels that are packed at once, and of rows that are converted at once.
    private static final long SHARED = 12L << 20;

    /// Bytes of a row in a block of the inner dimension.
    private static final int BLOCK = 5 * 1024;

    /// Panels of a task at most, each of which needs sums of its own while the inner dimension runs in blocks.
    private static final int TASK_PANELS = 16;

    /// How far ahead a panel is fetched that is used once only.
    private static final int AHEAD = 8 * 1024;

    /// Bytes of rows that stay in the caches while all panels stream past them.
    private static final long STREAM_BYTES = 256 * 1024;

    /// Multiplications below which a product runs on the calling thread alone.
    private static final double SERIAL = 256 * 1024;

    /// Rows up to which a product with a matrix that is not packed is bound by reading that matrix once.
    private static final int FEW_ROWS = 8;

    private final MicroKernels kernels;
    private final Kernels vector;
    private final Parallel parallel;
    private final Workspace.Pool workspaces = new Workspace.Pool();
    private final PanelPacker packer;
    private final Activations.Tools tools;

    X86Matmul(MicroKernels kernels, Kernels vector, Parallel parallel) {
        this.kernels = kernels;
        this.vector = vector;
        this.parallel = parallel;
        packer = new PanelPacker(kernels, vector, workspaces);
        tools = new Activations.Tools(kernels, vector, parallel, workspaces);
    }

    long workspaceBytes() {
        return workspaces.bytes();
    }

    // ---- packing

    /// See [Kernels#pack].
    X86Packed pack(NdArray b, Arithmetic arithmetic, int groupSize, Arena arena) {
        TileType type = type(arithmetic, b.dtype());
        int k = b.dim(0);
        int n = b.dim(1);
        MemorySegment memory = kernels.allocate(Math.max(1, Panels.bytes(type, n, k)), arena);
        Panels panels = new Panels(type, memory, 0, n, k);
        Quantized quantized = null;
        if (type == TileType.F32_I8 || type == TileType.U8_I8) {
            int columns = Math.ceilDiv(n, TileGenerator.LANES) * TileGenerator.LANES;
            int group = groupSize == 0 ? Math.max(k, 1) : groupSize;
            int groups = Math.max(1, Math.ceilDiv(k, group));
            quantized = new Quantized(
                    arena.allocate(Math.max(1, 4L * columns * groups), 64),
                    arena.allocate(Math.max(1, 4L * columns), 64),
                    columns,
                    group);
        }
        Quantized scales = quantized;
        try {
            forEach((double) k * n, panels.count(), i -> packer.pack(b, panels, i, scales));
        } catch (PanelPacker.NotFinite e) {
            throw new IllegalArgumentException("pack: " + b.shape() + ": " + e.getMessage(), e);
        }
        DType weight = switch (arithmetic) {
            case F32 -> b.dtype();
            case BF16 -> DType.BF16;
            case INT8, INT8_WEIGHT_ONLY -> DType.I8;
        };
        return new X86Packed(arithmetic, weight, groupSize, panels, quantized);
    }

    /// Whether there are micro-kernels for this arithmetic.
    boolean supports(Arithmetic arithmetic) {
        return kernels.supports(type(arithmetic, DType.F32));
    }

    private static TileType type(Arithmetic arithmetic, DType weights) {
        return switch (arithmetic) {
            case F32 ->
                switch (weights) {
                    case BF16 -> TileType.F32_BF16;
                    case F16 -> TileType.F32_F16;
                    default -> TileType.F32;
                };
            case BF16 -> TileType.BF16;
            case INT8 -> TileType.U8_I8;
            case INT8_WEIGHT_ONLY -> TileType.F32_I8;
        };
    }

    // ---- products

    /// See [Kernels#matmul(NdArray, PackedMatrix, NdArray, Epilogue)].
    void run(NdArray a, X86Packed b, NdArray out, Epilogue epilogue) {
        if (out.elements() > 0) {
            new Run(a, null, b, b.panels().type(), out, stretched(epilogue, out.shape())).run();
        }
    }

    /// See [Kernels#matmul(NdArray, NdArray, NdArray, Epilogue, Arithmetic)]; only where weights have no scales.
    void run(NdArray a, NdArray b, NdArray out, Epilogue epilogue, Arithmetic arithmetic) {
        if (out.elements() > 0) {
            new Run(a, b, null, type(arithmetic, b.dtype()), out, stretched(epilogue, out.shape())).run();
        }
    }

    private static Epilogue stretched(Epilogue epilogue, Shape shape) {
        NdArray gate = epilogue.gate();
        NdArray residual = epilogue.residual();
        return epilogue.withGate(gate == null ? null : gate.expand(shape))
                .withResidual(residual == null ? null : residual.expand(shape));
    }

    /// See [Kernels#matmul(NdArray, NdArray, NdArray, Epilogue)].
    void run(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
        if (out.elements() == 0) {
            return;
        }
        Product.Batch batch = Product.of(a, b, out, epilogue);
        Product product = batch.product();
        int[] extents = Arrays.copyOf(product.out().shape().dims(), batch.axes());
        int items = Arrays.stream(extents).reduce(1, Math::multiplyExact);
        double each = (double) product.out().elements() / items * product.a().dim(-1);
        // small products side by side, others one after another and each in parallel
        forEach(each < 64 * SERIAL ? items * each : 0, items, i -> run(product.item(i, extents)));
    }

    private void run(Product p) {
        int n = p.b().dim(-1);
        long m = p.out().elements() / n;
        if (m <= FEW_ROWS && p.b().stride(0) == 1 && n > 1) {
            vector.matmul(p.a(), stretched(p), p.out(), p.epilogue());
        } else {
            new Run(p.a(), p.b(), null, type(Arithmetic.F32, p.b().dtype()), p.out(), p.epilogue()).run();
        }
    }

    /// The right side with the axes of the output, as the interface has it.
    private static NdArray stretched(Product p) {
        Shape shape = p.out().shape();
        return p.b().expand(shape.with(-2, p.b().dim(0)));
    }

    private void forEach(double multiplications, int tasks, IntConsumer task) {
        if (multiplications < SERIAL) {
            for (int i = 0; i < tasks; i++) {
                task.accept(i);
            }
        } else {
            parallel.forEach(tasks, task);
        }
    }

    /// One product.
    private final class Run {
        private final NdArray a;
        private final @Nullable NdArray b;
        private final @Nullable X86Packed packed;
        private final TileType type;
        private final NdArray out;
        private final Epilogue epilogue;
        private final int m;
        private final int n;
        private final int k;
        private final int blockK;

        /// @param a `(rows..., K)`
        /// @param b `(K, N)`, or null if the right side is packed
        Run(NdArray a, @Nullable NdArray b, @Nullable X86Packed packed, TileType type, NdArray out, Epilogue epilogue) {
            this.a = a;
            this.b = b;
            this.packed = packed;
            this.type = type;
            this.out = out;
            this.epilogue = epilogue;
            k = a.dim(-1);
            n = out.dim(-1);
            m = Math.toIntExact(out.elements() / n);
            blockK = blockK();
        }

        void run() {
            boolean inPlace = (k == 0 && type != TileType.U8_I8) || Activations.inPlace(a, type);
            if (!inPlace && a.rank() > 2 && k > 1 && a.stride(-1) != 1) {
                eachOfFirstAxis();
                return;
            }
            try (Workspace workspace = workspaces.take()) {
                Finisher finisher = finisher(workspace);
                if (inPlace) {
                    multiply(Activations.of(a), 0, m, finisher, workspace);
                    return;
                }
                long rowBytes = Activations.bytes(1, k, type);
                int most = Math.clamp(SHARED / rowBytes, Math.min(m, TaskGrid.GROUP_TILES * type.rows()), m);
                // about the same number each time: a few rows left over would need all the weights once more
                int even = Math.ceilDiv(m, Math.ceilDiv(m, most));
                int atOnce = Math.min(m, Math.ceilDiv(even, type.rows()) * type.rows());
                MemorySegment memory = workspace.memory(Workspace.Use.ROWS, Activations.bytes(atOnce, k, type));
                for (int row = 0; row < m; row += atOnce) {
                    int rows = Math.min(atOnce, m - row);
                    Activations converted = Activations.convert(a, row, rows, type, memory, tools);
                    multiply(converted, row, rows, finisher, workspace);
                }
            }
        }

        /// Rows of several axes whose elements do not lie densely: one index of the first axis after another.
        private void eachOfFirstAxis() {
            NdArray gate = epilogue.gate();
            NdArray residual = epilogue.residual();
            for (int i = 0; i < a.dim(0); i++) {
                Epilogue part = epilogue.withGate(gate == null ? null : gate.select(0, i))
                        .withResidual(residual == null ? null : residual.select(0, i));
                new Run(a.select(0, i), b, packed, type, out.select(0, i), part).run();
            }
        }

        private Finisher finisher(Workspace workspace) {
            Quantized quantized = packed == null ? null : packed.quantized();
            Sums sums = switch (type) {
                case U8_I8 -> Sums.QUANTIZED;
                case F32_I8 -> groupScales() == null ? Sums.SCALED : Sums.F32;
                default -> Sums.F32;
            };
            return new Finisher(kernels, sums, quantized, out, withDenseBias(workspace));
        }

        private Epilogue withDenseBias(Workspace workspace) {
            NdArray bias = epilogue.bias();
            if (bias == null || n == 1 || bias.stride(0) == 1) {
                return epilogue;
            }
            NdArray copy = NdArray.of(workspace.memory(Workspace.Use.STAGING, n * 4L), DType.F32, Shape.of(n));
            vector.copy(bias, copy);
            return new Epilogue(copy, epilogue.activation(), epilogue.gate(), epilogue.residual());
        }

        /// The scales of groups, to be applied block by block; null if there are none.
        private @Nullable Quantized groupScales() {
            return packed == null || packed.groupSize() == 0 ? null : packed.quantized();
        }

        /// Length of the blocks of the inner dimension: equal blocks of whole groups whose rows have about [#BLOCK]
        /// bytes.
        private int blockK() {
            if (fewRows()) {
                return Math.max(k, 1);
            }
            int unit = packed == null || packed.groupSize() == 0 ? 16 : packed.groupSize();
            int blocks = Math.ceilDiv(k * type.activationBytes(), BLOCK);
            return blocks <= 1 ? Math.max(k, 1) : Math.ceilDiv(Math.ceilDiv(k, blocks), unit) * unit;
        }

        /// Whether there are so few rows that packed panels are read as fast as they come from memory, from one end to
        /// the other.
        private boolean fewRows() {
            return m <= type.rows() && (long) m * k * type.activationBytes() <= STREAM_BYTES;
        }

        private boolean streams() {
            return packed != null && fewRows();
        }

        /// Multiplies some rows, whose first is `row`, with all columns.
        private void multiply(Activations left, int row, int rows, Finisher finisher, Workspace workspace) {
            if (packed != null) {
                compute(left, row, rows, packed.panels(), finisher);
                return;
            }
            NdArray right = Objects.requireNonNull(b);
            long panelBytes = Panels.bytes(type, TileGenerator.COLUMNS, k);
            int panels = Math.ceilDiv(n, TileGenerator.COLUMNS);
            int atOnce = Math.clamp(SHARED / Math.max(1, panelBytes), 1, panels) * TileGenerator.COLUMNS;
            MemorySegment memory =
                    workspace.memory(Workspace.Use.PANELS, Math.max(1, Panels.bytes(type, Math.min(n, atOnce), k)));
            for (int column = 0; column < n; column += atOnce) {
                Panels some = new Panels(type, memory, column, Math.min(atOnce, n - column), k);
                forEach((double) some.columns() * k * 16, some.count(), i -> packer.pack(right, some, i, null));
                compute(left, row, rows, some, finisher);
            }
        }

        private void compute(Activations left, int firstRow, int rows, Panels panels, Finisher finisher) {
            int tiles = Math.ceilDiv(rows, type.rows());
            int most = blockK >= k ? panels.count() : TASK_PANELS;
            TaskGrid grid = TaskGrid.of(tiles, panels.count(), most, parallel.threads());
            forEach((double) rows * k * panels.columns(), grid.pieces().size(), i -> {
                TaskGrid.Piece piece = grid.pieces().get(i);
                int fromTile = grid.firstTile(piece.group());
                int toTile = grid.firstTile(piece.group() + 1);
                int fromRow = (int) ((long) rows * fromTile / tiles);
                int toRow = (int) ((long) rows * toTile / tiles);
                try (Workspace workspace = workspaces.take()) {
                    new Task(left, firstRow, firstRow + fromRow, toRow - fromRow, toTile - fromTile, panels, finisher)
                            .run(piece.from(), piece.to(), workspace);
                }
            });
        }

        /// A group of rows times some panels.
        private final class Task {
            private final Activations left;
            private final int firstRow;
            private final int row;
            private final int rows;
            private final int tileRows;
            private final int largeTiles;
            private final int smallTiles;
            private final int prefetches;
            private final Panels panels;
            private final Finisher finisher;
            private final Map<Kind, @Nullable Program[]> programs = new EnumMap<>(Kind.class);
            private int firstPanel;
            private int lastPanel;

            /// @param firstRow row of the output that `left` begins with
            /// @param row row of the output to begin with
            Task(Activations left, int firstRow, int row, int rows, int tiles, Panels panels, Finisher finisher) {
                this.left = left;
                this.firstRow = firstRow;
                this.row = row;
                this.rows = rows;
                this.panels = panels;
                this.finisher = finisher;
                // some tiles of so many rows, the others of one less
                tileRows = Math.ceilDiv(rows, tiles);
                smallTiles = tiles * tileRows - rows;
                largeTiles = tiles - smallTiles;
                // Several tiles together fetch the next panel while they use this one. A single tile that widens its
                // weights does so much with each line that the processor's own prefetching, which stops at the end of a
                // page, comes too late; the others are fast enough without.
                int lines = 4 * TileGenerator.VECTORS / (type.widens() ? type.weights() : 1);
                prefetches = tiles > 1
                        ? Math.clamp(Math.ceilDiv(lines, largeTiles), 1, 4)
                        : type.widens() && !streams() ? lines : 0;
            }

            private Program program(Kind kind, int tileRows, int vectors) {
                @Nullable
                Program[] known = programs.computeIfAbsent(kind, key -> new Program[2 * TileGenerator.VECTORS]);
                int at = 2 * (vectors - 1) + this.tileRows - tileRows;
                Program program = known[at];
                if (program == null) {
                    int lines = tileRows == this.tileRows ? prefetches : 0;
                    program = kernels.tile(new Tile(type, tileRows, vectors, groupScales() != null, lines, kind));
                    known[at] = program;
                }
                return program;
            }

            void run(int from, int to, Workspace workspace) {
                firstPanel = from;
                lastPanel = to - 1;
                boolean single = blockK >= k;
                long sumBytes = (long) rows * TileGenerator.COLUMNS * 4;
                MemorySegment sums = workspace.memory(Workspace.Use.SUMS, sumBytes * (single ? 1 : to - from));
                Arguments tile = Arguments.of(workspace, 0).set(TileGenerator.ROW_STRIDE, left.stride());
                Arguments finish = Arguments.of(workspace, 1);
                for (int fromK = 0; fromK < k || fromK == 0; fromK += blockK) {
                    int length = Math.min(blockK, k - fromK);
                    boolean last = fromK + length >= k;
                    for (int panel = from; panel < to; panel++) {
                        int column = panels.firstColumn() + panel * TileGenerator.COLUMNS;
                        MemorySegment at = single ? sums : sums.asSlice((panel - from) * sumBytes, sumBytes);
                        int columns = panels.columnsOf(panel);
                        Kind kind = kind(panel, fromK == 0, last);
                        boolean delegated = kind == Kind.ROWS_AND_OUT
                                && finisher.delegate(row, rows, column, columns, left, firstRow, tile);
                        if (kind == Kind.ROWS_AND_NEXT) {
                            boolean tiles = fromK == 0 && panel == from && largeTiles + smallTiles > 1;
                            tile.set(TileGenerator.AHEAD, tiles ? tileRows * left.stride() : blockBytes());
                        } else if (kind == Kind.ROWS_AND_OUT && !delegated) {
                            kind = Kind.ROWS;
                        }
                        multiplyBlock(kind, panel, fromK, length, at.address(), tile);
                        if (last && !delegated) {
                            finisher.write(at, row, rows, column, columns, left, firstRow, finish);
                        }
                    }
                }
            }

            private long blockBytes() {
                return (long) blockK * type.activationBytes();
            }

            /// What else is fetched: with the first panel the rows of the next tile, with the last panel the rows'
            /// next block, in the last block the places where results go that need no more than a micro-kernel does.
            private Kind kind(int panel, boolean first, boolean last) {
                boolean alone = largeTiles + smallTiles == 1;
                if (groupScales() != null || streams()) {
                    return streams() ? Kind.STREAM : Kind.ROWS;
                } else if ((first && panel == firstPanel && !alone) || (!last && panel == lastPanel)) {
                    return Kind.ROWS_AND_NEXT;
                }
                return last && !alone ? Kind.ROWS_AND_OUT : Kind.ROWS;
            }

            /// Units to be multiplied as a whole: activations that are not widened end with zeros.
            private int wholeUnits(int length) {
                return type.widens() ? length / type.weights() : Math.ceilDiv(length, type.weights());
            }

            /// One block of the inner dimension of all tiles.
            private void multiplyBlock(Kind kind, int panel, int fromK, int length, long sums, Arguments tile) {
                Quantized scales = groupScales();
                if (scales == null) {
                    multiply(kind, panel, fromK, length, sums, tile);
                    return;
                }
                int group = scales.groupSize();
                tile.set(TileGenerator.SCALES_STRIDE, 4L * scales.columns());
                int whole = length / group;
                if (whole > 0) {
                    setScales(scales, panel, fromK / group, tile.set(TileGenerator.GROUPS, whole));
                    multiply(kind, panel, fromK, group, sums, tile);
                }
                if (whole * group < length || length == 0) {
                    int rest = fromK + whole * group;
                    setScales(scales, panel, rest / group, tile.set(TileGenerator.GROUPS, 1));
                    multiply(kind, panel, rest, length - whole * group, sums, tile);
                }
            }

            private static void setScales(Quantized scales, int panel, int group, Arguments tile) {
                long at = (long) group * scales.columns() + (long) panel * TileGenerator.COLUMNS;
                tile.set(TileGenerator.SCALES, scales.scales().address() + 4 * at);
            }

            /// The part of the inner dimension from `fromK` on.
            ///
            /// @param length of the part, or of each of several groups
            private void multiply(Kind kind, int panel, int fromK, int length, long sums, Arguments tile) {
                int vectors = panels.vectorsOf(panel);
                tile.set(TileGenerator.ADD, fromK == 0 ? 0 : 1)
                        .set(TileGenerator.UNITS, wholeUnits(length))
                        .set(TileGenerator.TAIL, type.widens() ? length % type.weights() : 0);
                long rowsAt = left.address() + (row - firstRow) * left.stride() + (long) fromK * type.activationBytes();
                long unit = (long) fromK / type.weights();
                tile.set(TileGenerator.PANEL, panels.address(panel) + unit * vectors * 64)
                        .set(TileGenerator.NEXT, next(panel, fromK, length))
                        .set(TileGenerator.ROWS, rowsAt)
                        .set(TileGenerator.SUMS, sums)
                        .set(TileGenerator.TILES, largeTiles)
                        .run(program(kind, tileRows, vectors));
                if (smallTiles > 0) {
                    int done = largeTiles * tileRows;
                    tile.set(TileGenerator.ROWS, rowsAt + done * left.stride())
                            .set(TileGenerator.SUMS, sums + (long) done * vectors * 64)
                            .set(TileGenerator.TILES, smallTiles)
                            .run(program(kind, tileRows - 1, vectors));
                }
            }

            /// Where the panel goes on that is fetched meanwhile: the next one, then the first one's next block, in
            /// the end the first one again, with which the next task likely begins.
            private long next(int panel, int fromK, int length) {
                int rowBytes = 64 * TileGenerator.VECTORS;
                if (largeTiles + smallTiles == 1) {
                    return panels.address(panel) + AHEAD + (long) fromK / type.weights() * rowBytes;
                } else if (panel < lastPanel) {
                    return panels.address(panel + 1) + (long) fromK / type.weights() * rowBytes;
                }
                int end = fromK + length;
                return panels.address(firstPanel) + (end < k ? (long) end / type.weights() * rowBytes : 0);
            }
        }
    }
}
