package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandleProxies;

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

    private static final int READ_AND_WRITE = 3;
    private static final int PRIVATE_AND_ANONYMOUS = 0x22;
    private static final int HUGE_PAGES = 14;
    private static final long FAILED = -1;

    private final Map map;
    private final Range unmap;
    private final Advise advise;

    /// `mmap`, see its manual page.
    @FunctionalInterface
    public interface Map {
        /// Returns the address or -1.
        long call(long address, long length, int protection, int flags, int file, long offset);
    }

    /// `munmap`, see its manual page.
    @FunctionalInterface
    public interface Range {
        /// Returns 0 if it worked.
        int call(long address, long length);
    }

    /// `madvise`, see its manual page.
    @FunctionalInterface
    public interface Advise {
        /// Returns 0 if it worked.
        int call(long address, long length, int advice);
    }

    LargePages() {
        map = bind(
                "mmap",
                Map.class,
                FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
        unmap = bind("munmap", Range.class, FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
        advise = bind("madvise", Advise.class, FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
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
        long address = map.call(0, length, READ_AND_WRITE, PRIVATE_AND_ANONYMOUS, -1, 0);
        if (address == FAILED) {
            return arena.allocate(bytes, 64);
        }
        long start = Math.ceilDiv(address, BYTES) * BYTES;
        // a system without large pages refuses, and its small ones do as well
        advise.call(start, bytes / BYTES * BYTES, HUGE_PAGES);
        return MemorySegment.ofAddress(start).reinterpret(bytes, arena, m -> unmap.call(address, length));
    }

    private static <T> T bind(String name, Class<T> type, FunctionDescriptor signature) {
        Linker linker = Linker.nativeLinker();
        MemorySegment symbol = linker.defaultLookup()
                .find(name)
                .orElseThrow(() -> new IllegalStateException("the C library has no " + name));
        return MethodHandleProxies.asInterfaceInstance(type, linker.downcallHandle(symbol, signature));
    }
}
