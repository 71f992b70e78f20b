package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// The conversion of a dense row between f32 and a narrower type.
@FunctionalInterface
interface ConversionRow {
    /// From what to what.
    enum Conversion {
        FROM_BF16,
        FROM_F16,
        TO_BF16,
        TO_F16
    }

    /// Converts `n` elements at byte `xo` of `x` and writes them at byte `yo` of `y`.
    void run(MemorySegment x, long xo, MemorySegment y, long yo, int n);
}
