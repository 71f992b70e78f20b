package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// The tiles of attention on the Vector API, in f32; for bf16 they round what they read and the weights.
///
/// Keys lie in panels as wide as a tile, one row for each element of the head, values in panels of as many columns,
/// one row for each key. Queries, scores and weights lie in rows.
final class VectorAttention extends AttentionTiles {
    /// Keys of a block: of the values it makes a panel that stays in the first-level cache.
    private static final int BLOCK = 128;

    private final Tiles tiles;
    private final float scale;
    private final boolean rounds;
    private final int depth;
    private final int valueDepth;
    private final int width;
    private final int rows;
    private final int blockKeys;
    private final int valuePanels;

    /// @param depth elements of a query and a key
    /// @param valueDepth elements of a value
    VectorAttention(Tiles tiles, Attention op, int depth, int valueDepth) {
        this.tiles = tiles;
        this.depth = depth;
        this.valueDepth = valueDepth;
        scale = op.scale();
        rounds = op.arithmetic() == Arithmetic.BF16;
        width = tiles.columns();
        rows = tiles.rows();
        blockKeys = Math.max(1, BLOCK / width) * width;
        valuePanels = Math.ceilDiv(valueDepth, width);
    }

    @Override
    public int rows() {
        return rows;
    }

    @Override
    public int panel() {
        return width;
    }

    @Override
    public int step() {
        return tiles.widthFor(1);
    }

    @Override
    public int blockKeys() {
        return blockKeys;
    }

    @Override
    public long keyBytes() {
        return 4L * blockKeys * depth;
    }

    @Override
    public long valueBytes() {
        return 4L * blockKeys * valuePanels * width;
    }

    @Override
    public void packKeys(NdArray k, int head, int first, int count, MemorySegment to, long toAt, Workspace workspace) {
        for (int j = 0; j < count; j += width) {
            int columns = Math.min(width, count - j);
            long at = k.offset() + (first + j) * k.stride(0) + head * k.stride(1);
            long panelAt = toAt + 4L * j * depth;
            int w = tiles.widthFor(columns);
            Packing.panel(
                    k.memory(), k.dtype(), at, k.stride(2), k.stride(0), depth, columns, w, to, panelAt, workspace);
            if (rounds) {
                ScoreRow.LOOP.round(to, panelAt, depth * w);
            }
        }
    }

    @Override
    public boolean packValues(
            NdArray v, int head, int first, int count, MemorySegment to, long toAt, Workspace workspace) {
        boolean finite = true;
        int steps = Math.ceilDiv(count, step()) * step();
        for (int c = 0; c < valueDepth; c += width) {
            int columns = Math.min(width, valueDepth - c);
            long at = v.offset() + first * v.stride(0) + head * v.stride(1) + c * v.stride(2);
            long panelAt = toAt + 4L * blockKeys * c;
            int w = tiles.widthFor(columns);
            Packing.panel(
                    v.memory(), v.dtype(), at, v.stride(0), v.stride(2), count, columns, w, to, panelAt, workspace);
            Packing.zero(to, panelAt + 4L * count * w, (steps - count) * w);
            if (rounds) {
                ScoreRow.LOOP.round(to, panelAt, count * w);
            }
            finite &= ScoreRow.LOOP.finite(to, panelAt, count * w);
        }
        return finite;
    }

    @Override
    public float value(MemorySegment packed, long valuesAt, int key, int column) {
        int panel = column / width;
        long at = valuesAt + 4L * blockKeys * panel * width + 4L * key * valueWidth(panel) + 4L * (column % width);
        return packed.get(JAVA_FLOAT_UNALIGNED, at);
    }

    private int valueWidth(int panel) {
        return tiles.widthFor(Math.min(width, valueDepth - panel * width));
    }

    @Override
    public Group group(int count, Workspace workspace) {
        return new Rows(count, workspace);
    }

    private final class Rows extends Group {
        private final MemorySegment queries;
        private final long queryStride = VectorMatmul.stride(depth);
        private final MemorySegment scores;
        private final long scoreStride = VectorMatmul.stride(blockKeys);

        /// For every row the largest score and what multiplies earlier sums.
        private final float[] max;

        private final float[] factor;

        /// For every row the sums of weights, in as many parts as a vector has lanes.
        private final float[] sums;

        /// Weighted sums of values: for each tile of queries a tile for each panel of values.
        private final float[][] values;

        private final float[] scoreTile;

        Rows(int count, Workspace workspace) {
            queries = workspace.memory(Workspace.Use.ROWS, queryStride * count * rows);
            scores = workspace.memory(Workspace.Use.SCORES, scoreStride * count * rows);
            max = new float[count * rows];
            factor = new float[count * rows];
            sums = new float[count * rows * Simd.LANES];
            int size = rows * width;
            scoreTile = workspace.tile(0, size);
            values = new float[count * valuePanels][];
            for (int i = 0; i < values.length; i++) {
                values[i] = workspace.tile(1 + i, size);
            }
        }

        @Override
        public void start(int tile, NdArray q, int head, int first, int count) {
            for (int r = 0; r < rows; r++) {
                long at = queryStride * (tile * rows + r);
                if (r < count) {
                    long from = q.offset() + (first + r) * q.stride(0) + head * q.stride(1);
                    Packing.row(q.memory(), q.dtype(), from, q.stride(2), depth, queries, at);
                    if (rounds) {
                        ScoreRow.LOOP.round(queries, at, depth);
                    }
                } else {
                    Packing.zero(queries, at, depth);
                }
                max[tile * rows + r] = Float.NEGATIVE_INFINITY;
            }
            int from = tile * rows * Simd.LANES;
            Arrays.fill(sums, from, from + rows * Simd.LANES, 0f);
            for (int p = 0; p < valuePanels; p++) {
                Arrays.fill(values[tile * valuePanels + p], 0f);
            }
        }

        @Override
        public void score(int tile, int count, int from, int to, int keys, MemorySegment packed, long keysAt) {
            for (int j = from / width * width; j < to; j += width) {
                int w = tiles.widthFor(Math.min(width, keys - j));
                Tile kernel = tiles.outer(rows, w);
                for (int t = tile; t < tile + count; t++) {
                    Arrays.fill(scoreTile, 0, rows * w, 0f);
                    long at = queryStride * t * rows;
                    kernel.accumulate(
                            queries, at, queryStride, packed, keysAt + 4L * j * depth, 4L * w, scoreTile, depth);
                    ScoreRow.LOOP.copy(scoreTile, rows, w, scale, scores, scoreAt(t, 0, j), scoreStride);
                }
            }
        }

        @Override
        public MemorySegment scores() {
            return scores;
        }

        @Override
        public long scoreAt(int tile, int row, int key) {
            return scoreStride * (tile * rows + row) + 4L * key;
        }

        @Override
        public int run() {
            return blockKeys;
        }

        @Override
        public void weigh(int tile, int count, int from, int to) {
            for (int i = tile * rows; i < (tile + count) * rows; i += rows) {
                long at = scoreStride * i + 4L * from;
                if (rounds) {
                    ScoreRow.LOOP.weighRounded(scores, at, scoreStride, to - from, i, rows, max, factor, sums);
                } else {
                    ScoreRow.LOOP.weigh(scores, at, scoreStride, to - from, i, rows, max, factor, sums);
                }
            }
        }

        @Override
        public void add(int tile, int count, int from, int to, MemorySegment packed, long valuesAt) {
            for (int p = 0; p < valuePanels; p++) {
                int w = valueWidth(p);
                long at = valuesAt + 4L * blockKeys * p * width + 4L * w * from;
                Tile kernel = tiles.outer(rows, w);
                for (int t = tile; t < tile + count; t++) {
                    float[] into = values[t * valuePanels + p];
                    for (int r = 0; r < rows; r++) {
                        rescale(into, r, w, factor[t * rows + r]);
                    }
                    long weightsAt = scoreAt(t, 0, from);
                    kernel.accumulate(scores, weightsAt, scoreStride, packed, at, 4L * w, into, to - from);
                }
            }
        }

        private void rescale(float[] into, int row, int w, float by) {
            if (by != 1) {
                ScoreRow.LOOP.scale(into, row * w, w, by);
            }
        }

        @Override
        public void addAlone(int tile, int row, int from, int to, MemorySegment packed, long valuesAt) {
            for (int p = 0; p < valuePanels; p++) {
                int w = valueWidth(p);
                float[] into = values[tile * valuePanels + p];
                rescale(into, row, w, factor[tile * rows + row]);
                for (int key = from; key < to; key++) {
                    float weight = scores.get(JAVA_FLOAT_UNALIGNED, scoreAt(tile, row, key));
                    for (int c = 0; c < Math.min(width, valueDepth - p * width); c++) {
                        float x = value(packed, valuesAt, key, p * width + c);
                        into[row * w + c] = Math.fma(weight, x, into[row * w + c]);
                    }
                }
            }
        }

        @Override
        public float max(int tile, int row) {
            return max[tile * rows + row];
        }

        @Override
        public float sum(int tile, int row) {
            float sum = 0;
            int at = (tile * rows + row) * Simd.LANES;
            for (int i = at; i < at + Simd.LANES; i++) {
                sum += sums[i];
            }
            return sum;
        }

        @Override
        public void write(int tile, int row, float by, MemorySegment to, long toAt, long step) {
            for (int p = 0; p < valuePanels; p++) {
                int columns = Math.min(width, valueDepth - p * width);
                float[] from = values[tile * valuePanels + p];
                long at = toAt + (long) p * width * step * 4;
                ScoreRow.LOOP.write(from, row * valueWidth(p), columns, by, to, at, step);
            }
        }
    }
}
