package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Turning the pairs of a row of dense floats. Positions are in bytes; `y` may be `x`.
interface RopeRow {
    /// The loops, copied from their template.
    RopeRow LOOP = Specialized.only(RopeLoop.class, RopeRow.class);

    /// Neighbours. From byte `cos` of `s` lie two cosines for every pair, then two sines for every pair, the first one
    /// negative.
    void interleaved(MemorySegment x, long xo, MemorySegment s, long cos, MemorySegment y, long yo, int pairs);

    /// Halves. From byte `cos` of `s` lie the cosines of the pairs, then their sines.
    void halves(MemorySegment x, long xo, MemorySegment s, long cos, MemorySegment y, long yo, int pairs);
}
