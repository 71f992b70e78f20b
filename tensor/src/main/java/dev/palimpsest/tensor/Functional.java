package dev.palimpsest.tensor;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Shape;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The larger building blocks of neural networks as functions, each one fused kernel call.
public final class Functional {
    private Functional() {}

    /// Linear layer `x W^T + b`.
    ///
    /// @param x `(..., in)`
    /// @param weight `(out, in)`
    /// @param bias `(out)`
    /// @return `(..., out)`
    public static Tensor linear(Tensor x, Tensor weight, @Nullable Tensor bias) {
        return linear(x, weight, bias, Activation.NONE, null, null);
    }

    /// Linear layer with everything that may follow it: `residual + gate * activation(x W^T + b)`.
    ///
    /// @param x `(..., in)`
    /// @param weight `(out, in)`
    /// @param bias `(out)`
    /// @param gate stretches to the result's shape
    /// @param residual stretches to the result's shape
    /// @return `(..., out)`
    public static Tensor linear(
            Tensor x,
            Tensor weight,
            @Nullable Tensor bias,
            Activation activation,
            @Nullable Tensor gate,
            @Nullable Tensor residual) {
        return linear(x, weight, Multiplication.PLAIN, bias, activation, gate, residual);
    }

    /// The same with a product of another arithmetic, or with a packed copy of the weight. Gradients are those of the
    /// weight in f32.
    ///
    /// @param by how to multiply by the weight
    public static Tensor linear(
            Tensor x,
            Tensor weight,
            Multiplication by,
            @Nullable Tensor bias,
            Activation activation,
            @Nullable Tensor gate,
            @Nullable Tensor residual) {
        return new NnOps.Linear(activation, by).apply(x, weight, bias, gate, residual);
    }

    /// Convolution over time, rows and columns; see [Convolution].
    ///
    /// @param x `(N, C, T, H, W)`
    /// @param weight `(O, C, kT, kH, kW)`
    /// @param bias `(O)`
    /// @param residual added to the result, of its shape
    /// @return `(N, O, T', H', W')`, channels innermost in memory
    public static Tensor convolution(
            Convolution geometry, Tensor x, Tensor weight, @Nullable Tensor bias, @Nullable Tensor residual) {
        return new NnOps.Convolve(geometry, null).apply(x, weight, bias, residual);
    }

    /// The same with a weight that the kernels in force have packed, in the arithmetic that it was packed for. It has
    /// no gradient.
    ///
    /// @param packed `(O, C, kT, kH, kW)`
    public static Tensor convolution(
            Convolution geometry, Tensor x, PackedFilter packed, @Nullable Tensor bias, @Nullable Tensor residual) {
        return new NnOps.Convolve(geometry.in(packed.arithmetic()), packed).apply(x, null, bias, residual);
    }

    /// Convolution with a 3x3 kernel of pictures of which every row and column is taken twice, padded by one zero on
    /// every side, in less than half of the multiplications.
    ///
    /// @param x `(N, C, T, H, W)`
    /// @param weight `(O, C, 1, 3, 3)`
    /// @param bias `(O)`
    /// @return `(N, O, T, 2H, 2W)`, channels innermost in memory
    public static Tensor doubledConvolution(Tensor x, Tensor weight, @Nullable Tensor bias) {
        return doubledConvolution(x, weight, bias, Arithmetic.F32);
    }

    /// The same in another arithmetic.
    ///
    /// @param arithmetic [Arithmetic#F32] or [Arithmetic#BF16], see [Convolution]
    public static Tensor doubledConvolution(Tensor x, Tensor weight, @Nullable Tensor bias, Arithmetic arithmetic) {
        return new DoubledConvolve(arithmetic, null).apply(x, weight, bias);
    }

    /// The same with the kernels that [#doubledKernels] makes, packed in their order.
    public static Tensor doubledConvolution(Tensor x, Tensor weight, List<PackedFilter> packed, @Nullable Tensor bias) {
        return new DoubledConvolve(packed.getFirst().arithmetic(), packed).apply(x, weight, bias);
    }

    /// The four kernels with which [#doubledConvolution] convolves.
    ///
    /// @param weight `(O, C, 1, 3, 3)`
    /// @return each `(O, C, 1, 2, 2)`, f32
    public static List<Tensor> doubledKernels(Tensor weight) {
        return DoubledConvolve.folded(weight);
    }

    /// Scaled dot-product attention of packed sequences, `softmax(scale q k^T) v` per head over the visible keys.
    ///
    /// @param q `(Lq, heads, headDim)`
    /// @param k `(Lk, heads, headDim)`
    /// @param v `(Lk, heads, valueDim)`
    /// @return `(Lq, heads, valueDim)`
    public static Tensor attention(Tensor q, Tensor k, Tensor v, float scale, KeyRanges visible) {
        return attention(q, k, v, scale, visible, Arithmetic.F32);
    }

    /// Scaled dot-product attention with products of another arithmetic; its gradient is computed in f32.
    ///
    /// @param q `(Lq, heads, headDim)`
    /// @param k `(Lk, heads, headDim)`
    /// @param v `(Lk, heads, valueDim)`
    /// @param arithmetic [Arithmetic#F32] or [Arithmetic#BF16], see [dev.palimpsest.kernels.Attention]
    /// @return `(Lq, heads, valueDim)`
    public static Tensor attention(
            Tensor q, Tensor k, Tensor v, float scale, KeyRanges visible, Arithmetic arithmetic) {
        return new NnOps.Attend(scale, visible, null, null, arithmetic).apply(q, k, v, null);
    }

    /// Scaled dot-product attention with a bias and extra outputs; see [dev.palimpsest.kernels.Attention].
    ///
    /// @param q `(Lq, heads, headDim)`
    /// @param k `(Lk, heads, headDim)`
    /// @param v `(Lk, heads, valueDim)`
    /// @param bias added to the scaled scores, stretches to `(heads, Lq, Lk)`
    /// @param probabilities overwritten with the attention probabilities `(heads, Lq, Lk)`
    /// @param logSumExp overwritten with the logarithm of the softmax denominators `(Lq, heads)`
    /// @return `(Lq, heads, valueDim)`
    public static Tensor attention(
            Tensor q,
            Tensor k,
            Tensor v,
            float scale,
            KeyRanges visible,
            @Nullable Tensor bias,
            @Nullable Tensor probabilities,
            @Nullable Tensor logSumExp) {
        return new NnOps.Attend(scale, visible, probabilities, logSumExp, Arithmetic.F32).apply(q, k, v, bias);
    }

    /// Root-mean-square normalisation of the last axis, `x * rsqrt(mean(x^2) + eps) * weight`.
    ///
    /// @param x `(..., width)`
    /// @param weight `(width)`
    public static Tensor rmsNorm(Tensor x, float eps, @Nullable Tensor weight) {
        return rmsNorm(x, eps, weight, null, null);
    }

    /// Root-mean-square normalisation with learned weight and adaptive modulation, `rms(x) * weight * scale + shift`.
    ///
    /// @param x `(..., width)`
    /// @param weight `(width)`
    /// @param scale stretches to the shape of `x`; used as it is (no "1 +")
    /// @param shift stretches to the shape of `x`
    public static Tensor rmsNorm(
            Tensor x, float eps, @Nullable Tensor weight, @Nullable Tensor scale, @Nullable Tensor shift) {
        return new NnOps.RmsNormalise(eps).apply(x, weight, null, scale, shift);
    }

    /// Layer normalisation of the last axis with learned and adaptive parts, `(ln(x) * weight + bias) * scale +
    /// shift`.
    ///
    /// @param x `(..., width)`
    /// @param weight `(width)`
    /// @param bias `(width)`
    /// @param scale stretches to the shape of `x`; used as it is (no "1 +")
    /// @param shift stretches to the shape of `x`
    public static Tensor layerNorm(
            Tensor x,
            float eps,
            @Nullable Tensor weight,
            @Nullable Tensor bias,
            @Nullable Tensor scale,
            @Nullable Tensor shift) {
        return new NnOps.LayerNormalise(eps).apply(x, weight, bias, scale, shift);
    }

    /// Group normalisation with an activation behind it.
    ///
    /// @param x `(N, C, ...)`
    /// @param weight `(C)`
    /// @param bias `(C)`
    public static Tensor groupNorm(Tensor x, int groups, float eps, Tensor weight, Tensor bias, Activation activation) {
        return new NnOps.GroupNormalise(groups, eps, activation).apply(x, weight, bias);
    }

    /// Rotary embedding of the first `2 r` elements of every head.
    ///
    /// @param x `(L, heads, headDim)`
    /// @param cos `(L, r)`
    /// @param sin `(L, r)`
    public static Tensor rope(RopeLayout layout, Tensor x, Tensor cos, Tensor sin) {
        return new NnOps.Rotate(layout).apply(x, cos, sin);
    }

    /// Resizes the axes behind the first two.
    ///
    /// @param x `(N, C, H, W)` or `(N, C, T, H, W)`
    /// @param extents the new extents of the axes behind the first two
    public static Tensor interpolate(Interpolation mode, Tensor x, int... extents) {
        if (extents.length != x.rank() - 2) {
            throw new IllegalArgumentException(
                    "interpolate: " + x.shape() + " needs " + (x.rank() - 2) + " new extents, not " + extents.length);
        }
        Shape to = x.shape();
        for (int i = 0; i < extents.length; i++) {
            to = to.with(i + 2, extents[i]);
        }
        return new NnOps.Resample(mode, to).apply(x);
    }
}
