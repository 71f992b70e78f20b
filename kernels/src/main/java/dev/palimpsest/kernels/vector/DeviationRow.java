package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// How far several rows of floats are from one row of means.
@FunctionalInterface
interface DeviationRow {
    /// The loops, copied from their template.
    DeviationRow LOOP = Specialized.only(DeviationLoop.class, DeviationRow.class);

    /// `y[c] = (x[0][c] - means[c]) + (x[1][c] - means[c]) + ...`, and behind these the sums of the squares.
    ///
    /// @param x the rows
    /// @param xo byte where the first row begins
    /// @param step bytes from one row to the next
    /// @param rows their number
    /// @param columns their length
    /// @param means one float for each column
    /// @param mo byte where they begin
    /// @param y receives twice as many floats as there are columns
    /// @param yo byte where they begin
    void run(
            MemorySegment x,
            long xo,
            long step,
            int rows,
            int columns,
            MemorySegment means,
            long mo,
            MemorySegment y,
            long yo);
}
