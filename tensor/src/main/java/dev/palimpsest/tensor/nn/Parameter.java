package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Tensor;

/// A learned tensor of a [Module].
public final class Parameter {
    private final Tensor value;

    Parameter(Tensor value) {
        this.value = value;
    }

    /// The tensor itself, in the type in which it is stored.
    public Tensor value() {
        return value;
    }

    /// Its extents.
    public Shape shape() {
        return value.shape();
    }
}
