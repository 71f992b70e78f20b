package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Dense memory of one value.
@FunctionalInterface
interface FillRow {
    /// The loops, copied from their template.
    FillRow LOOP = Specialized.only(FillLoop.class, FillRow.class);

    /// Sets `n` ints at byte `yo`.
    void run(MemorySegment y, long yo, int value, int n);
}
