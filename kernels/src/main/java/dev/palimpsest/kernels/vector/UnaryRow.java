package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// A function of one argument over a row of dense floats.
///
/// The longer functions fill what the compiler is willing to inline into one method. A loop therefore holds its
/// function only
/// once and runs over whole vectors; [#apply] takes what is left over through a vector of scratch memory.
@FunctionalInterface
interface UnaryRow {
    /// Applies the function to `n` floats, a multiple of the vector length, at byte `xo` of `x` and writes them at byte
    /// `yo` of
    /// `y`, which may be the same.
    void run(MemorySegment x, long xo, MemorySegment y, long yo, int n);

    /// Applies the function to any number of floats.
    ///
    /// @param pad memory for one vector at byte `po`
    default void apply(MemorySegment x, long xo, MemorySegment y, long yo, int n, MemorySegment pad, long po) {
        int rest = n % Simd.LANES;
        int whole = n - rest;
        run(x, xo, y, yo, whole);
        if (rest > 0) {
            MemorySegment.copy(x, xo + 4L * whole, pad, po, 4L * rest);
            run(pad, po, pad, po, Simd.LANES);
            MemorySegment.copy(pad, po, y, yo + 4L * whole, 4L * rest);
        }
    }
}
