package dev.palimpsest.models.layers;

import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Conv;
import dev.palimpsest.tensor.nn.Embedding;
import dev.palimpsest.tensor.nn.GroupNorm;
import dev.palimpsest.tensor.nn.LayerNorm;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.tensor.nn.RmsNorm;
import dev.palimpsest.weights.WeightTree;

/// Layers over the tensors of a checkpoint. Nothing is copied: weights stay where they are mapped, in their stored
/// type.
///
/// Every method takes the node at which the layer's own keys (`weight`, `bias`) lie.
public final class Layers {
    private Layers() {}

    /// A tensor of a known shape.
    public static Tensor tensor(WeightTree at, String key, int... dims) {
        String path = at.path();
        return Tensor.borrow(at.get(key, Shape.of(dims)), path.isEmpty() ? key : path + "." + key);
    }

    /// A linear layer with bias; keys `weight` `(out, in)`, `bias` `(out)`.
    public static Linear linear(WeightTree at, int in, int out) {
        return new Linear(tensor(at, "weight", out, in), tensor(at, "bias", out));
    }

    /// A linear layer without bias; key `weight` `(out, in)`.
    public static Linear linearWithoutBias(WeightTree at, int in, int out) {
        return new Linear(tensor(at, "weight", out, in), null);
    }

    /// A convolution with bias; keys `weight` `(out, in, kT, kH, kW)`, `bias` `(out)`.
    public static Conv conv(WeightTree at, Convolution geometry, int in, int out, int kT, int kH, int kW) {
        return new Conv(geometry, tensor(at, "weight", out, in, kT, kH, kW), tensor(at, "bias", out));
    }

    /// A convolution with bias over rows and columns; keys `weight` `(out, in, kH, kW)`, `bias` `(out)`.
    public static Conv conv2d(WeightTree at, Convolution geometry, int in, int out, int kH, int kW) {
        return new Conv(geometry, tensor(at, "weight", out, in, kH, kW), tensor(at, "bias", out));
    }

    /// A root-mean-square normalisation; key `weight` `(width)`.
    public static RmsNorm rmsNorm(WeightTree at, int width, float eps) {
        return new RmsNorm(eps, tensor(at, "weight", width));
    }

    /// A layer normalisation; keys `weight` and `bias` `(width)`.
    public static LayerNorm layerNorm(WeightTree at, int width, float eps) {
        return new LayerNorm(eps, tensor(at, "weight", width), tensor(at, "bias", width));
    }

    /// A group normalisation; keys `weight` and `bias` `(channels)`.
    public static GroupNorm groupNorm(WeightTree at, int channels, int groups, float eps) {
        return new GroupNorm(groups, eps, tensor(at, "weight", channels), tensor(at, "bias", channels));
    }

    /// A table of vectors; key `weight` `(rows, width)`.
    public static Embedding embedding(WeightTree at, int rows, int width) {
        return new Embedding(tensor(at, "weight", rows, width));
    }
}
