package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.vector.AttentionTiles;
import dev.palimpsest.kernels.vector.Workspace;
import dev.palimpsest.kernels.x86.AttentionGenerator.Piece;
import dev.palimpsest.kernels.x86.LayoutGenerator.Layout;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The tiles of attention in machine code, in f32 or with pairs of bf16; see [AttentionGenerator].
///
/// Keys lie in panels of up to 64, one row for each unit of a head, values in panels of up to 64 columns, one row for
/// each unit of keys, where a unit is one f32 or two bf16.
final class X86Attention extends AttentionTiles {
    private static final int LANES = 16;
    private static final int ROWS = AttentionGenerator.ROWS;
    private static final int PANEL = AttentionGenerator.VECTORS * LANES;

    /// Keys of a block: of the values they make panels that stay in the first-level cache.
    private static final int BLOCK = 128;

    private final MicroKernels kernels;
    private final Kernels copies;
    private final float scale;
    private final boolean pairs;
    private final DType type;
    private final int perUnit;
    private final int depth;
    private final int valueDepth;

    /// Units of a query and a key.
    private final int units;

    /// Vectors of each panel of values, as equal as can be.
    private final int[] valueVectors;

    /// The programs, which every block of keys calls several times: for scores by the panel's vectors, when first asked
    /// for; for sums by the panel of values.
    private final @Nullable Program[] scorePrograms = new Program[AttentionGenerator.VECTORS + 1];

    private final Program weightProgram;
    private final Program[] sumPrograms;

    /// @param copies brings queries, keys and values that do not lie densely into order
    /// @param depth elements of a query and a key
    /// @param valueDepth elements of a value
    X86Attention(MicroKernels kernels, Kernels copies, Attention op, int depth, int valueDepth) {
        this.kernels = kernels;
        this.copies = copies;
        this.depth = depth;
        this.valueDepth = valueDepth;
        scale = op.scale();
        pairs = op.arithmetic() == Arithmetic.BF16;
        type = pairs ? DType.BF16 : DType.F32;
        perUnit = pairs ? 2 : 1;
        units = Math.ceilDiv(depth, perUnit);
        int vectors = Math.ceilDiv(valueDepth, LANES);
        valueVectors = new int[Math.ceilDiv(vectors, AttentionGenerator.VECTORS)];
        for (int p = 0; p < valueVectors.length; p++) {
            valueVectors[p] = vectors * (p + 1) / valueVectors.length - vectors * p / valueVectors.length;
        }
        weightProgram = kernels.attention(new Piece.Weights(pairs));
        sumPrograms = Arrays.stream(valueVectors)
                .mapToObj(v -> kernels.attention(new Piece.Sums(pairs, v)))
                .toArray(Program[]::new);
    }

    private Program scoreProgram(int vectors) {
        Program program = scorePrograms[vectors];
        if (program == null) {
            program = kernels.attention(new Piece.Scores(pairs, units, vectors));
            scorePrograms[vectors] = program; // another task may do the same: it is the same program
        }
        return program;
    }

    @Override
    public int rows() {
        return ROWS;
    }

    @Override
    public int panel() {
        return PANEL;
    }

    @Override
    public int step() {
        return LANES * perUnit;
    }

    @Override
    public int blockKeys() {
        return BLOCK;
    }

    @Override
    public long keyBytes() {
        return 4L * BLOCK * units;
    }

    @Override
    public long valueBytes() {
        return 64L * BLOCK / perUnit * Math.ceilDiv(valueDepth, LANES);
    }

    /// Vectors of a panel of so many keys.
    private int keyVectors(int count) {
        return Math.min(AttentionGenerator.VECTORS, Math.ceilDiv(count, LANES * perUnit) * perUnit);
    }

    /// Position of a panel of values in a block.
    private long valuePanelAt(int panel) {
        long at = 0;
        for (int p = 0; p < panel; p++) {
            at += 64L * BLOCK / perUnit * valueVectors[p];
        }
        return at;
    }

    // ---- packing

    /// Dense rows of f32, bf16 or f16.
    private record Dense(long address, long strideBytes, DType type) {}

    /// Some rows `x[first + i][head]`, copied if their elements do not lie densely.
    private Dense rows(NdArray x, int head, int first, int count, Workspace workspace) {
        NdArray rows = x.select(1, head).slice(0, first, first + count); // (count, width)
        if (rows.stride(1) == 1 || rows.dim(1) == 1) {
            int bytes = x.dtype().bytes();
            return new Dense(x.memory().address() + rows.byteOffset(), rows.stride(0) * bytes, x.dtype());
        }
        int width = rows.dim(1);
        MemorySegment memory = workspace.memory(Workspace.Use.STAGING, 4L * BLOCK * width);
        copies.copy(rows, NdArray.of(memory, DType.F32, Shape.of(count, width)));
        return new Dense(memory.address(), 4L * width, DType.F32);
    }

    /// Converts rows of `n` elements; whole vectors are written.
    private void convert(
            Dense from, long elements, int rows, int n, DType to, long toAddress, long toStride, Workspace workspace) {
        Arguments.of(workspace, 1)
                .set(LayoutGenerator.FROM, from.address + elements * from.type.bytes())
                .set(LayoutGenerator.FROM_STRIDE, from.strideBytes)
                .set(LayoutGenerator.TO, toAddress)
                .set(LayoutGenerator.TO_STRIDE, toStride)
                .set(LayoutGenerator.ROWS, rows)
                .set(LayoutGenerator.BLOCKS, n / LANES)
                .set(LayoutGenerator.TAIL, (1L << n % LANES) - 1)
                .run(kernels.layout(new Layout.Convert(from.type, to)));
    }

    @Override
    public void packKeys(NdArray k, int head, int first, int count, MemorySegment to, long toAt, Workspace workspace) {
        Dense rows = rows(k, head, first, count, workspace);
        if (rows.type != type) {
            long stride = AttentionGenerator.queryStride(units);
            MemorySegment converted = workspace.memory(Workspace.Use.ROWS, stride * BLOCK);
            convert(rows, 0, count, depth, type, converted.address(), stride, workspace);
            rows = new Dense(converted.address(), stride, type);
        }
        long bytes = (long) depth * type.bytes();
        int rest = (int) (bytes % 64);
        Arguments arguments = Arguments.of(workspace, 1)
                .set(LayoutGenerator.FROM_STRIDE, rows.strideBytes)
                .set(LayoutGenerator.BLOCKS, bytes / 64)
                .set(LayoutGenerator.TAIL, (1L << rest) - 1)
                .set(LayoutGenerator.TAIL_UNITS, Math.ceilDiv(rest, 4));
        for (int j = 0; j < count; j += LANES) {
            int panel = j / PANEL;
            int vectors = keyVectors(count - panel * PANEL);
            long at = toAt + 4L * units * panel * PANEL + 64L * (j % PANEL / LANES);
            arguments
                    .set(LayoutGenerator.FROM, rows.address + j * rows.strideBytes)
                    .set(LayoutGenerator.TO, to.address() + at)
                    .set(LayoutGenerator.TO_STRIDE, 64L * vectors)
                    .run(kernels.layout(new Layout.Transpose(Math.min(LANES, count - j))));
        }
    }

    @Override
    public boolean packValues(
            NdArray v, int head, int first, int count, MemorySegment to, long toAt, Workspace workspace) {
        Dense rows = rows(v, head, first, count, workspace);
        int valueUnits = Math.ceilDiv(count, perUnit);
        int whole = Math.ceilDiv(count, step()) * LANES;
        if (pairs) {
            long stride = Math.ceilDiv(valueDepth, LANES) * 32L;
            MemorySegment converted = workspace.memory(Workspace.Use.ROWS, stride * BLOCK);
            convert(rows, 0, count, valueDepth, type, converted.address(), stride, workspace);
            rows = new Dense(converted.address(), stride, type);
        }
        MemorySegment range = workspace.memory(Workspace.Use.SUMS, 48);
        boolean finite = true;
        int column = 0;
        for (int p = 0; p < valueVectors.length; p++) {
            int vectors = valueVectors[p];
            int columns = Math.min(vectors * LANES, valueDepth - column);
            long at = toAt + valuePanelAt(p);
            if (pairs) {
                Arguments.of(workspace, 1)
                        .set(LayoutGenerator.FROM, rows.address + column * 2L)
                        .set(LayoutGenerator.FROM_STRIDE, rows.strideBytes)
                        .set(LayoutGenerator.TO, to.address() + at)
                        .set(LayoutGenerator.TO_STRIDE, 64L * vectors)
                        .set(LayoutGenerator.ROWS, valueUnits)
                        .set(LayoutGenerator.TAIL, 0xffff)
                        .set(LayoutGenerator.TAIL_UNITS, count % 2)
                        .run(kernels.layout(new Layout.Interleave(vectors)));
            } else {
                convert(rows, column, count, columns, type, to.address() + at, 64L * vectors, workspace);
            }
            Arguments.of(workspace, 1)
                    .set(LayoutGenerator.FROM, to.address() + at)
                    .set(LayoutGenerator.TO, range.address())
                    .set(LayoutGenerator.BLOCKS, (long) valueUnits * vectors * perUnit)
                    .set(LayoutGenerator.TAIL, 0)
                    .run(kernels.layout(new Layout.Range(type)));
            for (int i = 0; i < 4; i++) {
                finite &= range.get(JAVA_FLOAT, 32 + 4L * i) == 0;
            }
            to.asSlice(at + 64L * vectors * valueUnits, 64L * vectors * (whole - valueUnits))
                    .fill((byte) 0);
            column += columns;
        }
        return finite;
    }

    @Override
    public float value(MemorySegment packed, long valuesAt, int key, int column) {
        int panel = 0;
        int rest = column;
        while (rest >= valueVectors[panel] * LANES) {
            rest -= valueVectors[panel++] * LANES;
        }
        long at = valuesAt + valuePanelAt(panel) + 64L * valueVectors[panel] * (key / perUnit) + 4L * rest;
        return pairs ? BFloat16.toFloat(packed.get(JAVA_SHORT, at + 2L * (key % 2))) : packed.get(JAVA_FLOAT, at);
    }

    @Override
    public Group group(int tiles, Workspace workspace) {
        return new Memory(tiles, workspace);
    }

    /// Everything of a group in one piece of memory: for all tiles the queries, the scores, which become weights, the
    /// state, the sums.
    private final class Memory extends Group {
        private final Workspace workspace;
        private final MemorySegment memory;
        private final long queryBytes = (long) ROWS * AttentionGenerator.queryStride(units);
        private final long scoreBytes = 4L * ROWS * BLOCK;
        private final long sumBytes = 64L * ROWS * Math.ceilDiv(valueDepth, LANES);
        private final long scoresAt;
        private final long statesAt;
        private final long sumsAt;
        private final Arguments arguments;

        Memory(int tiles, Workspace workspace) {
            this.workspace = workspace;
            scoresAt = queryBytes * tiles;
            statesAt = scoresAt + scoreBytes * tiles;
            sumsAt = statesAt + (long) AttentionGenerator.STATE * tiles;
            memory = workspace.memory(Workspace.Use.SCORES, sumsAt + sumBytes * tiles);
            arguments = Arguments.of(workspace, 0);
        }

        private long stateAt(int tile) {
            return statesAt + (long) AttentionGenerator.STATE * tile;
        }

        @Override
        public void start(int tile, NdArray q, int head, int first, int count) {
            memory.asSlice(queryBytes * tile, queryBytes).fill((byte) 0);
            Dense rows = rows(q, head, first, count, workspace);
            int stride = AttentionGenerator.queryStride(units);
            convert(rows, 0, count, depth, type, memory.address() + queryBytes * tile, stride, workspace);
            memory.asSlice(stateAt(tile), AttentionGenerator.STATE).fill((byte) 0);
            for (int r = 0; r < ROWS; r++) {
                memory.set(JAVA_FLOAT, stateAt(tile) + AttentionGenerator.MAX + 4L * r, Float.NEGATIVE_INFINITY);
            }
            memory.asSlice(sumsAt + sumBytes * tile, sumBytes).fill((byte) 0);
        }

        @Override
        public void score(int tile, int tiles, int from, int to, int keys, MemorySegment packed, long keysAt) {
            long base = memory.address();
            arguments
                    .set(AttentionGenerator.LEFT, base + queryBytes * tile)
                    .set(AttentionGenerator.LEFT_STRIDE, queryBytes)
                    .set(AttentionGenerator.TO_STRIDE, scoreBytes)
                    .set(AttentionGenerator.TILES, tiles)
                    .set(AttentionGenerator.FACTOR_OR_CHUNKS, Float.floatToRawIntBits(scale));
            for (int j = from / PANEL * PANEL; j < to; j += PANEL) {
                arguments
                        .set(AttentionGenerator.PANEL, packed.address() + keysAt + 4L * units * j)
                        .set(AttentionGenerator.TO, base + scoreAt(tile, 0, j))
                        .run(scoreProgram(keyVectors(keys - j)));
            }
        }

        @Override
        public MemorySegment scores() {
            return memory;
        }

        @Override
        public long scoreAt(int tile, int row, int key) {
            return scoresAt
                    + scoreBytes * tile
                    + (long) AttentionGenerator.CHUNK * (key / LANES)
                    + 64L * row
                    + 4L * (key % LANES);
        }

        @Override
        public int run() {
            return LANES;
        }

        /// Weights in pairs take half the room of the scores; those of a step lie where the first scores did that
        /// became the same chunk, counted from the first key of the block.
        private long weightsAt(int tile, int key) {
            return scoresAt + scoreBytes * tile + (long) AttentionGenerator.CHUNK * (key / step());
        }

        @Override
        public void weigh(int tile, int tiles, int from, int to) {
            arguments
                    .set(AttentionGenerator.LEFT, memory.address() + scoreAt(tile, 0, from))
                    .set(AttentionGenerator.LEFT_STRIDE, scoreBytes)
                    .set(AttentionGenerator.TO, memory.address() + weightsAt(tile, from))
                    .set(AttentionGenerator.TO_STRIDE, scoreBytes)
                    .set(AttentionGenerator.TILES, tiles)
                    .set(AttentionGenerator.FACTOR_OR_CHUNKS, (to - from) / LANES)
                    .set(AttentionGenerator.STATES, memory.address() + stateAt(tile))
                    .run(weightProgram);
        }

        @Override
        public void add(int tile, int tiles, int from, int to, MemorySegment packed, long valuesAt) {
            arguments
                    .set(AttentionGenerator.LEFT, memory.address() + weightsAt(tile, from))
                    .set(AttentionGenerator.LEFT_STRIDE, scoreBytes)
                    .set(AttentionGenerator.TO_STRIDE, sumBytes)
                    .set(AttentionGenerator.TILES, tiles)
                    .set(AttentionGenerator.FACTOR_OR_CHUNKS, (to - from) / step())
                    .set(AttentionGenerator.STATES, memory.address() + stateAt(tile));
            long panelAt = packed.address() + valuesAt;
            long sumAt = memory.address() + sumsAt + sumBytes * tile;
            for (int p = 0; p < valueVectors.length; p++) {
                int vectors = valueVectors[p];
                arguments
                        .set(AttentionGenerator.PANEL, panelAt + 64L * vectors * (from / perUnit))
                        .set(AttentionGenerator.TO, sumAt)
                        .run(sumPrograms[p]);
                panelAt += 64L * BLOCK / perUnit * vectors;
                sumAt += 64L * ROWS * vectors;
            }
        }

        private long sumAt(int tile, int row, int column) {
            long at = sumsAt + sumBytes * tile;
            int rest = column;
            for (int vectors : valueVectors) {
                if (rest < vectors * LANES) {
                    return at + 64L * row * vectors + 4L * rest;
                }
                rest -= vectors * LANES;
                at += 64L * ROWS * vectors;
            }
            throw new IndexOutOfBoundsException("column " + column + " of " + valueDepth);
        }

        @Override
        public void addAlone(int tile, int row, int from, int to, MemorySegment packed, long valuesAt) {
            float factor = memory.get(JAVA_FLOAT, stateAt(tile) + AttentionGenerator.FACTOR + 4L * row);
            for (int c = 0; c < valueDepth; c++) {
                long at = sumAt(tile, row, c);
                float sum = memory.get(JAVA_FLOAT, at) * factor;
                for (int key = from; key < to; key++) {
                    sum = Math.fma(weight(tile, row, key), value(packed, valuesAt, key, c), sum);
                }
                memory.set(JAVA_FLOAT, at, sum);
            }
        }

        private float weight(int tile, int row, int key) {
            long at = weightsAt(tile, key) + 64L * row;
            return pairs
                    ? BFloat16.toFloat(memory.get(JAVA_SHORT, at + 2L * (key % step())))
                    : memory.get(JAVA_FLOAT, at + 4L * (key % step()));
        }

        @Override
        public float max(int tile, int row) {
            return memory.get(JAVA_FLOAT, stateAt(tile) + AttentionGenerator.MAX + 4L * row);
        }

        @Override
        public float sum(int tile, int row) {
            float sum = 0;
            for (int i = 0; i < LANES; i++) {
                sum += memory.get(JAVA_FLOAT, stateAt(tile) + AttentionGenerator.SUMS + 64L * row + 4L * i);
            }
            return sum;
        }

        @Override
        public void write(int tile, int row, float factor, MemorySegment to, long toAt, long step) {
            int column = 0;
            for (int vectors : valueVectors) {
                int columns = Math.min(vectors * LANES, valueDepth - column);
                write(memory, sumAt(tile, row, column), columns, factor, to, toAt + column * step * 4, step);
                column += columns;
            }
        }
    }
}
