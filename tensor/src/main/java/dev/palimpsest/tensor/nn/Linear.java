package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Multiplication;
import dev.palimpsest.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// Linear layer `x W^T + b`; parameters `weight` `(out, in)` and, if it has one, `bias` `(out)`. A [Lora] can adapt
/// it, and [PackedWeights] make it faster.
public final class Linear extends PackableLayer {
    private final Parameter weight;
    private final @Nullable Parameter bias;
    private @Nullable Lora lora;
    private Lora.@Nullable Adapter adapter;

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
        Tensor b = bias == null ? null : bias.value();
        Tensor w = weight.value();
        Multiplication by = multiplication(w);
        return observe(
                lora == null || adapter == null
                        ? Functional.linear(x, w, by, b, activation, gate, residual)
                        : Lora.forward(lora, adapter, x, w, by, b, activation, gate, residual));
    }

    Parameter weight() {
        return weight;
    }

    /// Whether a low-rank adapter is at work, beside the weight or in it.
    boolean isAdapted() {
        return lora != null;
    }

    /// Puts a low-rank adapter to work, or none.
    ///
    /// @param lora what it belongs to
    /// @param adapter null if it is in the weight
    void adapter(@Nullable Lora lora, Lora.@Nullable Adapter adapter) {
        this.lora = lora;
        this.adapter = adapter;
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
