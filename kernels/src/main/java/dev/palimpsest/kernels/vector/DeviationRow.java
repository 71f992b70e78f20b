package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// How far several rows of floats are from one row of means.
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
    default void run(
            MemorySegment x,
            long xo,
            long step,
            int rows,
            int columns,
            MemorySegment means,
            long mo,
            MemorySegment y,
            long yo) {
        // in two methods: the first compiler gives up on long ones, which then stay interpreted for seconds
        int whole = columns - columns % (4 * Simd.LANES);
        if (whole > 0) {
            whole(x, xo, step, rows, 0, whole, columns, means, mo, y, yo);
        }
        if (whole < columns) {
            rest(x, xo, step, rows, whole, columns, means, mo, y, yo);
        }
    }

    /// The columns from `from` to `to - 1` of so many, four vectors at a time.
    void whole(
            MemorySegment x,
            long xo,
            long step,
            int rows,
            int from,
            int to,
            int columns,
            MemorySegment means,
            long mo,
            MemorySegment y,
            long yo);

    /// The columns from `from` on.
    void rest(
            MemorySegment x,
            long xo,
            long step,
            int rows,
            int from,
            int columns,
            MemorySegment means,
            long mo,
            MemorySegment y,
            long yo);
}
