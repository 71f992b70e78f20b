package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// A choice between two rows of dense floats.
@FunctionalInterface
interface SelectRow {
    /// The loops, copied from their template.
    SelectRow LOOP = Specialized.only(SelectLoop.class, SelectRow.class);

    /// `y = c ? a : b` for `n` elements. Positions are in bytes; an element of `c` is a byte.
    void run(
            MemorySegment c,
            long co,
            MemorySegment a,
            long ao,
            MemorySegment b,
            long bo,
            MemorySegment y,
            long yo,
            int n);
}
