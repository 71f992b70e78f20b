package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Passes of the softmax over dense floats.
interface SoftmaxRow {
    /// Writes `e^(x - max)` for `n` floats and returns their sum in f32. `y` may be `x`.
    float exponentials(MemorySegment x, long xo, float max, MemorySegment y, long yo, int n);

    /// Multiplies `n` floats.
    void scale(MemorySegment y, long yo, float factor, int n);
}
