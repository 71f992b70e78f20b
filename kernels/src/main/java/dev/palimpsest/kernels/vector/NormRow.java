package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import java.util.List;

/// The last step of a normalisation over a row of dense floats, and the whole of it for short rows.
interface NormRow {
    /// What a loop is specialised for.
    ///
    /// @param centred whether the mean is subtracted
    /// @param factor whether each element has a factor
    /// @param term whether each element has a term
    record Form(boolean centred, boolean factor, boolean term) {}

    /// All forms.
    static List<Form> forms() {
        return List.of(
                new Form(false, false, false),
                new Form(false, false, true),
                new Form(false, true, false),
                new Form(false, true, true),
                new Form(true, false, false),
                new Form(true, false, true),
                new Form(true, true, false),
                new Form(true, true, true));
    }

    /// Normalises several rows, whose starts are `xStep` and `yStep` bytes apart, with the same factors and terms.
    ///
    /// @param n length of a row, a multiple of the vector length, short enough for its sums to be added in f32
    void rows(
            MemorySegment x,
            long xo,
            long xStep,
            float eps,
            MemorySegment factor,
            long fo,
            MemorySegment term,
            long to,
            MemorySegment y,
            long yo,
            long yStep,
            int rows,
            int n);

    /// Computes `((x - mean) * inverse + remainder) * factor + term` for `n` elements, where the remainder makes up
    /// for the rounding of the mean. Positions are in bytes; `y` may be `x`.
    void run(
            MemorySegment x,
            long xo,
            float mean,
            float inverse,
            float remainder,
            MemorySegment factor,
            long fo,
            MemorySegment term,
            long to,
            MemorySegment y,
            long yo,
            int n);
}
