package dev.palimpsest.models.infinity;

import dev.palimpsest.tensor.random.RandomSource;

/// Draws the bits of a scale.
@FunctionalInterface
public interface BitDraw {
    /// Draws a bit from each pair of probabilities.
    ///
    /// @param scale index of the scale
    /// @param probabilities pairs: that of 0 and that of 1, samples one after the other
    /// @return for each pair 0 or 1
    int[] draw(int scale, float[] probabilities);

    /// Draws with random numbers, one exponential number for each probability; see [RandomSource#multinomial].
    static BitDraw from(RandomSource random) {
        return (scale, probabilities) -> random.multinomial(probabilities, 2);
    }
}
