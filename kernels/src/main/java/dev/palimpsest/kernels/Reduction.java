package dev.palimpsest.kernels;

/// How several elements become one.
public enum Reduction {
    /// Sum; 0 for no elements.
    SUM,
    /// Sum divided by the count; NaN for no elements.
    MEAN,
    /// Largest; negative infinity for no elements, NaN if any is NaN.
    MAX,
    /// Smallest; positive infinity for no elements, NaN if any is NaN.
    MIN
}
