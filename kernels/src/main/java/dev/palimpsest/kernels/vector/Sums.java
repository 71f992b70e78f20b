package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Sums along rows of dense floats, always added in the same order.
///
/// Four vectors accumulate in f32 over a block; blocks are added in f64. The error therefore does not grow with the
/// length of
/// the row, and nothing depends on how work is dealt out or on whether the loop is compiled yet.
final class Sums {
    /// Elements that are summed in f32: 64 or more chains of at most 64 additions.
    static final int BLOCK = 4096;

    private Sums() {}

    /// Sum of `n` floats at byte `xo`.
    static double sum(MemorySegment x, long xo, int n) {
        double total = 0;
        for (int i = 0; i < n; i += BLOCK) {
            total += SumRow.LOOP.sum(x, xo + 4L * i, Math.min(BLOCK, n - i));
        }
        return total;
    }

    /// Sum of the squares of `n` floats.
    static double squares(MemorySegment x, long xo, int n) {
        double total = 0;
        for (int i = 0; i < n; i += BLOCK) {
            total += SumRow.LOOP.squares(x, xo + 4L * i, Math.min(BLOCK, n - i));
        }
        return total;
    }

    /// Adds the differences between `n` floats and `mean` to `sums[0]`, and their squares to `sums[1]`.
    ///
    /// The first sum shows by how much `mean` misses the mean (the corrected two-pass algorithm of Chan, Golub &
    /// LeVeque 1983).
    static void deviations(MemorySegment x, long xo, float mean, int n, double[] sums) {
        for (int i = 0; i < n; i += BLOCK) {
            SumRow.LOOP.deviations(x, xo + 4L * i, mean, Math.min(BLOCK, n - i), sums);
        }
    }
}
