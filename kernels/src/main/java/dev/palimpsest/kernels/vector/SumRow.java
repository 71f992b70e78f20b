package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Sums over a block of dense floats, short enough to be added in f32.
interface SumRow {
    /// The loops, copied from their template.
    SumRow LOOP = Specialized.only(SumLoop.class, SumRow.class);

    /// The sum of `n` floats at byte `xo`.
    float sum(MemorySegment x, long xo, int n);

    /// The sum of their squares.
    float squares(MemorySegment x, long xo, int n);

    /// Adds the sum of the differences between them and `mean` to `sums[0]`, the sum of the squares of the differences
    /// to
    /// `sums[1]`.
    void deviations(MemorySegment x, long xo, float mean, int n, double[] sums);
}
