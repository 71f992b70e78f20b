package dev.palimpsest.kernels;

/// How values between samples are found when the extent of the last axes changes, with PyTorch's definitions.
public enum Interpolation {
    /// Nearest sample: input index `floor(i * in / out)`.
    NEAREST,
    /// Linear along every resized axis (bilinear on two, trilinear on three), sample centres at halves: `src = max((i
    /// + 0.5) * in / out - 0.5, 0)`. No antialiasing.
    LINEAR,
    /// Linear along every resized axis with the corner samples of input and output at the same places: `src = i * (in
    /// - 1) / (out - 1)`.
    LINEAR_ALIGN_CORNERS,
    /// Adaptive average: output i averages inputs `floor(i*in/out)` to `ceil((i+1)*in/out) - 1`.
    AREA,
    /// Cubic convolution with `a = -0.5` whose support widens when the extent shrinks (Keys 1981; PIL and PyTorch's
    /// `antialias=True`). Two axes only.
    BICUBIC_ANTIALIAS
}
