package dev.palimpsest.models.conformance;

/// How far a computed tensor may be from the expected one.
public sealed interface Tolerance {
    /// Every element is equal.
    record Exact() implements Tolerance {}

    /// `||a - b|| / ||b|| <= relL2` in the Euclidean norm. Where the expected tensor is all but zero (no element of a
    /// magnitude above `maxAbs`) a relative error says nothing, and `max|a - b| <= maxAbs` is enough.
    ///
    /// @param relL2 largest relative error of the tensor as a whole
    /// @param maxAbs largest error of one element where the tensor is all but zero
    record Close(double relL2, double maxAbs) implements Tolerance {}

    /// An 8-bit picture: no value differs by more than `levels`, the mean difference is at most `meanLevels`.
    ///
    /// @param levels largest difference, in grey levels
    /// @param meanLevels largest mean of the absolute differences, in grey levels
    record Picture(int levels, double meanLevels) implements Tolerance {}

    /// Every element is equal.
    Tolerance EXACT = new Exact();

    /// An 8-bit picture that may differ where rounding went the other way: 2 levels at most, 0.1 on average.
    Tolerance PICTURE = new Picture(2, 0.1);
}
