package dev.palimpsest.kernels;

/// Elementwise functions of one argument.
public enum Unary {
    /// `-x`
    NEGATE,
    /// `|x|`
    ABS,
    /// `e^x`
    EXP,
    /// Natural logarithm.
    LOG,
    /// Square root.
    SQRT,
    /// `1 / sqrt(x)`
    RSQRT,
    /// `1 / x`
    RECIPROCAL,
    /// `x^2`
    SQUARE,
    /// Sine of radians.
    SIN,
    /// Cosine of radians.
    COS,
    /// Hyperbolic tangent.
    TANH,
    /// Logistic function `1 / (1 + e^-x)`.
    SIGMOID,
    /// `x * sigmoid(x)`, also called swish (Ramachandran et al. 2017, arXiv 1710.05941).
    SILU,
    /// Gaussian error linear unit in its tanh form, `x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))` (Hendrycks &
    /// Gimpel 2016, arXiv 1606.08415).
    GELU_TANH,
    /// Gaussian error linear unit, `x/2 * (1 + erf(x / sqrt 2))`.
    GELU,
    /// `max(x, 0)`
    RELU,
    /// Largest integer not above x.
    FLOOR,
    /// Nearest integer, ties to even.
    ROUND
}
