package dev.palimpsest.kernels.vector;

/// What [SpecializedTemplate] implements.
interface SpecializedSample {
    /// The argument times the constant.
    int times(int x);

    /// A computation with everything that copying has to handle.
    double mixed(int n, double factor, long offset);
}
