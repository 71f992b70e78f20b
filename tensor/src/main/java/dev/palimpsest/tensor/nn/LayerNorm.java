package dev.palimpsest.tensor.nn;

import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// Layer normalisation of the last axis; parameters `weight` and `bias` `(width)` if it has them.
public final class LayerNorm extends Module {
    private final float eps;
    private final @Nullable Parameter weight;
    private final @Nullable Parameter bias;

    /// A normalisation with these parameters, or with none.
    public LayerNorm(float eps, @Nullable Tensor weight, @Nullable Tensor bias) {
        this.eps = eps;
        this.weight = weight == null ? null : parameter("weight", weight);
        this.bias = bias == null ? null : parameter("bias", bias);
    }

    /// `(x - mean) * rsqrt(var + eps) * weight + bias`.
    ///
    /// @param x `(..., width)`
    public Tensor forward(Tensor x) {
        return forward(x, null, null);
    }

    /// The normalisation followed by an adaptive modulation, `(ln(x) * weight + bias) * scale + shift`.
    ///
    /// @param x `(..., width)`
    /// @param scale stretches to the shape of `x`
    /// @param shift stretches to the shape of `x`
    public Tensor forward(Tensor x, @Nullable Tensor scale, @Nullable Tensor shift) {
        return observe(Functional.layerNorm(
                x, eps, weight == null ? null : weight.value(), bias == null ? null : bias.value(), scale, shift));
    }
}
