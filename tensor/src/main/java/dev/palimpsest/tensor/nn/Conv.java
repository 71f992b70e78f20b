package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// Convolution over time, rows and columns; parameters `weight` `(O, C, kT, kH, kW)` and, if it has one, `bias` `(O)`.
public final class Conv extends Module {
    private final Convolution geometry;
    private final Parameter weight;
    private final @Nullable Parameter bias;

    /// A layer over these tensors. A 2-D weight `(O, C, kH, kW)` gets a time extent of 1.
    public Conv(Convolution geometry, Tensor weight, @Nullable Tensor bias) {
        this.geometry = geometry;
        this.weight = parameter("weight", weight.rank() == 4 ? weight.unsqueeze(2) : weight);
        this.bias = bias == null ? null : parameter("bias", bias);
    }

    /// Applies the layer.
    ///
    /// @param x `(N, C, T, H, W)`
    /// @return `(N, O, T', H', W')`
    public Tensor forward(Tensor x) {
        return forward(x, geometry, null);
    }

    /// Applies the layer with another geometry, for example other padding for a later part of a video, and adds
    /// `residual`.
    ///
    /// @param x `(N, C, T, H, W)`
    /// @param residual `(N, O, T', H', W')`
    /// @return `(N, O, T', H', W')`
    public Tensor forward(Tensor x, Convolution geometry, @Nullable Tensor residual) {
        return observe(
                Functional.convolution(geometry, x, weight.value(), bias == null ? null : bias.value(), residual));
    }

    /// The geometry given at construction.
    public Convolution geometry() {
        return geometry;
    }

    /// The kernel, `(O, C, kT, kH, kW)`.
    public Parameter weight() {
        return weight;
    }
}
