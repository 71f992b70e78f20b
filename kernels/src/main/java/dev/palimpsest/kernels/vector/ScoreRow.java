package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Loops over one row of attention scores. Positions are in bytes; the memory is native and f32.
interface ScoreRow {
    /// The loops, copied from their template.
    ScoreRow LOOP = Specialized.only(ScoreLoop.class, ScoreRow.class);

    /// `m[i] += x[i * step]`
    void add(MemorySegment m, long at, int n, MemorySegment x, long xAt, long step);

    /// `to[i * step] = m[i] * factor`
    void write(MemorySegment m, long at, int n, float factor, MemorySegment to, long toAt, long step);

    /// `m[i] = e^(m[i] - max) * factor`
    void probabilities(MemorySegment m, long at, int n, float max, float factor);

    /// Copies the rows of a tile times a factor.
    ///
    /// @param w length of a row, a multiple of the vector's length
    /// @param stride distance of rows in `m`
    void copy(float[] tile, int rows, int w, float factor, MemorySegment m, long at, long stride);

    /// Updates the largest score of some rows with `n` more scores each, NaNs left out, and turns the scores into
    /// weights `e^(score - largest)`; what is less than the smallest normal number becomes 0.
    ///
    /// @param n a multiple of the vector's length
    /// @param stride distance of rows in `m`
    /// @param max the largest scores, from `first` on
    /// @param factor receives what makes earlier sums relative to the new largest scores
    /// @param sums for each row as many sums as a vector has lanes; made relative, then the weights are added
    void weigh(
            MemorySegment m,
            long at,
            long stride,
            int n,
            int first,
            int rows,
            float[] max,
            float[] factor,
            float[] sums);

    /// The same; the weights are rounded to bf16 after they were added up.
    void weighRounded(
            MemorySegment m,
            long at,
            long stride,
            int n,
            int first,
            int rows,
            float[] max,
            float[] factor,
            float[] sums);

    /// `a[i] *= factor` in a row of a tile; `n` is a multiple of the vector's length.
    void scale(float[] a, int from, int n, float factor);

    /// `to[i * step] = a[i] * factor`
    void write(float[] a, int from, int n, float factor, MemorySegment to, long toAt, long step);

    /// Rounds to bf16, which stays f32.
    void round(MemorySegment m, long at, int n);

    /// Whether all elements are finite.
    boolean finite(MemorySegment m, long at, int n);
}
