package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Weighted sums of rows of dense floats that lie `step` bytes apart.
interface WeightedRow {
    /// The loops, copied from their template.
    WeightedRow LOOP = Specialized.only(WeightedLoop.class, WeightedRow.class);

    /// `y = u x[0] + v x[1]` for `n` floats.
    void blend(MemorySegment x, long xo, long step, float u, float v, MemorySegment y, long yo, int n);

    /// `y = weights[0] x[0] + weights[1] x[1] + ...` for `n` floats.
    void weighted(MemorySegment x, long xo, long step, float[] weights, MemorySegment y, long yo, int n);
}
