package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// The last step of a group normalisation, `activation((x - mean) * factor + term)`, over dense floats.
///
/// Positions are in bytes; `y` may be `x`.
interface GroupRow {
    /// `n` elements of one channel.
    void channel(MemorySegment x, long xo, float mean, float factor, float term, MemorySegment y, long yo, int n);

    /// One element of each of `n` channels, at several positions, which are `xStep` and `yStep` bytes apart. Mean,
    /// factor and term of the channels lie behind each other, `step` bytes apart, from byte `co` of `c`.
    void positions(
            MemorySegment x,
            long xo,
            long xStep,
            MemorySegment c,
            long co,
            long step,
            MemorySegment y,
            long yo,
            long yStep,
            int positions,
            int n);
}
