package dev.palimpsest.kernels.x86;

import java.lang.foreign.MemorySegment;

/// A program in executable memory that takes the address of a block of arguments.
///
/// @param code its first instruction
/// @param entry how to call it
record Program(MemorySegment code, ExecutableMemory.Entry entry) {
    /// Runs the program.
    ///
    /// @param arguments address of its arguments; what they are is the program's own business
    void run(long arguments) {
        entry.call(code, arguments);
    }
}
