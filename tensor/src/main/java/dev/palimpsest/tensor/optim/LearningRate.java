package dev.palimpsest.tensor.optim;

/// The learning rate as a function of the number of updates made so far.
@FunctionalInterface
public interface LearningRate {
    /// The rate of the next update.
    ///
    /// @param updates updates made so far, from 0
    double at(long updates);

    /// The same rate for ever.
    static LearningRate constant(double rate) {
        return updates -> rate;
    }

    /// Rises on a straight line to its peak, then falls on a straight line to its end and stays there.
    ///
    /// @param peak highest rate, reached after `warmUp` updates
    /// @param warmUp number of updates on the way up; the first has the rate `peak * start`
    /// @param start first rate as a share of the peak
    /// @param total number of updates in all; the last of them has the rate `peak * end`
    /// @param end last rate as a share of the peak
    /// @throws IllegalArgumentException if the numbers of updates or shares make no sense
    static LearningRate linear(double peak, long warmUp, double start, long total, double end) {
        return linear(peak, warmUp, start, total, end, 0);
    }

    /// Rises on a straight line to its peak, stays there for a while, then falls on a straight line to its end and
    /// stays there.
    ///
    /// @param peak highest rate, reached after `warmUp` updates
    /// @param warmUp number of updates on the way up; the first has the rate `peak * start`
    /// @param start first rate as a share of the peak
    /// @param total number of updates in all; the last of them has the rate `peak * end`
    /// @param end last rate as a share of the peak
    /// @param hold how much of the updates after those on the way up have the peak rate, as a share below 1; 0.05 in
    ///     the schedule that Infinity calls `lin0`
    /// @throws IllegalArgumentException if the numbers of updates or shares make no sense
    static LearningRate linear(double peak, long warmUp, double start, long total, double end, double hold) {
        if (warmUp < 0
                || total < warmUp
                || !(start >= 0 && start <= 1 && end >= 0 && end <= 1 && hold >= 0 && hold < 1)) {
            throw new IllegalArgumentException("learning rate: " + warmUp + " of " + total
                    + " updates to warm up and the shares " + start + ", " + end + " and " + hold
                    + " make no schedule");
        }
        return updates -> {
            if (updates < warmUp) {
                return peak * (start + (1 - start) * updates / warmUp);
            }
            long falling = total - 1 - warmUp;
            double way = falling <= 0 ? 1 : Math.min(1, (double) (updates - warmUp) / falling);
            return way < hold ? peak : peak * (1 + (end - 1) * (way - hold) / (1 - hold));
        };
    }
}
