package dev.palimpsest.kernels;

/// Elementwise functions of two arguments, with broadcasting. Comparisons write [DType#BOOL].
public enum Binary {
    /// `a + b`
    ADD,
    /// `a - b`
    SUBTRACT,
    /// `a * b`
    MULTIPLY,
    /// `a / b`
    DIVIDE,
    /// The smaller one; NaN if either is NaN.
    MIN,
    /// The larger one; NaN if either is NaN.
    MAX,
    /// `a` to the power of `b`.
    POWER,
    /// `a == b`
    EQUAL,
    /// `a < b`
    LESS,
    /// `a <= b`
    LESS_EQUAL;

    /// Whether the result is a truth value.
    public boolean isComparison() {
        return this == EQUAL || this == LESS || this == LESS_EQUAL;
    }
}
