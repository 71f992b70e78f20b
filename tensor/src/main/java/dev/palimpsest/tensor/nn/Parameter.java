package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Tensor;

/// A learned tensor of a [Module].
public final class Parameter {
    private Tensor value;

    Parameter(Tensor value) {
        this.value = value;
    }

    /// The tensor itself, in the type in which it is stored.
    public Tensor value() {
        return value;
    }

    /// Puts another tensor of the same extents in its place.
    void replace(Tensor other) {
        value = other;
    }

    /// Its extents.
    public Shape shape() {
        return value.shape();
    }
}
