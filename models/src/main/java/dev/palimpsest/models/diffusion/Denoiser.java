package dev.palimpsest.models.diffusion;

import dev.palimpsest.tensor.Tensor;

/// A model that looks at a noisy sample and predicts where it came from; see [Prediction].
@FunctionalInterface
public interface Denoiser {
    /// The prediction for the state `x` at time `t`.
    ///
    /// @param x the noisy sample
    /// @param t the time, one for all
    /// @param step number of this call, from 0
    /// @return as large as `x`
    Tensor predict(Tensor x, double t, int step);
}
