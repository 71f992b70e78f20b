package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// Count, mean and sum of squared deviations of a growing set, combined from parts (Chan, Golub & LeVeque 1983,
/// Algorithms for
/// Computing the Sample Variance).
///
/// Parts are small enough to be read twice from cache, and corrected for the rounding of their own mean; nothing
/// cancels, however large the mean
/// is compared with the deviations.
final class Moments {
    private double count;
    private double mean;
    private double deviations;

    double mean() {
        return mean;
    }

    /// The biased variance.
    double variance() {
        return Math.max(deviations / count, 0);
    }

    double deviations() {
        return deviations;
    }

    /// Adds a part.
    ///
    /// @param n its number of elements
    /// @param m its mean
    /// @param d its sum of squared deviations from its mean
    void add(double n, double m, double d) {
        double all = count + n;
        double distance = m - mean;
        mean += distance * (n / all);
        deviations += d + distance * distance * (count * n / all);
        count = all;
    }

    /// Adds `n` dense floats.
    void add(MemorySegment x, long xo, int n) {
        float near = (float) (Sums.sum(x, xo, n) / n);
        double[] sums = new double[2];
        Sums.deviations(x, xo, near, n, sums);
        add(n, near, sums[0], sums[1]);
    }

    /// Adds a part of `n` elements from the sum of its deviations from a number near its mean, and the sum of their
    /// squares.
    void add(double n, float near, double sum, double squares) {
        add(n, near + sum / n, squares - sum * sum / n);
    }
}
