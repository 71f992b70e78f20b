package dev.palimpsest.models.editinfinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.PixelShuffle;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.RandomSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Turns a picture's latent into what a transformer is taught with: the true bits of all scales and the inputs that
/// lead to them. Some bits of the inputs are wrong on purpose, and the true bits of later scales make up for them, so
/// that the model learns to correct its own mistakes (Han et al. 2024, arXiv 2412.04431, section 3.4).
///
/// @param quantiser of the latent
/// @param patch latent positions of a token along each side: 1, or 2 where a token stands for 2 x 2 positions
public record BitwiseSelfCorrection(MultiScaleBsq quantiser, int patch) {
    /// Checks the patch.
    public BitwiseSelfCorrection {
        if (patch < 1) {
            throw new IllegalArgumentException(
                    "self-correction: a token cannot stand for " + patch + " positions a side");
        }
    }

    /// Decides which bits are wrong.
    @FunctionalInterface
    public interface Flips {
        /// No bit is wrong.
        Flips NONE = (scale, bits) -> null;

        /// The bits of a scale to be turned around.
        ///
        /// @param scale index of the scale
        /// @param bits shape of the scale's bits, `(B, 1, h, w, d)`
        /// @return 1 where a bit is turned around and 0 elsewhere, u8, or null for none
        @Nullable
        Tensor of(int scale, Shape bits);

        /// Turns bits around at random, at each scale with a probability that is drawn first, from 0 to `strength` in
        /// steps of a hundredth.
        ///
        /// @param strength highest probability, 0.3 in the original
        /// @param scales how many scales have wrong bits, 13 in the original
        static Flips random(double strength, int scales, RandomSource random) {
            if (!(strength >= 0 && strength <= 1)) {
                throw new IllegalArgumentException(
                        "self-correction: strength " + strength + " does not lie between 0 and 1");
            }
            int steps = (int) (100 * strength + 1e-9);
            return (scale, bits) -> {
                if (scale >= scales) {
                    return null;
                }
                float[] uniform = new float[1];
                random.rand(uniform);
                int step = (int) (uniform[0] * (steps + 1));
                boolean[] flipped = new boolean[Math.toIntExact(bits.elements())];
                random.bernoulli(step * 0.01f, flipped);
                int[] values = new int[flipped.length];
                for (int i = 0; i < values.length; i++) {
                    values[i] = flipped[i] ? 1 : 0;
                }
                return Tensor.of(values, bits.dims()).to(DType.U8);
            };
        }
    }

    /// A lesson for the transformer, with L tokens of d bits in all scales.
    ///
    /// @param inputs what all scales but the first start from, `(B, L - area of the first scale, d)`
    /// @param bits the true bits, `(B, L, d)`, u8
    public record Lesson(Tensor inputs, Tensor bits) implements Scope.Holder {
        @Override
        public Iterable<Tensor> tensors() {
            return List.of(inputs, bits);
        }
    }

    /// The lesson of a latent.
    ///
    /// @param features what the encoder gives, `(B, channels, H, W)`
    /// @param schedule scales in tokens; the last one times the patch is the latent's size
    /// @throws IllegalArgumentException if the latent does not have this size
    public Lesson lesson(Tensor features, ScaleSchedule schedule, Flips flips) {
        Scale full = schedule.last().times(patch);
        if (features.rank() != 4 || features.dim(2) != full.height() || features.dim(3) != full.width()) {
            throw new IllegalArgumentException("self-correction: the latent " + features.shape()
                    + " does not have the size " + full + " of the last scale");
        }
        return Scope.run(() -> {
            Tensor latent = features.unsqueeze(2); // (B, channels, 1, H, W)
            Tensor sum = Tensor.full(DType.F32, latent.shape(), 0); // (B, channels, 1, H, W)
            List<Tensor> inputs = new ArrayList<>(); // for each scale but the first (B, h w, d)
            List<Tensor> truth = new ArrayList<>(); // for each scale (B, h w, d)
            for (int k = 0; k < schedule.size(); k++) {
                Scale scale = schedule.get(k).times(patch);
                if (k > 0) {
                    inputs.add(tokens(MultiScaleBsq.interpolated(sum, scale).squeeze(2)));
                }
                Tensor before = sum;
                Tensor bits = Scope.run(
                        () -> // (B, 1, h, w, channels)
                        quantiser.bits(MultiScaleBsq.averaged(latent.sub(before), scale)));
                truth.add(tokens(bits.squeeze(1).permute(0, 3, 1, 2)));
                int index = k;
                sum = Scope.run(() -> {
                    Tensor flipped = flips.of(index, bits.shape());
                    Tensor said =
                            flipped == null ? bits : bits.eq(flipped).eq(no()).to(DType.U8);
                    return before.add(MultiScaleBsq.interpolated(quantiser.codes(said), full));
                });
            }
            Tensor all = inputs.isEmpty()
                    ? Tensor.empty(DType.F32, truth.getFirst().shape().with(1, 0))
                    : Tensor.concat(inputs, 1); // (B, L - area of the first scale, d)
            return new Lesson(all, Tensor.concat(truth, 1));
        });
    }

    private static Tensor no() {
        return Tensor.full(DType.BOOL, Shape.scalar(), 0);
    }

    /// Positions or patches of them behind each other.
    ///
    /// @param x `(B, channels, h, w)`
    /// @return `(B, h w, d)`
    private Tensor tokens(Tensor x) {
        Tensor patches = patch == 1 ? x : PixelShuffle.unshuffle(x, patch); // (B, d, rows, columns)
        return patches.flatten(2, 3).transpose(1, 2);
    }
}
