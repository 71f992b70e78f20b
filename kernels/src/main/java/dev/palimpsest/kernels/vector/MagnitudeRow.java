package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// The largest magnitudes of the columns of a matrix of floats.
@FunctionalInterface
interface MagnitudeRow {
    /// The compiled loop.
    MagnitudeRow LOOP = Specialized.only(MagnitudeLoop.class, MagnitudeRow.class);

    /// Replaces the `n` floats at byte `yo` by the magnitudes of their columns that are larger, NaN above all; `n` is
    /// a multiple of the vector length.
    ///
    /// @param x the matrix, its first row at byte `xo`, the next `xStep` bytes behind
    void run(MemorySegment x, long xo, long xStep, int rows, MemorySegment y, long yo, int n);
}
