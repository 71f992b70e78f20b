package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Passes of the softmax over dense floats.
interface SoftmaxRow {
    /// The loops, copied from their template.
    SoftmaxRow LOOP = Specialized.only(SoftmaxLoop.class, SoftmaxRow.class);

    /// Writes `e^(x - max)` for `n` floats and returns their sum in f32. `y` may be `x`.
    float exponentials(MemorySegment x, long xo, float max, MemorySegment y, long yo, int n);

    /// The softmax of several rows, whose starts are `xStep` and `yStep` bytes apart.
    ///
    /// @param n length of a row, a multiple of the vector length, short enough for its sum to be added in f32
    void rows(MemorySegment x, long xo, long xStep, MemorySegment y, long yo, long yStep, int rows, int n);

    /// Multiplies `n` floats.
    void scale(MemorySegment y, long yo, float factor, int n);
}
