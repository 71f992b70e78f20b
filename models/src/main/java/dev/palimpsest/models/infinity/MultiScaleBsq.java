package dev.palimpsest.models.infinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.Unary;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/// Binary spherical quantisation (Zhao et al. 2024, arXiv 2406.07548) of a latent's residual at one scale after the
/// other (Tian et al. 2024, arXiv 2404.02905; Han et al. 2024, arXiv 2412.04431, section 3.2).
///
/// A vector of d channels is replaced by the nearest corner of a cube inscribed in the unit sphere, whose coordinates
/// are all `+-1/sqrt(d)`: one bit a channel. Each scale quantises what the scales before it have left over.
///
/// Latents have the axes `(B, d, 1, h, w)`, bits `(B, 1, h, w, d)` of type u8.
///
/// @param channels number d of bits of a position
public record MultiScaleBsq(int channels) {
    /// Share of the code's magnitude below which a residual counts as small.
    private static final double SMALL = 0.05;

    /// Checks that there is a channel.
    public MultiScaleBsq {
        if (channels < 1) {
            throw new IllegalArgumentException("bsq: " + channels + " channels cannot be quantised");
        }
    }

    /// A quantised latent.
    ///
    /// @param sum the codes of all scales at full size `(B, d, H, W)`, what the decoder takes
    /// @param bits for each scale `(B, 1, h, w, d)`, u8
    /// @param inputs for each scale but the first the codes of the scales before it, averaged to its size `(B, d, 1,
    ///     h, w)`. Not what the transformer is fed with, which is interpolated
    /// @param smallShares for each scale the share of its residuals that are below 5 % of the code's magnitude: what
    ///     there is little left to say about
    public record Quantised(Tensor sum, List<Tensor> bits, List<Tensor> inputs, List<Float> smallShares)
            implements Scope.Holder {
        /// Copies the lists.
        public Quantised {
            bits = List.copyOf(bits);
            inputs = List.copyOf(inputs);
            smallShares = List.copyOf(smallShares);
        }

        @Override
        public Iterable<Tensor> tensors() {
            List<Tensor> all = new ArrayList<>(bits);
            all.addAll(inputs);
            all.add(sum);
            return all;
        }
    }

    /// Magnitude of every coordinate of a code, `1/sqrt(d)`.
    public float magnitude() {
        return (float) (1 / Math.sqrt(channels));
    }

    /// The bits of the codes nearest to some vectors: 1 where a coordinate is positive. Its length does not matter, so
    /// the vectors need not be normalised first.
    ///
    /// @param x `(B, d, 1, h, w)`
    /// @return `(B, 1, h, w, d)`, u8
    public Tensor bits(Tensor x) {
        check(x, 1);
        return Scope.run(
                () -> Tensor.scalar(0).lt(x).to(DType.U8).permute(0, 2, 3, 4, 1).contiguous());
    }

    /// The codes that bits stand for.
    ///
    /// @param bits `(B, 1, h, w, d)`
    /// @return `(B, d, 1, h, w)`
    public Tensor codes(Tensor bits) {
        check(bits, 4);
        return Scope.run(() ->
                bits.permute(0, 4, 1, 2, 3).to(DType.F32).mul(2.0 * magnitude()).sub(magnitude()));
    }

    /// Quantises a latent scale by scale.
    ///
    /// @param features `(B, d, h, w)` or `(B, d, 1, h, w)`
    /// @param schedule its last scale need not be the latent's size, but is in all uses
    public Quantised quantise(Tensor features, ScaleSchedule schedule) {
        Tensor latent = features.rank() == 4 ? features.unsqueeze(2) : features; // (B, d, 1, H, W)
        check(latent, 1);
        Scale full = new Scale(latent.dim(3), latent.dim(4));
        return Scope.run(() -> {
            Tensor residual = latent; // (B, d, 1, H, W)
            Tensor sum = Tensor.full(DType.F32, latent.shape(), 0); // (B, d, 1, H, W)
            List<Tensor> bits = new ArrayList<>();
            List<Tensor> inputs = new ArrayList<>();
            List<Float> smallShares = new ArrayList<>();
            for (int k = 0; k < schedule.size(); k++) {
                if (k > 0) {
                    inputs.add(averaged(sum, schedule.get(k)));
                }
                Tensor down = averaged(residual, schedule.get(k)); // (B, d, 1, h, w)
                Tensor b = bits(down); // (B, 1, h, w, d)
                Tensor up = interpolated(codes(b), full); // (B, d, 1, H, W)
                residual = residual.sub(up);
                sum = sum.add(up);
                bits.add(b);
                smallShares.add(smallShare(down));
            }
            return new Quantised(sum.squeeze(2), bits, inputs, smallShares);
        });
    }

    /// The sum of the codes of several scales at full size.
    ///
    /// @param bits for each scale `(B, 1, h, w, d)`
    /// @return `(B, d, 1, H, W)`
    public Tensor sum(List<Tensor> bits, Scale full) {
        if (bits.isEmpty()) {
            throw new IllegalArgumentException("bsq sum: there are no bits");
        }
        return Scope.run(() -> {
            Tensor sum = interpolated(codes(bits.getFirst()), full); // (B, d, 1, H, W)
            for (Tensor b : bits.subList(1, bits.size())) {
                sum = sum.add(interpolated(codes(b), full));
            }
            return sum;
        });
    }

    /// A latent brought to a smaller size: every position is the average of those it covers.
    ///
    /// @param x `(B, d, 1, h, w)`
    public static Tensor averaged(Tensor x, Scale to) {
        return resized(Interpolation.AREA, x, to);
    }

    /// A latent brought to any size by linear interpolation between the centres of its positions.
    ///
    /// @param x `(B, d, 1, h, w)`
    public static Tensor interpolated(Tensor x, Scale to) {
        return resized(Interpolation.LINEAR, x, to);
    }

    private static Tensor resized(Interpolation mode, Tensor x, Scale to) {
        boolean same = x.dim(-2) == to.height() && x.dim(-1) == to.width();
        return same ? x : Functional.interpolate(mode, x, 1, to.height(), to.width());
    }

    private float smallShare(Tensor residual) {
        return Scope.run(() -> {
            Tensor small = residual.apply(Unary.ABS).lt(Tensor.scalar(SMALL * magnitude())); // (B, d, 1, h, w)
            return (float) (small.to(DType.F32).sum().item() / residual.elements());
        });
    }

    private void check(Tensor x, int axis) {
        Shape shape = x.shape();
        if (shape.rank() != 5 || shape.dim(axis) != channels || shape.dim(axis == 1 ? 2 : 1) != 1) {
            throw new IllegalArgumentException("bsq: " + shape + " needs the axes "
                    + (axis == 1 ? "(B, " + channels + ", 1, h, w)" : "(B, 1, h, w, " + channels + ") of bits"));
        }
    }
}
