package dev.palimpsest.tensor;

import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;

/// The gradient of a convolution as one matrix product per position of the kernel.
///
/// A convolution is a sum over the positions of its kernel: each contributes the product of a strided part of the
/// padded input with one `(O, C)` slice of the weight. Both gradients follow position by position. Everything lies
/// with the channels innermost here.
final class ConvolutionGradient {
    private final Convolution geometry;
    private final Tensor input; // (N, C, T, H, W)
    private final Tensor weight; // (O, C, kT, kH, kW)
    private final Tensor rows; // (N T' H' W', O)
    private final Shape out; // (N, O, T', H', W')

    ConvolutionGradient(Convolution geometry, Tensor input, Tensor weight, Tensor gradient) {
        this.geometry = geometry;
        this.input = input;
        this.weight = weight;
        this.out = gradient.shape();
        this.rows = gradient.permute(0, 2, 3, 4, 1).reshape(-1, out.dim(1));
    }

    /// The derivative by the input, `(N, C, T, H, W)`.
    Tensor input() {
        Tensor padded = Tensor.full(DType.F32, padded(), 0); // (N, T + padding, H + padding, W + padding, C)
        forEachPosition((t, h, w) -> {
            Tensor slice = weight.select(4, w).select(3, h).select(2, t); // (O, C)
            Tensor part = padded.view(seen(padded.array(), t, h, w)); // (N, T', H', W', C)
            part.addInPlace(rows.matmul(slice).reshape(part.shape()));
        });
        if (geometry.replicateFront()) {
            for (int frame = 0; frame < geometry.front(); frame++) {
                padded.slice(1, geometry.front(), geometry.front() + 1).addInPlace(padded.slice(1, frame, frame + 1));
            }
        }
        return inner(padded).permute(0, 4, 1, 2, 3);
    }

    /// The derivative by the weight, `(O, C, kT, kH, kW)`.
    Tensor weight() {
        Tensor padded = Tensor.full(DType.F32, padded(), 0); // (N, T + padding, H + padding, W + padding, C)
        inner(padded).copyInPlace(input.permute(0, 2, 3, 4, 1));
        if (geometry.replicateFront() && geometry.front() > 0) {
            padded.slice(1, 0, geometry.front()).copyInPlace(padded.slice(1, geometry.front(), geometry.front() + 1));
        }
        Tensor result = Tensor.full(DType.F32, weight.shape(), 0);
        forEachPosition((t, h, w) -> {
            Tensor part = padded.view(seen(padded.array(), t, h, w)).reshape(-1, weight.dim(1)); // (N T' H' W', C)
            result.select(4, w)
                    .select(3, h)
                    .select(2, t)
                    .copyInPlace(rows.transpose(0, 1).matmul(part));
        });
        return result;
    }

    private Shape padded() {
        return Shape.of(
                input.dim(0),
                input.dim(2) + geometry.front() + geometry.back(),
                input.dim(3) + geometry.top() + geometry.bottom(),
                input.dim(4) + geometry.left() + geometry.right(),
                input.dim(1));
    }

    /// The part that is not padding, `(N, T, H, W, C)`. A view.
    private Tensor inner(Tensor padded) {
        return padded.slice(1, geometry.front(), geometry.front() + input.dim(2))
                .slice(2, geometry.top(), geometry.top() + input.dim(3))
                .slice(3, geometry.left(), geometry.left() + input.dim(4));
    }

    /// What one position of the kernel meets as it moves over the padded input, `(N, T', H', W', C)`.
    private NdArray seen(NdArray padded, int t, int h, int w) {
        return padded.every(1, t, geometry.strideT())
                .slice(1, 0, out.dim(2))
                .every(2, h, geometry.strideH())
                .slice(2, 0, out.dim(3))
                .every(3, w, geometry.strideW())
                .slice(3, 0, out.dim(4));
    }

    private interface Position {
        void at(int t, int h, int w);
    }

    private void forEachPosition(Position body) {
        for (int t = 0; t < weight.dim(2); t++) {
            for (int h = 0; h < weight.dim(3); h++) {
                for (int w = 0; w < weight.dim(4); w++) {
                    int kt = t;
                    int kh = h;
                    int kw = w;
                    Scope.run(() -> {
                        body.at(kt, kh, kw);
                        return null;
                    });
                }
            }
        }
    }
}
