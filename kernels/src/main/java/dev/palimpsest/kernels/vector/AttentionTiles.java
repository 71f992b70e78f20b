package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;

/// What [StreamingAttention] leaves to a processor: how keys, values and queries are packed, and the micro-kernels
/// over them. An instance belongs to one call of attention and is shared by its tasks.
///
/// Keys are cut into blocks of [#blockKeys]. Scores are computed for panels of [#panel] keys, and weights and weighted
/// sums for steps of [#step] keys; a panel is a whole number of steps and a block of panels. Queries are taken [#rows]
/// at a time.
public abstract class AttentionTiles {
    /// Nothing to set up.
    protected AttentionTiles() {}

    /// Queries of a tile.
    public abstract int rows();

    /// Keys of a panel.
    public abstract int panel();

    /// Keys of a step.
    public abstract int step();

    /// Keys of a block.
    public abstract int blockKeys();

    /// Bytes of a packed block of keys.
    public abstract long keyBytes();

    /// Bytes of a packed block of values.
    public abstract long valueBytes();

    /// Packs `count` keys of a head; what is missing to a whole step is filled up with zeros.
    ///
    /// @param k `(Lk, heads, d)`
    public abstract void packKeys(
            NdArray k, int head, int first, int count, MemorySegment to, long toAt, Workspace workspace);

    /// Packs `count` values of a head; what is missing to a whole step is filled up with zeros.
    ///
    /// @param v `(Lk, heads, dv)`
    /// @return whether all of them are finite, so that a weight of 0 makes any of them vanish
    public abstract boolean packValues(
            NdArray v, int head, int first, int count, MemorySegment to, long toAt, Workspace workspace);

    /// One element of a packed block of values.
    public abstract float value(MemorySegment packed, long valuesAt, int key, int column);

    /// The working memory of a task: so many tiles of queries with their scores and sums.
    public abstract Group group(int tiles, Workspace workspace);

    /// The state of some tiles of queries. Where a method takes several tiles, it does the same for each of them.
    ///
    /// For each query there are the largest score so far, the sum of the weights relative to it, and the weighted
    /// sums of values.
    public abstract static class Group {
        /// Nothing to set up.
        protected Group() {}

        /// Packs the queries of a tile and makes everything else what it is before the first key: no largest score, no
        /// sums.
        ///
        /// @param q `(Lq, heads, d)`
        /// @param count how many queries there are; the other rows of the tile become zeros
        public abstract void start(int tile, NdArray q, int head, int first, int count);

        /// Scaled scores of the keys `from` to `to` of a block of `keys` keys; computes whole panels.
        public abstract void score(int tile, int tiles, int from, int to, int keys, MemorySegment packed, long keysAt);

        /// Where the scores of all queries lie.
        public abstract MemorySegment scores();

        /// Position of a score.
        public abstract long scoreAt(int tile, int row, int key);

        /// How many keys have scores that lie one behind the other, counted from multiples of this number.
        public abstract int run();

        /// Turns scores into weights `e^(score - largest)`, updates the largest scores and the sums of weights. A
        /// score of negative infinity has a weight of 0.
        ///
        /// @param from first key, a multiple of the step
        /// @param to end of the keys, a multiple of the step
        public abstract void weigh(int tile, int tiles, int from, int to);

        /// Makes the sums of values relative to the new largest scores, then adds the weighted values.
        ///
        /// @param from first key, a multiple of the step
        /// @param to end of the keys, a multiple of the step
        public abstract void add(int tile, int tiles, int from, int to, MemorySegment packed, long valuesAt);

        /// The same for one query and any keys, slowly.
        public abstract void addAlone(int tile, int row, int from, int to, MemorySegment packed, long valuesAt);

        /// The largest score of a query so far, NaNs left out.
        public abstract float max(int tile, int row);

        /// The sum of weights of a query.
        public abstract float sum(int tile, int row);

        /// Writes the sums of values of a query times a factor.
        ///
        /// @param to f32
        /// @param toAt position of the first element in bytes
        /// @param step distance of elements
        public abstract void write(int tile, int row, float factor, MemorySegment to, long toAt, long step);

        /// Writes some dense numbers times a factor.
        ///
        /// @param from f32, from byte `at` on
        /// @param to f32
        /// @param toAt position of the first element in bytes
        /// @param step distance of elements
        protected static void write(
                MemorySegment from, long at, int n, float factor, MemorySegment to, long toAt, long step) {
            ScoreRow.LOOP.write(from, at, n, factor, to, toAt, step);
        }
    }
}
