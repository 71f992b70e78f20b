package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Tensor;

/// Group normalisation; parameters `weight` and `bias` `(C)`.
public final class GroupNorm extends Module {
    private final int groups;
    private final float eps;
    private final Parameter weight;
    private final Parameter bias;

    /// A normalisation with these parameters.
    ///
    /// @throws IllegalArgumentException if the number of channels is not divisible by `groups`
    public GroupNorm(int groups, float eps, Tensor weight, Tensor bias) {
        if (groups < 1 || weight.dim(0) % groups != 0) {
            throw new IllegalArgumentException(
                    "group_norm: " + weight.dim(0) + " channels do not form " + groups + " groups");
        }
        this.groups = groups;
        this.eps = eps;
        this.weight = parameter("weight", weight);
        this.bias = parameter("bias", bias);
    }

    /// Normalises and applies the activation.
    ///
    /// @param x `(N, C, ...)`
    public Tensor forward(Tensor x, Activation activation) {
        return observe(Functional.groupNorm(x, groups, eps, weight.value(), bias.value(), activation));
    }
}
