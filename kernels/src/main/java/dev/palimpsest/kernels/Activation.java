package dev.palimpsest.kernels;

/// Functions that a matrix product, convolution or normalisation can apply to its result before writing it.
public enum Activation {
    /// Identity.
    NONE,
    /// See [Unary#SILU].
    SILU,
    /// See [Unary#GELU_TANH].
    GELU_TANH
}
