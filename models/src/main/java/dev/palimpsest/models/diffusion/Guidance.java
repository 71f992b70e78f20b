package dev.palimpsest.models.diffusion;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.stream.IntStream;

/// Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): pushes a prediction made with the prompt
/// (positive) away from one made with another prompt or none (negative).
///
/// @param scale how far; 1 leaves the positive prediction alone
/// @param rescale how much of the positive prediction's deviation is restored, 0 to 1 (Lin et al. 2023, arXiv
///     2305.08891, section 3.4)
/// @param partial the share of the steps that are guided, counted from the first; the steps after have the scale 1
public record Guidance(double scale, double rescale, double partial) {
    /// Guidance with checked settings.
    public Guidance {
        if (!Double.isFinite(scale)) {
            throw new IllegalArgumentException("guidance: the scale " + scale + " is not a number");
        }
        if (!(rescale >= 0 && rescale <= 1)) {
            throw new IllegalArgumentException("guidance: the rescale " + rescale + " does not lie between 0 and 1");
        }
        if (!(partial >= 0 && partial <= 1)) {
            throw new IllegalArgumentException("guidance: the share " + partial + " does not lie between 0 and 1");
        }
    }

    /// Guidance of this scale in all steps.
    public static Guidance of(double scale) {
        return new Guidance(scale, 0, 1);
    }

    /// The scale in a step: [#scale] if `(step + 1) / steps <= partial`, else 1.
    ///
    /// @param step number of the step, from 0
    public double scaleAt(int step, int steps) {
        return (step + 1) / (double) steps <= partial ? scale : 1;
    }

    /// Whether a step needs the negative prediction.
    ///
    /// @param step number of the step, from 0
    public boolean needsNegative(int step, int steps) {
        return scaleAt(step, steps) != 1;
    }

    /// The guided prediction, `c = negative + scale (positive - negative)`; with `rescale` r it is multiplied by `r
    /// std(positive) / std(c) + (1 - r)`, the standard deviations being unbiased and taken over all axes but the
    /// first.
    ///
    /// @param positive `(n, ...)`
    /// @param negative `(n, ...)`
    /// @return `(n, ...)`
    public Tensor combine(Tensor positive, Tensor negative) {
        return Scope.run(() -> {
            Tensor c = negative.add(positive.sub(negative).mul(scale)); // (n, ...)
            if (rescale == 0) {
                return c;
            }
            int[] axes = IntStream.range(1, c.rank()).toArray();
            Tensor ratio = positive.std(1, axes).div(c.std(1, axes)); // (n, 1, ...)
            return c.mul(ratio.mul(rescale).add(1 - rescale));
        });
    }
}
