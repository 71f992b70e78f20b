package dev.palimpsest.kernels.vector;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Native memory for a task's temporary values, one block per thread, kept for the next task.
///
/// Temporaries are native because loops must not see a second kind of memory segment. A block belongs to the task that
/// asked for it until that task ends; what it holds at first is left over from earlier tasks.
final class Scratch {
    private static final long SMALLEST = 1 << 16;
    private static final int ALIGNMENT = 64;

    private final ThreadLocal<MemorySegment> block = ThreadLocal.withInitial(() -> allocate(SMALLEST));

    /// This thread's block, of at least so many floats.
    MemorySegment floats(long n) {
        MemorySegment memory = block.get();
        if (memory.byteSize() < n * Float.BYTES) {
            memory = allocate(Math.max(n * Float.BYTES, 2 * memory.byteSize()));
            block.set(memory);
        }
        return memory;
    }

    private static MemorySegment allocate(long bytes) {
        return Arena.ofAuto().allocate(bytes, ALIGNMENT);
    }
}
