package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/// Attention with a streaming softmax over blocks of keys (Milakov & Gimelshein 2018, arXiv 1805.02867; Dao et al.
/// 2022, arXiv 2205.14135), both products on the register tiles of a processor, see [AttentionTiles].
///
/// Keys and values are cut into blocks and packed, once for all queries of some heads where that fits into a bounded
/// amount of memory, otherwise by every task. A task owns a group of queries of one head. For each block of keys that
/// any of them sees it computes the scores of all its queries, panel by panel so that a panel stays in the first-level
/// cache, turns them into weights relative to the largest score so far, and adds the weighted values; when a larger
/// score turns up, what was added before is scaled down.
///
/// A key that a query does not see never touches that query's numbers. Its weight is 0, which is enough where all
/// values of the block are finite; where they are not, queries of a tile that see different keys are dealt with one by
/// one. Blocks begin at fixed keys and tiles at fixed queries, so a result depends neither on the number of threads
/// nor on the grouping of queries.
public final class StreamingAttention {
    /// Bytes of packed keys and values that tasks share.
    private static final long SHARED = 16L << 20;

    /// Queries of a task at most: enough to pay for fetching a block of keys from the third-level cache.
    private static final int GROUP = 192;

    /// Tiles of a task at least, if there are as many.
    private static final int SMALLEST = 4;

    /// Tasks for each thread, so that none waits long for the last.
    private static final int TASKS = 8;

    /// Multiplications below which everything runs on the calling thread.
    private static final double SERIAL = 256 * 1024;

    private final Parallel parallel;
    private final Workspace.Pool workspaces;

    /// Attention on these threads.
    public StreamingAttention(Parallel parallel, Workspace.Pool workspaces) {
        this.parallel = parallel;
        this.workspaces = workspaces;
    }

    /// Computes checked operands; see [dev.palimpsest.kernels.Kernels#attention].
    ///
    /// @param tiles for these head widths, in the arithmetic that `op` asks for
    public void run(Attention op, AttentionTiles tiles, NdArray q, NdArray k, NdArray v, NdArray out) {
        if (q.dim(0) > 0 && q.dim(1) > 0) {
            new Run(op, tiles, q, k, v, out).run();
        }
    }

    /// One call.
    private final class Run {
        private final Attention op;
        private final AttentionTiles tiles;
        private final KeyRanges visible;
        private final NdArray q; // (Lq, heads, d)
        private final NdArray k; // (Lk, heads, d)
        private final NdArray v; // (Lk, heads, dv)
        private final NdArray out; // (Lq, heads, dv)
        private final @Nullable NdArray bias; // (heads, Lq, Lk)
        private final int queries;
        private final int keys;
        private final int heads;
        private final int blocks;
        private final long blockBytes;

        Run(Attention op, AttentionTiles tiles, NdArray q, NdArray k, NdArray v, NdArray out) {
            this.op = op;
            this.tiles = tiles;
            this.visible = op.visible();
            this.q = q;
            this.k = k;
            this.v = v;
            this.out = out;
            queries = q.dim(0);
            keys = k.dim(0);
            heads = q.dim(1);
            bias = op.bias() == null ? null : op.bias().expand(Shape.of(heads, queries, keys));
            blocks = Math.ceilDiv(keys, tiles.blockKeys());
            blockBytes = tiles.keyBytes() + tiles.valueBytes();
        }

        void run() {
            double each = (double) queries * keys * (q.dim(2) + v.dim(2));
            int rows = tiles.rows();
            long headBytes = blockBytes * blocks;
            if (headBytes > SHARED) {
                List<Queries> groups = groups(heads, GROUP / rows * rows);
                forEach(each * heads, groups.size(), task -> group(groups.get(task), 0, null));
                return;
            }
            int atOnce = Math.clamp(SHARED / Math.max(headBytes, 1), 1, heads);
            int wanted = Math.ceilDiv(TASKS * parallel.threads(), atOnce); // groups of a head
            int size = Math.clamp(queries / wanted, SMALLEST * rows, GROUP) / rows * rows;
            List<Queries> groups = groups(atOnce, size);
            boolean[] finite = new boolean[atOnce * blocks];
            try (Workspace workspace = workspaces.take()) {
                MemorySegment shared = workspace.memory(Workspace.Use.PANELS, headBytes * atOnce);
                for (int first = 0; first < heads; first += atOnce) {
                    int from = first;
                    int count = Math.min(atOnce, heads - first);
                    forEach(each * count, count * blocks, task -> {
                        try (Workspace own = workspaces.take()) {
                            int head = from + task / blocks;
                            finite[task] = pack(head, task % blocks, shared, blockBytes * task, own);
                        }
                    });
                    List<Queries> some = count == atOnce ? groups : groups(count, size);
                    forEach(each * count, some.size(), task -> {
                        Queries group = some.get(task);
                        group(group, from, new Packed(shared, group.head * blocks, finite));
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

        /// Cuts the queries of some heads into groups that begin with whole tiles. The last ones, which usually see
        /// most keys, come first, and towards the end groups become smaller and smaller, so that no thread waits long
        /// for another (Polychronopoulos & Kuck 1987, "Guided self-scheduling").
        ///
        /// @param size of the largest group, a multiple of the rows of a tile
        private List<Queries> groups(int count, int size) {
            List<Queries> groups = new ArrayList<>();
            int rows = tiles.rows();
            long left = (long) count * queries;
            for (int head = 0; head < count; head++) {
                for (int end = queries; end > 0; ) {
                    long share = parallel.threads() == 1 ? size : left / (2L * parallel.threads());
                    int first = Math.max(0, end - Math.clamp(share, Math.min(SMALLEST * rows, size), size));
                    first = first / rows * rows;
                    groups.add(new Queries(head, first, end - first));
                    left -= end - first;
                    end = first;
                }
            }
            return groups;
        }

        /// @param from the head that those of groups are counted from
        private void group(Queries group, int from, @Nullable Packed packed) {
            try (Workspace workspace = workspaces.take()) {
                new Group(this, from + group.head, group.first, group.count, workspace).run(packed);
            }
        }

        /// Packs a block of keys, then its values; returns whether all values are finite.
        boolean pack(int head, int block, MemorySegment to, long toAt, Workspace workspace) {
            int first = block * tiles.blockKeys();
            int count = Math.min(tiles.blockKeys(), keys - first);
            tiles.packKeys(k, head, first, count, to, toAt, workspace);
            return tiles.packValues(v, head, first, count, to, toAt + tiles.keyBytes(), workspace);
        }
    }

    /// Some neighbouring queries of a head.
    private record Queries(int head, int first, int count) {}

    /// Packed blocks.
    ///
    /// @param memory block after block
    /// @param first number of the first block of the head in question
    /// @param finite for each block whether all values are finite
    private record Packed(MemorySegment memory, int first, boolean[] finite) {}

    /// One task: a group of queries of one head.
    private static final class Group {
        private final Run run;
        private final int head;
        private final int first;
        private final int rows;
        private final int tileRows;
        private final int tileCount;
        private final Workspace workspace;
        private final AttentionTiles.Group tiles;

        /// The visible part of the current block for each query, counted from the block's first key.
        private final int[] begin;

        private final int[] end;

        /// The part that any query of a tile sees, stretched to whole steps, for each tile.
        private final int[] tileBegin;

        private final int[] tileEnd;

        /// Whether a key of that part is hidden from some query of the tile.
        private final boolean[] ragged;

        /// The keys that all queries of a tile see, counted from the first key of all.
        private final int[] sharedFrom;

        private final int[] sharedTo;

        Group(Run run, int head, int first, int rows, Workspace workspace) {
            this.run = run;
            this.head = head;
            this.first = first;
            this.rows = rows;
            this.workspace = workspace;
            tileRows = run.tiles.rows();
            tileCount = Math.ceilDiv(rows, tileRows);
            tiles = run.tiles.group(tileCount, workspace);
            begin = new int[rows];
            end = new int[rows];
            tileBegin = new int[tileCount];
            tileEnd = new int[tileCount];
            ragged = new boolean[tileCount];
            sharedFrom = new int[tileCount];
            sharedTo = new int[tileCount];
        }

        /// @param shared the packed blocks of this head, or null to pack them here
        void run(@Nullable Packed shared) {
            int from = run.keys;
            int to = 0;
            for (int query = first; query < first + rows; query++) {
                if (run.visible.from(query) < run.visible.to(query)) {
                    from = Math.min(from, run.visible.from(query));
                    to = Math.max(to, run.visible.to(query));
                }
            }
            for (int tile = 0; tile < tileCount; tile++) {
                int row = tile * tileRows;
                int count = Math.min(tileRows, rows - row);
                tiles.start(tile, run.q, head, first + row, count);
                sharedTo[tile] = run.keys;
                for (int query = first + row; query < first + row + count; query++) {
                    sharedFrom[tile] = Math.max(sharedFrom[tile], run.visible.from(query));
                    sharedTo[tile] = Math.min(sharedTo[tile], run.visible.to(query));
                }
            }
            NdArray probabilities = run.op.probabilities();
            if (probabilities != null) {
                clear(probabilities);
            }
            int blockKeys = run.tiles.blockKeys();
            for (int block = from / blockKeys; block * blockKeys < to; block++) {
                if (shared == null) {
                    MemorySegment own = workspace.memory(Workspace.Use.PANELS, run.blockBytes);
                    boolean finite = run.pack(head, block, own, 0, workspace);
                    block(block * blockKeys, own, 0, finite);
                } else {
                    int number = shared.first + block;
                    block(block * blockKeys, shared.memory, run.blockBytes * number, shared.finite[number]);
                }
            }
            finish(probabilities);
        }

        /// One block of keys.
        private void block(int firstKey, MemorySegment packed, long at, boolean finite) {
            int blockEnd = Math.min(run.tiles.blockKeys(), run.keys - firstKey);
            for (int tile = 0; tile < tileCount; tile++) {
                look(tile, firstKey, blockEnd);
            }
            forEachRun((tile, count) -> tiles.score(tile, count, tileBegin[tile], tileEnd[tile], blockEnd, packed, at));
            for (int tile = 0; tile < tileCount; tile++) {
                adjust(tile, firstKey);
            }
            forEachRun((tile, count) -> tiles.weigh(tile, count, tileBegin[tile], tileEnd[tile]));
            long valuesAt = at + run.tiles.keyBytes();
            if (finite) {
                forEachRun((tile, count) -> tiles.add(tile, count, tileBegin[tile], tileEnd[tile], packed, valuesAt));
            } else {
                addWithCare(packed, valuesAt);
            }
        }

        /// Finds out what the queries of a tile see of a block.
        private void look(int tile, int firstKey, int blockEnd) {
            int row = tile * tileRows;
            int last = Math.min(row + tileRows, rows);
            int step = run.tiles.step();
            if (sharedFrom[tile] <= firstKey && sharedTo[tile] >= firstKey + blockEnd) {
                Arrays.fill(begin, row, last, 0);
                Arrays.fill(end, row, last, blockEnd);
                tileBegin[tile] = 0;
                tileEnd[tile] = Math.ceilDiv(blockEnd, step) * step;
                ragged[tile] = false;
                return;
            }
            int from = blockEnd;
            int to = 0;
            int latestBegin = 0;
            int earliestEnd = blockEnd;
            for (int r = row; r < last; r++) {
                begin[r] = Math.clamp(run.visible.from(first + r) - firstKey, 0, blockEnd);
                end[r] = Math.clamp(run.visible.to(first + r) - firstKey, begin[r], blockEnd);
                if (begin[r] < end[r]) {
                    from = Math.min(from, begin[r]);
                    to = Math.max(to, end[r]);
                }
                latestBegin = Math.max(latestBegin, begin[r]);
                earliestEnd = Math.min(earliestEnd, end[r]);
            }
            if (from >= to) {
                tileBegin[tile] = 0;
                tileEnd[tile] = 0;
                return;
            }
            tileBegin[tile] = from / step * step;
            tileEnd[tile] = Math.ceilDiv(to, step) * step;
            ragged[tile] = latestBegin > tileBegin[tile] || earliestEnd < Math.min(tileEnd[tile], blockEnd);
        }

        /// Some neighbouring tiles.
        @FunctionalInterface
        private interface Tiles {
            void accept(int tile, int count);
        }

        /// Calls `body` for neighbouring tiles that see something and the same, together.
        private void forEachRun(Tiles body) {
            int tile = 0;
            while (tile < tileCount) {
                int next = tile + 1;
                while (next < tileCount && tileBegin[next] == tileBegin[tile] && tileEnd[next] == tileEnd[tile]) {
                    next++;
                }
                if (tileBegin[tile] < tileEnd[tile]) {
                    body.accept(tile, next - tile);
                }
                tile = next;
            }
        }

        /// Adds the bias to the visible scores, keeps them as probabilities to be, and hides the others.
        private void adjust(int tile, int firstKey) {
            NdArray bias = run.bias;
            NdArray probabilities = run.op.probabilities();
            int row = tile * tileRows;
            boolean whole = !ragged[tile] && end[row] >= tileEnd[tile];
            if (tileBegin[tile] >= tileEnd[tile] || (whole && bias == null && probabilities == null)) {
                return;
            }
            MemorySegment scores = tiles.scores();
            for (int r = row; r < Math.min(row + tileRows, rows); r++) {
                if (bias != null || probabilities != null) {
                    for (int key = begin[r], next; key < end[r]; key = next) {
                        next = Math.min(end[r], (key / tiles.run() + 1) * tiles.run());
                        long at = tiles.scoreAt(tile, r - row, key);
                        if (bias != null) {
                            long x = position(bias, first + r, firstKey + key) * 4;
                            ScoreRow.LOOP.add(scores, at, next - key, bias.memory(), x, bias.stride(2));
                        }
                        if (probabilities != null) {
                            long to = position(probabilities, first + r, firstKey + key) * 4;
                            ScoreRow.LOOP.write(
                                    scores, at, next - key, 1, probabilities.memory(), to, probabilities.stride(2));
                        }
                    }
                }
                hide(tile, r - row, tileBegin[tile], begin[r]);
                hide(tile, r - row, end[r], tileEnd[tile]);
            }
        }

        private void hide(int tile, int row, int from, int to) {
            MemorySegment scores = tiles.scores();
            for (int key = from; key < to; key++) {
                scores.set(JAVA_FLOAT_UNALIGNED, tiles.scoreAt(tile, row, key), Float.NEGATIVE_INFINITY);
            }
        }

        /// Adds weighted values of which some are infinite or no numbers, so that they do not touch the queries that
        /// do not see them.
        private void addWithCare(MemorySegment packed, long valuesAt) {
            for (int tile = 0; tile < tileCount; tile++) {
                if (tileBegin[tile] >= tileEnd[tile]) {
                    continue;
                }
                if (!ragged[tile]) {
                    tiles.add(tile, 1, tileBegin[tile], tileEnd[tile], packed, valuesAt);
                    continue;
                }
                int row = tile * tileRows;
                for (int r = row; r < Math.min(row + tileRows, rows); r++) {
                    tiles.addAlone(tile, r - row, begin[r], end[r], packed, valuesAt);
                }
            }
        }

        /// Divides by the sum of the weights and writes everything that was asked for.
        private void finish(@Nullable NdArray probabilities) {
            NdArray out = run.out;
            for (int i = 0; i < rows; i++) {
                int tile = i / tileRows;
                int row = i % tileRows;
                int query = first + i;
                float max = tiles.max(tile, row);
                float sum = tiles.sum(tile, row);
                // scores that are no numbers leave the largest one alone, but not the sum
                boolean blind = max == Float.NEGATIVE_INFINITY && !Float.isNaN(sum);
                float factor = 1 / sum;
                long at = (out.offset() + query * out.stride(0) + head * out.stride(1)) * 4;
                if (blind) {
                    for (int c = 0; c < out.dim(2); c++) {
                        out.memory().set(JAVA_FLOAT_UNALIGNED, at + c * out.stride(2) * 4, 0f);
                    }
                } else {
                    tiles.write(tile, row, factor, out.memory(), at, out.stride(2));
                }
                if (probabilities != null) {
                    normalize(probabilities, query, blind, max, factor);
                }
                NdArray logSumExp = run.op.logSumExp();
                if (logSumExp != null) {
                    float value = blind ? Float.NEGATIVE_INFINITY : max + (float) Math.log(sum);
                    logSumExp.memory().set(JAVA_FLOAT_UNALIGNED, logSumExp.byteOffset(query, head), value);
                }
            }
        }

        /// Position of an element of an array `(heads, queries, keys)`.
        private long position(NdArray x, int query, int key) {
            return x.offset() + head * x.stride(0) + query * x.stride(1) + key * x.stride(2);
        }

        /// Zeros for the keys that the rows do not see.
        private void clear(NdArray probabilities) {
            long step = probabilities.stride(2);
            for (int query = first; query < first + rows; query++) {
                long at = position(probabilities, query, 0);
                for (int key = 0; key < run.keys; key++) {
                    if (key < run.visible.from(query) || key >= run.visible.to(query)) {
                        probabilities.memory().set(JAVA_FLOAT_UNALIGNED, (at + key * step) * 4, 0f);
                    }
                }
            }
        }

        /// Turns the scores that [#adjust] left in a row of the probabilities into what it is called.
        private void normalize(NdArray probabilities, int query, boolean blind, float max, float factor) {
            MemorySegment memory = probabilities.memory();
            long step = probabilities.stride(2);
            int from = run.visible.from(query);
            int n = run.visible.to(query) - from;
            long at = position(probabilities, query, from) * 4;
            if (!blind && step == 1) {
                ScoreRow.LOOP.probabilities(memory, at, n, max, factor);
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
