package dev.palimpsest.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Native memory that released tensors leave for later ones.
///
/// Fresh native memory is expensive twice, once to zero it and once for the page faults of the first touch, and a
/// model asks for the same sizes again and again. Small blocks are kept for good. Large ones have an arena of their
/// own and are given back to the operating system, the longest unused first, when too many lie idle: more than
/// `maxIdleBytes`, and more than would be needed to get back to what was in use at most. So work that goes up and
/// down, block after block, keeps its memory, and never holds much more than it once needed. When nearly nothing is in
/// use any more, that is forgotten.
final class MemoryPool {
    /// Alignment of every block: a cache line and an AVX-512 register.
    static final long ALIGNMENT = 64;

    private static final long LARGE = 1 << 20;
    private static final long SMALLEST = 256;

    /// The work is over when this part of the most that was in use is left.
    private static final int OVER = 16;

    /// A piece of native memory; `arena` is null for small blocks, which share one.
    static final class Block {
        final MemorySegment memory;
        final @Nullable Arena arena;

        Block(MemorySegment memory, @Nullable Arena arena) {
            this.memory = memory;
            this.arena = arena;
        }

        long bytes() {
            return memory.byteSize();
        }
    }

    private final Arena small = Arena.ofShared();
    private final TreeMap<Long, ArrayDeque<Block>> idle = new TreeMap<>();
    private final ArrayDeque<Block> idleLarge = new ArrayDeque<>();
    private final long maxIdleBytes;
    private long idleLargeBytes;
    private long reservedBytes;
    private long usedBytes;

    /// The most that was in use since the pool was all but unused.
    private long mostUsedBytes;

    MemoryPool(long maxIdleBytes) {
        this.maxIdleBytes = maxIdleBytes;
    }

    /// A block of at least `bytes` bytes with arbitrary content.
    synchronized Block acquire(long bytes) {
        Block block = find(bytes);
        usedBytes += block.bytes();
        mostUsedBytes = Math.max(mostUsedBytes, usedBytes);
        trim();
        return block;
    }

    private Block find(long bytes) {
        long size = roundUp(bytes);
        Map.Entry<Long, ArrayDeque<Block>> fit = idle.ceilingEntry(size);
        // A quarter more than asked for is still a fit for large blocks; small classes are powers of two already.
        if (fit != null && fit.getKey() <= (size < LARGE ? size : size + size / 4)) {
            Block block = fit.getValue().pop();
            if (fit.getValue().isEmpty()) {
                idle.remove(fit.getKey());
            }
            if (block.arena != null) {
                idleLarge.remove(block);
                idleLargeBytes -= block.bytes();
            }
            return block;
        }
        reservedBytes += size;
        if (size < LARGE) {
            return new Block(small.allocate(size, ALIGNMENT), null);
        }
        Arena arena = Arena.ofShared();
        try {
            return new Block(arena.allocate(size, ALIGNMENT), arena);
        } catch (OutOfMemoryError e) {
            arena.close();
            reservedBytes -= size;
            throw e;
        }
    }

    /// Takes a block back.
    synchronized void release(Block block) {
        usedBytes -= block.bytes();
        if (usedBytes < mostUsedBytes / OVER) {
            mostUsedBytes = usedBytes;
        }
        idle.computeIfAbsent(block.bytes(), b -> new ArrayDeque<>()).push(block);
        if (block.arena != null) {
            idleLarge.addLast(block);
            idleLargeBytes += block.bytes();
        }
        trim();
    }

    private void trim() {
        long most = Math.max(maxIdleBytes, mostUsedBytes - usedBytes);
        while (idleLargeBytes > most) {
            free(idleLarge.removeFirst());
        }
    }

    private void free(Block block) {
        ArrayDeque<Block> sameSize = idle.get(block.bytes());
        if (sameSize != null) {
            sameSize.remove(block);
            if (sameSize.isEmpty()) {
                idle.remove(block.bytes());
            }
        }
        idleLargeBytes -= block.bytes();
        reservedBytes -= block.bytes();
        if (block.arena != null) {
            block.arena.close();
        }
    }

    /// Bytes of the blocks that are out.
    synchronized long usedBytes() {
        return usedBytes;
    }

    /// Bytes taken from the operating system, in use or idle.
    synchronized long reservedBytes() {
        return reservedBytes;
    }

    /// Powers of two up to [#LARGE], then eighths of the power of two below, so that at most an eighth is wasted.
    private static long roundUp(long bytes) {
        long n = Math.max(bytes, SMALLEST);
        long power = Long.highestOneBit(n);
        if (n < LARGE) {
            return power == n ? n : power << 1;
        }
        long step = power >> 3;
        return Math.ceilDiv(n, step) * step;
    }
}
