package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandleProxies;

/// Machine code in memory of this process.
///
/// The code is written to fresh anonymous pages, which are then made executable and no longer writable: at no time can
/// a page be both. Linux only, see [SystemMemory].
@SuppressWarnings("restricted") // the providers use this only where the program was started with native access
final class ExecutableMemory {
    private final SystemMemory system = new SystemMemory();

    /// One handle calls all programs, whose address is its first argument: it is linked and compiled only once.
    private final Entry entry = MethodHandleProxies.asInterfaceInstance(
            Entry.class, Linker.nativeLinker().downcallHandle(FunctionDescriptor.ofVoid(JAVA_LONG)));

    /// A call of machine code.
    @FunctionalInterface
    public interface Entry {
        /// Calls the function at `code` with one argument, under the System V calling convention.
        void call(MemorySegment code, long argument);
    }

    /// Where the pages come from.
    SystemMemory system() {
        return system;
    }

    /// Puts a program into memory, where it stays as long as the arena does.
    ///
    /// @param code position-independent code that follows the System V calling convention
    /// @throws IllegalStateException if the operating system refuses executable memory
    Program install(byte[] code, Arena arena) {
        long pages = Math.ceilDiv(code.length, 4096) * 4096L;
        long address = system.map(pages);
        if (address == SystemMemory.FAILED) {
            throw new IllegalStateException("the operating system gives no memory for machine code");
        }
        // a segment that is closed with the arena, which unmaps the pages
        MemorySegment memory =
                MemorySegment.ofAddress(address).reinterpret(pages, arena, m -> system.unmap(m.address(), pages));
        MemorySegment.copy(code, 0, memory, JAVA_BYTE, 0, code.length);
        if (!system.protect(address, pages, SystemMemory.PROT_READ | SystemMemory.PROT_EXEC)) {
            throw new IllegalStateException("the operating system refuses to make memory executable");
        }
        return new Program(memory, MemorySegment.ofAddress(address), entry);
    }
}
