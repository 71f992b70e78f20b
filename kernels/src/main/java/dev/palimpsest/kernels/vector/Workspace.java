package dev.palimpsest.kernels.vector;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicLong;

/// Working memory of one task of a matrix kernel: packed operands, partial sums, positions.
///
/// A task takes a workspace from the [Pool] and gives it back by closing it. Contents are whatever the previous user
/// left.
public final class Workspace implements AutoCloseable {
    private static final long ALIGNMENT = 64;
    private static final long GRAIN = 64 * 1024;
    private static final int POSITIONS = 4;

    /// What native memory is used for. Each use has memory of its own, so that a kernel can hold several at once.
    public enum Use {
        /// A line of a picture on its way into patches.
        LINE,
        /// Weights of a convolution on their way into a panel.
        WEIGHTS,
        /// Panels of the right operand.
        PANELS,
        /// Rows of the left operand.
        ROWS,
        /// A few rows on their way into a panel.
        STAGING,
        /// Attention scores of some queries.
        SCORES,
        /// Partial sums of tiles.
        SUMS,
        /// What a program in machine code is told.
        ARGUMENTS
    }

    /// The idle workspaces of one provider.
    ///
    /// There are as many as tasks ever ran at the same time, and each keeps the largest size it was asked for; kernels
    /// ask for bounded sizes only. The memory belongs to an automatic arena and goes with the provider: no single
    /// caller could say when the last one has finished.
    public static final class Pool {
        private final ConcurrentLinkedDeque<Workspace> idle = new ConcurrentLinkedDeque<>();
        private final AtomicLong bytes = new AtomicLong();

        /// Bytes of native memory held at the moment.
        public long bytes() {
            return bytes.get();
        }

        /// A workspace for the calling task alone; the most recently returned one, whose memory is likely still in the
        /// cache.
        public Workspace take() {
            Workspace workspace = idle.pollFirst();
            return workspace == null ? new Workspace(this) : workspace;
        }
    }

    private final Pool pool;
    private final Map<Use, MemorySegment> memory = new EnumMap<>(Use.class);
    private final List<float[]> tiles = new ArrayList<>();
    private final long[][] positions = new long[POSITIONS][0];

    private Workspace(Pool pool) {
        this.pool = pool;
    }

    /// At least `size` bytes for this use, aligned to a cache line. Asking for more replaces what was there.
    public MemorySegment memory(Use use, long size) {
        MemorySegment held = memory.getOrDefault(use, MemorySegment.NULL);
        if (held.byteSize() < size) {
            // in steps, so that slowly growing sizes do not leave a trail of blocks for the garbage collector
            long grown = Math.max(Math.ceilDiv(size, GRAIN) * GRAIN, held.byteSize() * 3 / 2);
            pool.bytes.addAndGet(grown - held.byteSize());
            held = Arena.ofAuto().allocate(grown, ALIGNMENT);
            memory.put(use, held);
        }
        return held;
    }

    /// The `index`-th array for sums, of at least `size` elements.
    public float[] tile(int index, int size) {
        while (tiles.size() <= index) {
            tiles.add(new float[size]);
        }
        float[] tile = tiles.get(index);
        if (tile.length < size) {
            tile = new float[size];
            tiles.set(index, tile);
        }
        return tile;
    }

    /// The `index`-th array of positions (0 to 3), of at least `size` elements.
    public long[] positions(int index, int size) {
        if (positions[index].length < size) {
            positions[index] = new long[size];
        }
        return positions[index];
    }

    /// Gives the workspace back to its pool.
    @Override
    public void close() {
        pool.idle.addFirst(this);
    }
}
