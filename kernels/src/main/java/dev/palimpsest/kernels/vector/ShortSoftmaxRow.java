package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Sweeps of the softmax over a few short rows: what a row waits for, its maximum and its sum, is then computed while
/// other rows go on. Starts of rows are `step` bytes apart.
interface ShortSoftmaxRow {
    /// Vectors of a row at most.
    int VECTORS = 8;

    /// Rows of a sweep at most.
    int ROWS = 32;

    /// Writes the largest element of each row.
    void maxima(MemorySegment x, long xo, long step, float[] max, int rows);

    /// Writes `e^(x - max)`, and in place of each maximum the sum of its row. `y` may be `x`.
    void exponentials(MemorySegment x, long xo, long step, float[] max, MemorySegment y, long yo, long yStep, int rows);

    /// Divides each row by its sum.
    void divide(MemorySegment y, long yo, long step, float[] sums, int rows);
}
