package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Extremes of `n` dense floats at byte `xo`.
interface ExtremeRow {
    /// The compiled loops.
    ExtremeRow LOOP = Specialized.only(ExtremeLoop.class, ExtremeRow.class);

    /// The largest; NaN if any is NaN, negative infinity for none.
    float max(MemorySegment x, long xo, int n);

    /// The smallest; NaN if any is NaN, positive infinity for none.
    float min(MemorySegment x, long xo, int n);

    /// The first position of a value, where a NaN equals a NaN, or -1.
    int find(MemorySegment x, long xo, float value, int n);

    /// Whether all magnitudes are less than `limit`; NaN is not.
    boolean isBelow(MemorySegment x, long xo, float limit, int n);
}
