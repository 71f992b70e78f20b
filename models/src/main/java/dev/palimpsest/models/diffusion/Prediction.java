package dev.palimpsest.models.diffusion;

/// What a denoiser is trained to predict. `x_0` is the clean sample, `x_T` the noise.
public enum Prediction {
    /// The clean sample `x_0`.
    X_0,
    /// The noise `x_T` ("epsilon", Ho et al. 2020, arXiv 2006.11239).
    X_T,
    /// The velocity `A x_T - B x_0` (Salimans & Ho 2022, arXiv 2202.00512).
    V_COS,
    /// The velocity `x_T - x_0` of the straight line between both (Liu et al. 2022, arXiv 2209.03003; Lipman et al.
    /// 2022, arXiv 2210.02747).
    V_LERP
}
