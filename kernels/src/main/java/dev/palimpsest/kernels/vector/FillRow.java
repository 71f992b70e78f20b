package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Dense memory of one value.
@FunctionalInterface
interface FillRow {
    /// Sets `n` ints at byte `yo`.
    void run(MemorySegment y, long yo, int value, int n);
}
