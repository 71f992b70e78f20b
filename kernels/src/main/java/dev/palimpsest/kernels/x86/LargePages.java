package dev.palimpsest.kernels.x86;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Memory in pages of 2 MiB where the operating system has some.
///
/// Micro-kernels read a panel from end to end while the next one is fetched. In pages of 4 KiB both walk through so
/// many pages that looking these up costs several percent of a product; most systems give large pages only to those
/// who ask (`/sys/kernel/mm/transparent_hugepage/enabled` says `madvise`), and only when a page is first written,
/// which is why memory of an arena, already filled with zeros, comes too late. Linux only.
@SuppressWarnings("restricted") // the providers use this only where the program was started with native access
final class LargePages {
    /// Bytes of a page.
    static final long BYTES = 2 << 20;

    private static final int MADV_HUGEPAGE = 14;

    private final SystemMemory system;

    LargePages(SystemMemory system) {
        this.system = system;
    }

    /// Zeros that live as long as the arena: in large pages where that is worth it and possible, else in the arena's
    /// own.
    ///
    /// @param bytes how many, at least 1; aligned to a cache line
    MemorySegment allocate(long bytes, Arena arena) {
        if (bytes < BYTES || !arena.scope().isAlive()) {
            return arena.allocate(bytes, 64);
        }
        long length = bytes + BYTES; // large pages begin at their multiples
        long address = system.map(length);
        if (address == SystemMemory.FAILED) {
            return arena.allocate(bytes, 64);
        }
        long start = Math.ceilDiv(address, BYTES) * BYTES;
        // a system without large pages refuses, and its small ones do as well
        system.advise(start, bytes / BYTES * BYTES, MADV_HUGEPAGE);
        return MemorySegment.ofAddress(start).reinterpret(bytes, arena, m -> system.unmap(address, length));
    }
}
