package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// A function of one argument over a row of dense floats.
@FunctionalInterface
interface UnaryRow {
    /// Applies the function to `n` floats at byte `xo` of `x` and writes them at byte `yo` of `y`, which may be the
    /// same.
    void run(MemorySegment x, long xo, MemorySegment y, long yo, int n);
}
