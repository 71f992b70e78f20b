package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.Checks;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/// Attention with a streaming softmax over blocks of keys (Milakov & Gimelshein 2018, arXiv 1805.02867; Dao et al.
/// 2022, arXiv 2205.14135), both products on register tiles.
///
/// Keys and values are cut into blocks that fit into the second-level cache and packed into panels, once for all
/// queries of some heads where that fits into a bounded amount of memory, otherwise by every task. A task owns a group
/// of queries of one head. For each block of keys that any of them sees it takes as many queries as a tile has rows,
/// computes their scores, turns them into weights relative to the largest score so far, and adds the weighted values to
/// tiles that wait for the next block; when a larger score turns up, what was added before is scaled down.
///
/// A key that a query does not see never touches that query's numbers, not even multiplied by zero: rows of a tile that
/// see different keys go through the keys that they do not share one row at a time. Blocks begin at fixed keys, so a
/// result depends neither on the number of threads nor on the grouping of queries.
final class VectorAttention {
    /// Bytes of packed keys and values that tasks share.
    private static final long SHARED = 16L << 20;

    /// Bytes of the packed keys and values of a block.
    private static final int BLOCK = 512 << 10;

    /// Queries of a task, with shared panels and if every task packs its own.
    private static final int GROUP = 48;

    private static final int LONE_GROUP = 192;

    /// Multiplications below which everything runs on the calling thread.
    private static final double SERIAL = 256 * 1024;

    private final Parallel parallel;
    private final Tiles tiles;
    private final Workspace.Pool workspaces;

    VectorAttention(Parallel parallel, Tiles tiles, Workspace.Pool workspaces) {
        this.parallel = parallel;
        this.tiles = tiles;
        this.workspaces = workspaces;
    }

    /// See [dev.palimpsest.kernels.Kernels#attention].
    void run(Attention op, NdArray q, NdArray k, NdArray v, NdArray out) {
        Checks.attention(op, q, k, v, out);
        if (q.dim(0) > 0 && q.dim(1) > 0) {
            new Run(op, q, k, v, out).run();
        }
    }

    /// One call.
    private final class Run {
        private final Attention op;
        private final KeyRanges visible;
        private final NdArray q; // (Lq, heads, d)
        private final NdArray k; // (Lk, heads, d)
        private final NdArray v; // (Lk, heads, dv)
        private final NdArray out; // (Lq, heads, dv)
        private final @Nullable NdArray bias; // (heads, Lq, Lk)
        private final int queries;
        private final int keys;
        private final int heads;
        private final int depth;
        private final int valueDepth;
        private final int width = tiles.columns();
        private final int tileRows = tiles.rows();
        private final int valuePanels;

        /// Keys of a block, a multiple of the tile's width.
        private final int blockKeys;

        private final int blocks;

        /// Bytes of a block's packed keys, which its packed values follow, and of both.
        private final long keyBytes;

        private final long blockBytes;

        Run(Attention op, NdArray q, NdArray k, NdArray v, NdArray out) {
            this.op = op;
            this.visible = op.visible();
            this.q = q;
            this.k = k;
            this.v = v;
            this.out = out;
            queries = q.dim(0);
            keys = k.dim(0);
            heads = q.dim(1);
            depth = q.dim(2);
            valueDepth = v.dim(2);
            bias = op.bias() == null ? null : op.bias().expand(Shape.of(heads, queries, keys));
            valuePanels = Math.ceilDiv(valueDepth, width);
            int depths = depth + valuePanels * width + 1;
            int fitting = Math.max(1, BLOCK / 4 / depths / width);
            blockKeys = width * Math.clamp(Math.ceilDiv(keys, width), 1, fitting);
            blocks = Math.ceilDiv(keys, blockKeys);
            keyBytes = 4L * blockKeys * depth;
            blockBytes = keyBytes + 4L * blockKeys * valuePanels * width;
        }

        void run() {
            double each = (double) queries * keys * (depth + valueDepth);
            long headBytes = blockBytes * blocks;
            if (headBytes > SHARED) {
                int groups = Math.ceilDiv(queries, LONE_GROUP);
                forEach(each * heads, heads * groups, task -> group(task / groups, task % groups, LONE_GROUP, null, 0));
                return;
            }
            int atOnce = Math.clamp(SHARED / Math.max(headBytes, 1), 1, heads);
            int groups = Math.ceilDiv(queries, GROUP);
            try (Workspace workspace = workspaces.take()) {
                MemorySegment shared = workspace.memory(Workspace.Use.PANELS, headBytes * atOnce);
                for (int first = 0; first < heads; first += atOnce) {
                    int from = first;
                    int count = Math.min(atOnce, heads - first);
                    forEach(each * count, count * blocks, task -> {
                        try (Workspace own = workspaces.take()) {
                            pack(from + task / blocks, task % blocks, shared, blockBytes * task, own);
                        }
                    });
                    forEach(each * count, count * groups, task -> {
                        int head = task / groups;
                        group(from + head, task % groups, GROUP, shared, headBytes * head);
                    });
                }
            }
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

        private void group(int head, int index, int size, @Nullable MemorySegment shared, long sharedAt) {
            int first = index * size;
            try (Workspace workspace = workspaces.take()) {
                new Group(this, head, first, Math.min(size, queries - first), workspace).run(shared, sharedAt);
            }
        }

        /// Packs the keys of a block into panels of as many keys as a tile is wide, the values into panels of as many
        /// columns.
        void pack(int head, int block, MemorySegment to, long toAt, Workspace workspace) {
            int first = block * blockKeys;
            int count = Math.min(blockKeys, keys - first);
            for (int j = 0; j < count; j += width) {
                int columns = Math.min(width, count - j);
                Packing.panel(
                        k.memory(),
                        k.dtype(),
                        k.offset() + (first + j) * k.stride(0) + head * k.stride(1),
                        k.stride(2),
                        k.stride(0),
                        depth,
                        columns,
                        tiles.widthFor(columns),
                        to,
                        toAt + 4L * j * depth,
                        workspace);
            }
            for (int c = 0; c < valueDepth; c += width) {
                int columns = Math.min(width, valueDepth - c);
                Packing.panel(
                        v.memory(),
                        v.dtype(),
                        v.offset() + first * v.stride(0) + head * v.stride(1) + c * v.stride(2),
                        v.stride(0),
                        v.stride(2),
                        count,
                        columns,
                        tiles.widthFor(columns),
                        to,
                        toAt + keyBytes + 4L * blockKeys * c,
                        workspace);
            }
        }
    }

    /// One task: a group of queries of one head.
    private final class Group {
        private final Run run;
        private final int head;
        private final int first;
        private final int rows;
        private final Workspace workspace;

        /// Scaled queries.
        private final MemorySegment left;

        private final long leftStride;

        /// Scores, later weights, of as many queries as a tile has rows, for one block of keys.
        private final MemorySegment scores;

        private final long scoreStride;

        /// For every row the largest score so far and the sum of the weights relative to it.
        private final float[] max;

        private final float[] sum;

        /// Weighted sums of values: for each tile of queries a tile for each panel of values.
        private final float[][] values;

        private final float[] scoreTile;
        private final float[] rowTile;

        /// The visible part of the current block for the rows of the current tile, counted from the block's first key.
        private final int[] begin;

        private final int[] end;

        Group(Run run, int head, int first, int rows, Workspace workspace) {
            this.run = run;
            this.head = head;
            this.first = first;
            this.rows = rows;
            this.workspace = workspace;
            int tileBlocks = Math.ceilDiv(rows, run.tileRows);
            leftStride = VectorMatmul.stride(run.depth);
            left = workspace.memory(Workspace.Use.ROWS, leftStride * tileBlocks * run.tileRows);
            scoreStride = VectorMatmul.stride(run.blockKeys);
            scores = workspace.memory(Workspace.Use.SCORES, scoreStride * run.tileRows);
            max = new float[rows];
            sum = new float[rows];
            begin = new int[run.tileRows];
            end = new int[run.tileRows];
            int size = run.tileRows * run.width;
            scoreTile = workspace.tile(0, size);
            rowTile = workspace.tile(1, size);
            values = new float[tileBlocks * run.valuePanels][];
            for (int i = 0; i < values.length; i++) {
                values[i] = workspace.tile(2 + i, size);
            }
        }

        /// @param shared the packed blocks of this head, from `sharedAt` on, or null to pack them here
        void run(@Nullable MemorySegment shared, long sharedAt) {
            int from = run.keys;
            int to = 0;
            for (int r = 0; r < rows; r++) {
                if (run.visible.from(first + r) < run.visible.to(first + r)) {
                    from = Math.min(from, run.visible.from(first + r));
                    to = Math.max(to, run.visible.to(first + r));
                }
                long at = run.q.offset() + (first + r) * run.q.stride(0) + head * run.q.stride(1);
                Packing.row(run.q.memory(), run.q.dtype(), at, run.q.stride(2), run.depth, left, r * leftStride);
                ScoreRow.scale(left, r * leftStride, run.depth, run.op.scale());
            }
            Arrays.fill(max, Float.NEGATIVE_INFINITY);
            for (float[] tile : values) {
                Arrays.fill(tile, 0f);
            }
            NdArray probabilities = run.op.probabilities();
            if (probabilities != null) {
                clear(probabilities);
            }
            for (int block = from / run.blockKeys; block * run.blockKeys < to; block++) {
                MemorySegment packed = shared;
                long at = sharedAt + run.blockBytes * block;
                if (packed == null) {
                    packed = workspace.memory(Workspace.Use.PANELS, run.blockBytes);
                    at = 0;
                    run.pack(head, block, packed, 0, workspace);
                }
                for (int row = 0; row < rows; row += run.tileRows) {
                    tile(row, Math.min(run.tileRows, rows - row), block * run.blockKeys, packed, at);
                }
            }
            finish(probabilities);
        }

        /// Some queries, at most as many as a tile has rows, and one block of keys.
        private void tile(int row, int count, int firstKey, MemorySegment packed, long packedAt) {
            int blockEnd = Math.min(run.blockKeys, run.keys - firstKey);
            int from = blockEnd;
            int to = 0;
            for (int r = 0; r < count; r++) {
                int query = first + row + r;
                begin[r] = Math.clamp(run.visible.from(query) - firstKey, 0, blockEnd);
                end[r] = Math.clamp(run.visible.to(query) - firstKey, begin[r], blockEnd);
                if (begin[r] < end[r]) {
                    from = Math.min(from, begin[r]);
                    to = Math.max(to, end[r]);
                }
            }
            if (from >= to) {
                return;
            }
            score(row, count, from, to, blockEnd, packed, packedAt);
            for (int r = 0; r < count; r++) {
                if (begin[r] < end[r]) {
                    weigh(row, r, firstKey);
                }
            }
            for (int p = 0; p < run.valuePanels; p++) {
                addValues(row, count, p, packed, packedAt + run.keyBytes + 4L * run.blockKeys * p * run.width);
            }
        }

        /// Scores of some queries for the panels of keys that hold `from` to `to`.
        private void score(int row, int count, int from, int to, int blockEnd, MemorySegment packed, long packedAt) {
            int kernelRows = tiles.rowsFor(count);
            for (int j = from / run.width * run.width; j < to; j += run.width) {
                int w = tiles.widthFor(Math.min(run.width, blockEnd - j));
                Arrays.fill(scoreTile, 0, kernelRows * w, 0f);
                long bAt = packedAt + 4L * j * run.depth;
                tiles.outer(kernelRows, w)
                        .accumulate(left, leftStride * row, leftStride, packed, bAt, 4L * w, scoreTile, run.depth);
                for (int r = 0; r < count; r++) {
                    ScoreRow.copy(scoreTile, r * w, scores, scoreStride * r + 4L * j, w);
                }
            }
        }

        /// Turns the visible scores of one row into weights. If none of them is above negative infinity, the row sees
        /// nothing.
        private void weigh(int row, int r, int firstKey) {
            int query = first + row + r;
            int n = end[r] - begin[r];
            long at = scoreStride * r + 4L * begin[r];
            NdArray bias = run.bias;
            if (bias != null) {
                long biasAt = head * bias.stride(0) + query * bias.stride(1) + (firstKey + begin[r]) * bias.stride(2);
                ScoreRow.add(scores, at, n, bias.memory(), (bias.offset() + biasAt) * 4, bias.stride(2));
            }
            NdArray probabilities = run.op.probabilities();
            if (probabilities != null) {
                long to = probabilityAt(probabilities, query, firstKey + begin[r]);
                ScoreRow.write(scores, at, n, probabilities.memory(), to * 4, probabilities.stride(2));
            }
            float before = max[row + r];
            float now = Math.max(before, ScoreRow.max(scores, at, n));
            if (now == Float.NEGATIVE_INFINITY) {
                end[r] = begin[r];
                return;
            }
            if (now != before) {
                float factor = (float) Math.exp(before - now);
                sum[row + r] *= factor;
                for (int p = 0; p < run.valuePanels; p++) {
                    int w = valueWidth(p);
                    ScoreRow.scale(valueTile(row, p), r * w, w, factor);
                }
                max[row + r] = now;
            }
            sum[row + r] += ScoreRow.exponentials(scores, at, n, now);
        }

        /// Adds the weighted values of one panel: for the keys that all rows see at once, for the others row by row, in
        /// order.
        private void addValues(int row, int count, int panel, MemorySegment packed, long panelAt) {
            int w = valueWidth(panel);
            float[] tile = valueTile(row, panel);
            int from = 0;
            int to = run.blockKeys;
            for (int r = 0; r < count; r++) {
                from = Math.max(from, begin[r]);
                to = Math.min(to, end[r]);
            }
            boolean shared = from < to;
            for (int r = 0; r < count; r++) {
                addRow(r, begin[r], shared ? from : end[r], tile, w, packed, panelAt);
            }
            if (shared) {
                long bAt = panelAt + 4L * w * from;
                tiles.outer(tiles.rowsFor(count), w)
                        .accumulate(scores, 4L * from, scoreStride, packed, bAt, 4L * w, tile, to - from);
                for (int r = 0; r < count; r++) {
                    addRow(r, to, end[r], tile, w, packed, panelAt);
                }
            }
        }

        private void addRow(int r, int from, int to, float[] tile, int w, MemorySegment packed, long panelAt) {
            if (from < to) {
                System.arraycopy(tile, r * w, rowTile, 0, w);
                tiles.outer(1, w)
                        .accumulate(
                                scores,
                                scoreStride * r + 4L * from,
                                scoreStride,
                                packed,
                                panelAt + 4L * w * from,
                                4L * w,
                                rowTile,
                                to - from);
                System.arraycopy(rowTile, 0, tile, r * w, w);
            }
        }

        private float[] valueTile(int row, int panel) {
            return values[row / run.tileRows * run.valuePanels + panel];
        }

        private int valueWidth(int panel) {
            return tiles.widthFor(Math.min(run.width, run.valueDepth - panel * run.width));
        }

        /// Divides by the sum of the weights and writes everything that was asked for.
        private void finish(@Nullable NdArray probabilities) {
            NdArray out = run.out;
            for (int i = 0; i < rows; i++) {
                int row = i / run.tileRows * run.tileRows;
                int query = first + i;
                boolean blind = max[i] == Float.NEGATIVE_INFINITY;
                float factor = blind ? 0 : 1 / sum[i];
                for (int p = 0; p < run.valuePanels; p++) {
                    int w = valueWidth(p);
                    int columns = Math.min(run.width, run.valueDepth - p * run.width);
                    long at = out.offset()
                            + query * out.stride(0)
                            + head * out.stride(1)
                            + (long) p * run.width * out.stride(2);
                    ScoreRow.write(
                            valueTile(row, p), (i - row) * w, columns, factor, out.memory(), at * 4, out.stride(2));
                }
                if (probabilities != null) {
                    normalize(probabilities, query, blind, max[i], factor);
                }
                NdArray logSumExp = run.op.logSumExp();
                if (logSumExp != null) {
                    float value = blind ? Float.NEGATIVE_INFINITY : max[i] + (float) Math.log(sum[i]);
                    logSumExp.memory().set(JAVA_FLOAT_UNALIGNED, logSumExp.byteOffset(query, head), value);
                }
            }
        }

        private long probabilityAt(NdArray probabilities, int query, int key) {
            return probabilities.offset()
                    + head * probabilities.stride(0)
                    + query * probabilities.stride(1)
                    + key * probabilities.stride(2);
        }

        /// Zeros for the keys that the rows do not see.
        private void clear(NdArray probabilities) {
            long step = probabilities.stride(2);
            for (int query = first; query < first + rows; query++) {
                long at = probabilityAt(probabilities, query, 0);
                for (int key = 0; key < run.keys; key++) {
                    if (key < run.visible.from(query) || key >= run.visible.to(query)) {
                        probabilities.memory().set(JAVA_FLOAT_UNALIGNED, (at + key * step) * 4, 0f);
                    }
                }
            }
        }

        /// Turns the scores that [#weigh] left in a row of the probabilities into what it is called.
        private void normalize(NdArray probabilities, int query, boolean blind, float max, float factor) {
            MemorySegment memory = probabilities.memory();
            long step = probabilities.stride(2);
            int from = run.visible.from(query);
            int n = run.visible.to(query) - from;
            long at = probabilityAt(probabilities, query, from) * 4;
            if (!blind && step == 1) {
                ScoreRow.exponentials(memory, at, n, max);
                ScoreRow.scale(memory, at, n, factor);
                return;
            }
            for (int i = 0; i < n; i++) {
                float score = memory.get(JAVA_FLOAT_UNALIGNED, at + i * step * 4);
                float probability = blind ? 0 : (float) Math.exp(score - max) * factor;
                memory.set(JAVA_FLOAT_UNALIGNED, at + i * step * 4, probability);
            }
        }
    }
}
