package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.palimpsest.kernels.vector.Workspace;
import java.lang.foreign.MemorySegment;

/// The block of 64-bit arguments of a program; what is at which place the generators say.
record Arguments(MemorySegment block) {
    private static final int BYTES = 192;

    /// A block in memory that belongs to a task; valid as long as the workspace is not closed.
    ///
    /// @param index which of the task's blocks: 0, 1 or 2
    static Arguments of(Workspace workspace, int index) {
        return new Arguments(
                workspace.memory(Workspace.Use.ARGUMENTS, 4L * BYTES).asSlice((long) index * BYTES, BYTES));
    }

    /// Sets one argument.
    Arguments set(int place, long value) {
        block.set(JAVA_LONG, place, value);
        return this;
    }

    /// Runs a program with these arguments.
    void run(Program program) {
        program.run(block.address());
    }
}
