package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandleProxies;

/// Fresh memory from the operating system, by functions of the C library. Linux only, because the constants of `mmap`
/// differ elsewhere.
@SuppressWarnings("restricted") // the providers use this only where the program was started with native access
final class SystemMemory {
    /// What [#map] returns if there is no memory.
    static final long FAILED = -1;

    /// Pages may be read.
    static final int PROT_READ = 1;

    /// Pages may be executed.
    static final int PROT_EXEC = 4;

    private static final int PROT_WRITE = 2;
    private static final int MAP_PRIVATE = 2;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final FunctionDescriptor RANGE = FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG);
    private static final FunctionDescriptor RANGE_AND_NUMBER = RANGE.appendArgumentLayouts(JAVA_INT);

    private final Map map = bind(
            "mmap",
            Map.class,
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private final Range unmap = bind("munmap", Range.class, RANGE);
    private final RangeAndNumber protect = bind("mprotect", RangeAndNumber.class, RANGE_AND_NUMBER);
    private final RangeAndNumber advise = bind("madvise", RangeAndNumber.class, RANGE_AND_NUMBER);

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

    /// `mprotect` and `madvise`, see their manual pages.
    @FunctionalInterface
    public interface RangeAndNumber {
        /// Returns 0 if it worked.
        int call(long address, long length, int number);
    }

    /// Pages of zeros that may be read and written.
    ///
    /// @return their address or [#FAILED]
    long map(long bytes) {
        return map.call(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }

    /// Gives pages back.
    void unmap(long address, long bytes) {
        unmap.call(address, bytes);
    }

    /// Changes what may be done with pages.
    ///
    /// @param protection of [#PROT_READ] and [#PROT_EXEC]
    /// @return whether the operating system allows it
    boolean protect(long address, long bytes, int protection) {
        return protect.call(address, bytes, protection) == 0;
    }

    /// Advises the operating system, which may not follow, how pages will be used.
    void advise(long address, long bytes, int advice) {
        advise.call(address, bytes, advice);
    }

    private static <T> T bind(String name, Class<T> type, FunctionDescriptor signature) {
        Linker linker = Linker.nativeLinker();
        MemorySegment symbol = linker.defaultLookup()
                .find(name)
                .orElseThrow(() -> new IllegalStateException("the C library has no " + name));
        return MethodHandleProxies.asInterfaceInstance(type, linker.downcallHandle(symbol, signature));
    }
}
