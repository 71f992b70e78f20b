package dev.palimpsest.kernels.x86;

import java.lang.foreign.MemorySegment;

/// A program in executable memory that takes the address of a block of arguments.
///
/// @param code the memory, which stays as long as this is reachable
/// @param start its address as a call takes it: without a lifetime, which would be registered in every call
/// @param entry how to call it
record Program(MemorySegment code, MemorySegment start, ExecutableMemory.Entry entry) {
    /// Runs the program.
    ///
    /// @param arguments address of its arguments; what they are is the program's own business
    void run(long arguments) {
        entry.call(start, arguments);
    }
}
