package dev.palimpsest.tensor.nn;

import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// Root-mean-square normalisation of the last axis; parameter `weight` `(width)` if it has one.
public final class RmsNorm extends Module {
    private final float eps;
    private final @Nullable Parameter weight;

    /// A normalisation with this weight, or with none.
    public RmsNorm(float eps, @Nullable Tensor weight) {
        this.eps = eps;
        this.weight = weight == null ? null : parameter("weight", weight);
    }

    /// `x * rsqrt(mean(x^2) + eps) * weight`.
    ///
    /// @param x `(..., width)`
    public Tensor forward(Tensor x) {
        return forward(x, null, null);
    }

    /// The normalisation followed by an adaptive modulation, `rms(x) * weight * scale + shift`.
    ///
    /// @param x `(..., width)`
    /// @param scale stretches to the shape of `x`
    /// @param shift stretches to the shape of `x`
    public Tensor forward(Tensor x, @Nullable Tensor scale, @Nullable Tensor shift) {
        return observe(Functional.rmsNorm(x, eps, weight == null ? null : weight.value(), scale, shift));
    }
}
