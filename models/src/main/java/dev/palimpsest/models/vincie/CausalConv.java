package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.nn.PackedFilters;
import dev.palimpsest.tensor.nn.PackedWeights;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A 3-D convolution that never looks ahead in time: the first frame is repeated in front and nothing is put behind.
/// Parameters `weight` `(O, C, kT, kH, kW)` and `bias` `(O)`.
///
/// Of a video that comes in chunks it remembers the last `kT - strideT` input frames (of the extended input), which
/// then stand in front of the next chunk instead of the repeated frame; see [CausalMemory].
///
/// A single image meets its own copies at every time tap, so it is convolved in 2-D with the kernel summed over time,
/// a third of the work. That sum is made anew each time and released at once, at the cost of one pass over the
/// weights, unless [PackedWeights] keep it: then all sums take a third of the model's weights in f32 (325 MB for
/// VINCIE's) and the weights themselves are read only once.
final class CausalConv extends Module {
    private final Convolution geometry;
    private final Tensor weight; // (O, C, kT, kH, kW)
    private final Tensor bias; // (O)
    private final PackedFilters filter = new PackedFilters();
    private final PackedFilters summed = new PackedFilters(w -> List.of(summedOverTime(w)));

    /// A convolution over a checkpoint's tensors.
    ///
    /// @param kernel `kT, kH, kW`
    /// @param geometry as [#causal] makes it, possibly with other padding in space
    /// @param inflation what to do with a 2-D kernel `(O, C, kH, kW)`
    CausalConv(WeightTree at, int in, int out, int[] kernel, Convolution geometry, KernelInflation inflation) {
        boolean flat = inflation != KernelInflation.NONE
                && at.has("weight")
                && at.shape("weight").rank() == 4;
        this.geometry = geometry;
        this.weight = parameter(
                        "weight",
                        flat
                                ? inflation.inflate(
                                        Layers.tensor(at, "weight", out, in, kernel[1], kernel[2]), kernel[0])
                                : Layers.tensor(at, "weight", out, in, kernel[0], kernel[1], kernel[2]))
                .value();
        this.bias = parameter("bias", Layers.tensor(at, "bias", out)).value();
    }

    /// A convolution that keeps all extents: a cube of odd size `kernel`, stride 1, and just enough padding.
    static CausalConv keepingSize(WeightTree at, int in, int out, int kernel, KernelInflation inflation) {
        int p = kernel / 2;
        return new CausalConv(
                at,
                in,
                out,
                new int[] {kernel, kernel, kernel},
                causal(new int[] {1, 1, 1}, new int[] {p, p, p}),
                inflation);
    }

    /// The geometry of a causal convolution: twice the padding in time in front of the first frame, and in space zeros
    /// on all sides.
    ///
    /// @param stride in time, rows, columns
    /// @param padding in time, rows, columns
    static Convolution causal(int[] stride, int[] padding) {
        return new Convolution(
                stride[0],
                stride[1],
                stride[2],
                2 * padding[0],
                0,
                padding[1],
                padding[1],
                padding[2],
                padding[2],
                true);
    }

    /// Convolves a video or a chunk of one.
    ///
    /// @param x `(N, C, T, H, W)`
    /// @return `(N, O, T', H', W')`
    Tensor forward(Tensor x, CausalMemory memory) {
        return forward(x, memory, null);
    }

    /// Convolves a video or a chunk of one and adds `residual` to the result in the same kernel. An observer sees the
    /// convolution without it.
    ///
    /// @param x `(N, C, T, H, W)`
    /// @param residual `(N, O, T', H', W')`
    /// @return `(N, O, T', H', W')`
    Tensor forward(Tensor x, CausalMemory memory, @Nullable Tensor residual) {
        if (residual != null && Observer.current() != null) {
            return Scope.run(() -> Frames.add(forward(x, memory, null), residual));
        }
        return observe(Scope.run(() -> {
            Tensor before = memory.recall(this); // (N, C, kept, H, W) or null
            Tensor y = convolve(x, before, residual); // (N, O, T', H', W')
            if (memory.state() != CausalMemory.State.DISABLED && kept() > 0) {
                memory.keep(this, lastFrames(x, before));
            }
            return y;
        }));
    }

    @Override
    protected void packInto(PackedWeights weights) {
        filter.packInto(weights);
        summed.packInto(weights);
    }

    private Tensor convolve(Tensor x, @Nullable Tensor before, @Nullable Tensor residual) {
        if (before != null) {
            Tensor extended = Frames.concat(List.of(before, x)); // (N, C, kept + T, H, W)
            return convolve(withoutRepeats(), extended, residual);
        }
        int taps = weight.dim(2);
        if (taps > 1 && x.dim(2) == 1 && geometry.front() + 1 == taps) {
            List<PackedFilter> packed = summed.of(weight);
            return packed == null
                    ? Functional.convolution(
                            withoutRepeats().in(floatArithmetic()), x, summedOverTime(weight), bias, residual)
                    : Functional.convolution(withoutRepeats(), x, packed.getFirst(), bias, residual);
        }
        return convolve(geometry, x, residual);
    }

    private Tensor convolve(Convolution g, Tensor x, @Nullable Tensor residual) {
        List<PackedFilter> packed = filter.of(weight);
        return packed == null
                ? Functional.convolution(g.in(floatArithmetic()), x, weight, bias, residual)
                : Functional.convolution(g, x, packed.getFirst(), bias, residual);
    }

    /// A kernel summed over time, computed as a product with zeros and ones: matrix kernels are fast on any shape, but
    /// the numbers to be added lie in runs too short for a fast sum.
    ///
    /// @param w `(O, C, kT, kH, kW)`
    /// @return `(O, C, 1, kH, kW)`, f32
    private static Tensor summedOverTime(Tensor w) {
        int taps = w.dim(2);
        int area = w.dim(3) * w.dim(4);
        float[] ones = new float[area * taps * area];
        for (int position = 0; position < area; position++) {
            for (int tap = 0; tap < taps; tap++) {
                ones[(position * taps + tap) * area + position] = 1;
            }
        }
        Tensor select = Tensor.of(ones, area, taps * area); // (kH kW, kT kH kW)
        Tensor summed = Functional.linear(w.reshape(-1, taps * area), select, null); // (O C, kH kW)
        return summed.reshape(w.shape().with(2, 1));
    }

    private Convolution withoutRepeats() {
        Convolution g = geometry;
        return new Convolution(
                g.strideT(), g.strideH(), g.strideW(), 0, 0, g.top(), g.bottom(), g.left(), g.right(), false);
    }

    /// Frames that the windows of the next chunk reach back.
    private int kept() {
        return weight.dim(2) - geometry.strideT();
    }

    /// The last frames of the extended input: of `x`, and where it is too short of what stands in front of it.
    private Tensor lastFrames(Tensor x, @Nullable Tensor before) {
        int t = x.dim(2);
        int missing = kept() - t;
        if (missing <= 0) {
            return x.slice(2, t - kept(), t); // (N, C, kept, H, W)
        }
        List<Tensor> parts = new ArrayList<>();
        if (before != null) {
            parts.add(before.slice(2, Math.max(before.dim(2) - missing, 0), before.dim(2)));
        } else {
            for (int i = 0; i < Math.min(missing, geometry.front()); i++) {
                parts.add(x.slice(2, 0, 1));
            }
        }
        parts.add(x);
        return Frames.concat(parts); // (N, C, kept, H, W)
    }
}
