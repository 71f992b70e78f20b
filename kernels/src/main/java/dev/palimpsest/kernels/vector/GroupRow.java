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
    default void positions(
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
            int n) {
        // in two methods: the first compiler gives up on long ones, which then stay interpreted for seconds
        int whole = n - n % (2 * Simd.LANES);
        if (whole > 0) {
            whole(x, xo, xStep, c, co, step, y, yo, yStep, positions, whole);
        }
        if (whole < n) {
            long at = 4L * whole;
            rest(x, xo + at, xStep, c, co + at, step, y, yo + at, yStep, positions, n - whole);
        }
    }

    /// The same for an even number of vectors of channels.
    void whole(
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

    /// The same for any number of channels.
    void rest(
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
