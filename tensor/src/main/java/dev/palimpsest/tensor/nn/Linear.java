package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// Linear layer `x W^T + b`; parameters `weight` `(out, in)` and, if it has one, `bias` `(out)`.
public final class Linear extends Module {
    private final Parameter weight;
    private final @Nullable Parameter bias;

    /// A layer over these tensors.
    public Linear(Tensor weight, @Nullable Tensor bias) {
        this.weight = parameter("weight", weight);
        this.bias = bias == null ? null : parameter("bias", bias);
    }

    /// Applies the layer to the last axis.
    ///
    /// @param x `(..., in)`
    /// @return `(..., out)`
    public Tensor forward(Tensor x) {
        return forward(x, Activation.NONE, null, null);
    }

    /// Applies the layer and what follows it in one kernel: `residual + gate * activation(x W^T + b)`.
    ///
    /// @param x `(..., in)`
    /// @param gate stretches to the result's shape
    /// @param residual stretches to the result's shape
    /// @return `(..., out)`
    public Tensor forward(Tensor x, Activation activation, @Nullable Tensor gate, @Nullable Tensor residual) {
        return observe(
                Functional.linear(x, weight.value(), bias == null ? null : bias.value(), activation, gate, residual));
    }

    /// Width of the input.
    public int in() {
        return weight.shape().dim(1);
    }

    /// Width of the output.
    public int out() {
        return weight.shape().dim(0);
    }
}
