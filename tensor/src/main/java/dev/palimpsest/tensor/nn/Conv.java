package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Convolution over time, rows and columns; parameters `weight` `(O, C, kT, kH, kW)` and, if it has one, `bias` `(O)`.
/// [PackedWeights] make it faster.
public final class Conv extends Module {
    private final Convolution geometry;
    private final Parameter weight;
    private final @Nullable Parameter bias;
    private final PackedFilters filter = new PackedFilters();
    private final PackedFilters doubled = new PackedFilters(Functional::doubledKernels);

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
        Tensor w = weight.value();
        Tensor b = bias == null ? null : bias.value();
        List<PackedFilter> packed = filter.of(w);
        return observe(
                packed == null
                        ? Functional.convolution(geometry.in(floatArithmetic()), x, w, b, residual)
                        : Functional.convolution(geometry, x, packed.getFirst(), b, residual));
    }

    /// Applies a layer with a 3x3 kernel, stride 1 and padding 1 to pictures of which every row and column is taken
    /// twice, see [Functional#doubledConvolution].
    ///
    /// @param x `(N, C, T, H, W)`
    /// @return `(N, O, T, 2H, 2W)`
    /// @throws IllegalStateException if this layer has another geometry
    public Tensor forwardDoubled(Tensor x) {
        if (!geometry.equals(Convolution.planar(1, 1))) {
            throw new IllegalStateException(
                    "conv: only a convolution with stride 1 and padding 1 can double its input, not " + geometry);
        }
        Tensor w = weight.value();
        Tensor b = bias == null ? null : bias.value();
        List<PackedFilter> packed = doubled.of(w);
        return observe(Scope.run(() -> packed == null
                ? Functional.doubledConvolution(x, w, b, floatArithmetic())
                : Functional.doubledConvolution(x, w, packed, b)));
    }

    @Override
    protected void packInto(PackedWeights weights) {
        filter.packInto(weights);
        doubled.packInto(weights);
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
