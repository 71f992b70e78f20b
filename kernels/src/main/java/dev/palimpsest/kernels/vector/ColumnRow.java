package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Several rows of floats folded into one.
@FunctionalInterface
interface ColumnRow {
    /// `y[c] = x[0][c] + x[1][c] + ...`, or the largest or smallest of them; each column from top to bottom.
    ///
    /// @param x the rows
    /// @param xo byte where the first row begins
    /// @param step bytes from one row to the next
    /// @param rows their number
    /// @param columns their length
    /// @param y receives `columns` floats
    /// @param yo byte where they begin
    void run(MemorySegment x, long xo, long step, int rows, int columns, MemorySegment y, long yo);
}
