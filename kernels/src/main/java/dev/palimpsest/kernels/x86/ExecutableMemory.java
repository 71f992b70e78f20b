package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandleProxies;

/// Machine code in memory of this process.
///
/// The code is written to fresh anonymous pages, which are then made executable and no longer writable: at no time can
/// a page be both. Linux only, because the constants of `mmap` differ elsewhere.
@SuppressWarnings("restricted") // the providers use this only where the program was started with native access
final class ExecutableMemory {
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int PROT_EXEC = 4;
    private static final int MAP_PRIVATE = 2;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final long MAP_FAILED = -1;

    private final Linker linker = Linker.nativeLinker();
    private final Map map = bind("mmap", Map.class);
    private final Protect protect = bind("mprotect", Protect.class);
    private final Unmap unmap = bind("munmap", Unmap.class);

    /// One handle calls all programs, whose address is its first argument: it is linked and compiled only once.
    private final Entry entry = MethodHandleProxies.asInterfaceInstance(
            Entry.class, linker.downcallHandle(FunctionDescriptor.ofVoid(JAVA_LONG)));

    /// `mmap`, see its manual page.
    @FunctionalInterface
    public interface Map {
        /// Returns the address or -1.
        long call(long address, long length, int protection, int flags, int file, long offset);
    }

    /// `mprotect`, see its manual page.
    @FunctionalInterface
    public interface Protect {
        /// Returns 0 if it worked.
        int call(long address, long length, int protection);
    }

    /// `munmap`, see its manual page.
    @FunctionalInterface
    public interface Unmap {
        /// Returns 0 if it worked.
        int call(long address, long length);
    }

    /// A call of machine code.
    @FunctionalInterface
    public interface Entry {
        /// Calls the function at `code` with one argument, under the System V calling convention.
        void call(MemorySegment code, long argument);
    }

    /// Puts a program into memory, where it stays as long as the arena does.
    ///
    /// @param code position-independent code that follows the System V calling convention
    /// @throws IllegalStateException if the operating system refuses executable memory
    Program install(byte[] code, Arena arena) {
        long pages = Math.ceilDiv(code.length, 4096) * 4096L;
        long address = map.call(0, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (address == MAP_FAILED) {
            throw new IllegalStateException("the operating system gives no memory for machine code");
        }
        // a segment that is closed with the arena, which unmaps the pages
        MemorySegment memory =
                MemorySegment.ofAddress(address).reinterpret(pages, arena, m -> unmap.call(m.address(), pages));
        MemorySegment.copy(code, 0, memory, JAVA_BYTE, 0, code.length);
        if (protect.call(address, pages, PROT_READ | PROT_EXEC) != 0) {
            throw new IllegalStateException("the operating system refuses to make memory executable");
        }
        return new Program(memory, MemorySegment.ofAddress(address), entry);
    }

    private <T> T bind(String name, Class<T> type) {
        FunctionDescriptor signature = switch (name) {
            case "mmap" ->
                FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
            case "mprotect" -> FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
            default -> FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG);
        };
        MemorySegment symbol = linker.defaultLookup()
                .find(name)
                .orElseThrow(() -> new IllegalStateException("the C library has no " + name));
        return MethodHandleProxies.asInterfaceInstance(type, linker.downcallHandle(symbol, signature));
    }
}
