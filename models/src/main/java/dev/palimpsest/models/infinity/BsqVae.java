package dev.palimpsest.models.infinity;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Conv;
import dev.palimpsest.tensor.nn.GroupNorm;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Infinity's autoencoder: pictures to latents with a sixteenth (or an eighth) of the rows and columns, whose vectors
/// are quantised to bits, and back (Han et al. 2024, arXiv 2412.04431; the convolutional network is that of Esser et
/// al. 2021, arXiv 2012.09841).
///
/// ```java
/// try (Checkpoint checkpoint = Checkpoint.open(Path.of("infinity_vae_d32reg.pth")); Scope scope = Scope.open()) {
///     BsqVae vae = scope.call(() -> BsqVae.load(checkpoint));
///     Tensor features = scope.call(() -> vae.encode(pixels));                                // (1, 32, H/16, W/16)
///     MultiScaleBsq.Quantised q = scope.call(() -> vae.quantiser().quantise(features, schedule));
///     Tensor picture = scope.call(() -> vae.decode(q.sum()));                                // (1, 3, H, W)
/// }
/// ```
///
/// Pictures have the axes `(B, 3, H, W)` and values from -1 to 1. Latents are neither scaled nor shifted.
///
/// Weights stay where the checkpoint maps them, in their stored type. Activations keep their channels innermost and
/// are released as soon as the next layer has its result: with the released widths 169 MB serve to encode and decode
/// 256x256 pixels, in proportion to the pixels.
public final class BsqVae extends Module {
    static final String CONV = "conv";
    static final String NORM = "norm";

    private static final float EPS = 1e-6f;
    private static final Convolution SAME_3X3 = Convolution.planar(1, 1);
    private static final Convolution POINTWISE = Convolution.planar(1, 0);

    private final BsqVaeConfig config;
    private final MultiScaleBsq quantiser;
    private final Encoder encoder;
    private final Decoder decoder;

    /// An autoencoder over the tensors below a node. Whether all of them were there, the tree's report tells.
    public BsqVae(WeightTree weights, BsqVaeConfig config) {
        // Powers of two, under two names: not needed to count bits.
        weights.ignore("quantizer.lfq.mask", "quantize.lfq.mask");
        this.config = config;
        this.quantiser = new MultiScaleBsq(config.channels());
        this.encoder = child("encoder", new Encoder(weights.at("encoder"), config));
        this.decoder = child("decoder", new Decoder(weights.at("decoder"), config));
    }

    /// Loads an autoencoder, whose sizes are read from its tensors. They may lie under `vae`, as they do in the
    /// released files, and beside others such as averages of them under `ema`.
    ///
    /// @throws dev.palimpsest.weights.CheckpointException naming every tensor that is missing, too many or of another
    ///     shape
    public static BsqVae load(Checkpoint checkpoint) {
        boolean wrapped = checkpoint.names().stream().anyMatch(name -> name.startsWith("vae."));
        WeightTree weights = WeightTree.of(wrapped ? checkpoint.under("vae") : checkpoint);
        BsqVae vae = new BsqVae(weights, BsqVaeConfig.from(weights));
        weights.requireComplete();
        return vae;
    }

    /// Sizes.
    public BsqVaeConfig config() {
        return config;
    }

    /// What turns latents into bits and back.
    public MultiScaleBsq quantiser() {
        return quantiser;
    }

    /// Encodes pictures. Of a size that is no multiple of the patch size, the quotient is rounded down.
    ///
    /// @param pixels `(B, 3, H, W)`, -1 to 1
    /// @return latents not yet quantised `(B, d, H/p, W/p)`
    /// @throws IllegalArgumentException if the axes do not fit or the picture is smaller than a patch
    public Tensor encode(Tensor pixels) {
        check("vae encode", pixels, 3);
        if (pixels.dim(2) < config.patchSize() || pixels.dim(3) < config.patchSize()) {
            throw new IllegalArgumentException("vae encode: " + pixels.shape() + " has pictures smaller than "
                    + config.patchSize() + "x" + config.patchSize());
        }
        return Scope.run(() -> encoder.forward(pixels.unsqueeze(2)).squeeze(2));
    }

    /// Decodes latents to pictures, limited to -1 to 1.
    ///
    /// @param latents `(B, d, h, w)`
    /// @return `(B, 3, h p, w p)`
    /// @throws IllegalArgumentException if the axes do not fit
    public Tensor decode(Tensor latents) {
        return Scope.run(() -> decodeUnlimited(latents).clamp(-1, 1));
    }

    /// Decodes latents to whatever the network says, which may exceed -1 to 1 a little.
    ///
    /// @param latents `(B, d, h, w)`
    /// @return `(B, 3, h p, w p)`
    /// @throws IllegalArgumentException if the axes do not fit
    public Tensor decodeUnlimited(Tensor latents) {
        check("vae decode", latents, config.channels());
        return Scope.run(() -> decoder.forward(latents.unsqueeze(2)).squeeze(2));
    }

    /// Decodes the bits of several scales to pictures, limited to -1 to 1.
    ///
    /// @param bits for each scale `(B, 1, h, w, d)`
    /// @param full size of the latent
    /// @return `(B, 3, H, W)`
    public Tensor decode(List<Tensor> bits, Scale full) {
        return Scope.run(() -> decode(quantiser.sum(bits, full).squeeze(2)));
    }

    private static void check(String op, Tensor x, int channels) {
        if (x.rank() != 4 || x.dim(1) != channels) {
            throw new IllegalArgumentException(op + ": " + x.shape() + " needs the axes (B, " + channels + ", H, W)");
        }
        if (x.elements() == 0) {
            throw new IllegalArgumentException(op + ": " + x.shape() + " is empty");
        }
    }

    /// The node of a convolution's or normalisation's own keys. The original wraps every such layer in a module that
    /// holds it as `conv` or `norm`; files come with and without this part of the names.
    static WeightTree inner(WeightTree at, String wrapper) {
        return at.has("weight") ? at : at.at(wrapper);
    }

    /// 32 groups of channels, or 24 where 32 do not divide.
    static GroupNorm groupNorm(WeightTree at, int channels) {
        int groups = channels % 32 == 0 ? 32 : 24;
        if (channels % groups != 0) {
            throw new IllegalArgumentException(
                    "vae: " + channels + " channels at " + at.path() + " divide into neither 32 nor 24 groups");
        }
        return Layers.groupNorm(inner(at, NORM), channels, groups, EPS);
    }

    private static Conv conv(WeightTree at, Convolution geometry, int in, int out) {
        int kernel = geometry.equals(POINTWISE) ? 1 : 3;
        return Layers.conv2d(inner(at, CONV), geometry, in, out, kernel, kernel);
    }

    /// A part that maps pictures, or what has become of them, to others.
    interface Stage {
        /// Maps pictures.
        ///
        /// @param x `(B, C, 1, H, W)`
        /// @return `(B, C', 1, H', W')`
        Tensor forward(Tensor x);
    }

    /// Runs stages one after the other. Each result is released as soon as the next one is there.
    private static Tensor inSequence(List<? extends Stage> stages, Tensor x) {
        int last = stages.size() - 1;
        return last < 0 ? x : Scope.run(() -> stages.get(last).forward(inSequence(stages.subList(0, last), x)));
    }

    /// `conv_in`, `down`, `mid`, `norm_out`, `conv_out`.
    static final class Encoder extends Module {
        private final List<Stage> stages = new ArrayList<>();

        Encoder(WeightTree at, BsqVaeConfig config) {
            List<Integer> widths = config.encoderWidths();
            int in = widths.getFirst();
            stages.add(child("conv_in.conv", conv(at.at("conv_in"), SAME_3X3, 3, in))::forward);
            for (int i = 0; i < widths.size(); i++) {
                int out = widths.get(i);
                WeightTree level = at.at("down").at(i);
                for (int j = 0; j < config.residualBlocks(); j++) {
                    stages.add(child(
                            "down." + i + ".block." + j,
                            new ResidualBlock(level.at("block").at(j), j == 0 ? in : out, out)));
                }
                if (i < config.halvings()) {
                    stages.add(child("down." + i + ".downsample", new Downsample(level.at("downsample"), out)));
                }
                in = out;
            }
            addMiddle(this::child, stages, at.at("mid"), in);
            GroupNorm norm = child("norm_out.norm", groupNorm(at.at("norm_out"), in));
            stages.add(x -> norm.forward(x, Activation.SILU));
            stages.add(child("conv_out.conv", conv(at.at("conv_out"), SAME_3X3, in, config.channels()))::forward);
        }

        /// Encodes pictures.
        ///
        /// @param x `(B, 3, 1, H, W)`
        /// @return `(B, d, 1, H/p, W/p)`
        Tensor forward(Tensor x) {
            return observe(inSequence(stages, x));
        }
    }

    /// `conv_in`, `mid`, `up`, `norm_out`, `conv_out`.
    static final class Decoder extends Module {
        private final List<Stage> stages = new ArrayList<>();

        Decoder(WeightTree at, BsqVaeConfig config) {
            List<Integer> widths = config.decoderWidths();
            int in = widths.getLast();
            stages.add(child("conv_in.conv", conv(at.at("conv_in"), SAME_3X3, config.channels(), in))::forward);
            addMiddle(this::child, stages, at.at("mid"), in);
            for (int i = widths.size() - 1; i >= 0; i--) {
                int out = widths.get(i);
                WeightTree level = at.at("up").at(i);
                for (int j = 0; j <= config.residualBlocks(); j++) {
                    stages.add(child(
                            "up." + i + ".block." + j,
                            new ResidualBlock(level.at("block").at(j), j == 0 ? in : out, out)));
                }
                if (i >= 1 && i <= config.halvings()) {
                    stages.add(child("up." + i + ".upsample", new Upsample(level.at("upsample"), out)));
                }
                in = out;
            }
            GroupNorm norm = child("norm_out.norm", groupNorm(at.at("norm_out"), in));
            stages.add(x -> norm.forward(x, Activation.SILU));
            stages.add(child("conv_out.conv", conv(at.at("conv_out"), SAME_3X3, in, 3))::forward);
        }

        /// Decodes latents.
        ///
        /// @param x `(B, d, 1, h, w)`
        /// @return `(B, 3, 1, h p, w p)`
        Tensor forward(Tensor x) {
            return observe(inSequence(stages, x));
        }
    }

    private interface Registry {
        <M extends Module> M child(String name, M module);
    }

    /// Two residual blocks, with attention between them in models that were trained with it.
    private static void addMiddle(Registry registry, List<Stage> stages, WeightTree at, int channels) {
        stages.add(registry.child("mid.block_1", new ResidualBlock(at.at("block_1"), channels, channels)));
        if (at.hasUnder("attn_1")) {
            stages.add(registry.child("mid.attn_1", new SpatialAttention(at.at("attn_1"), channels)));
        }
        stages.add(registry.child("mid.block_2", new ResidualBlock(at.at("block_2"), channels, channels)));
    }

    /// `shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))))))` (He et al. 2016, arXiv 1603.05027), where the
    /// shortcut is a 1x1 convolution if the widths differ, else nothing.
    static final class ResidualBlock extends Module implements Stage {
        private final GroupNorm norm1;
        private final Conv conv1;
        private final GroupNorm norm2;
        private final Conv conv2;
        private final @Nullable Conv shortcut;

        ResidualBlock(WeightTree at, int in, int out) {
            norm1 = child("norm1.norm", groupNorm(at.at("norm1"), in));
            conv1 = child("conv1.conv", conv(at.at("conv1"), SAME_3X3, in, out));
            norm2 = child("norm2.norm", groupNorm(at.at("norm2"), out));
            conv2 = child("conv2.conv", conv(at.at("conv2"), SAME_3X3, out, out));
            shortcut = in == out ? null : child("nin_shortcut.conv", conv(at.at("nin_shortcut"), POINTWISE, in, out));
        }

        /// @param x `(B, in, 1, H, W)`
        /// @return `(B, out, 1, H, W)`
        @Override
        public Tensor forward(Tensor x) {
            return observe(Scope.run(() -> {
                if (shortcut == null) {
                    return conv2.forward(inner(x), SAME_3X3, x);
                }
                Tensor y = Scope.run(() -> conv2.forward(inner(x))); // (B, out, 1, H, W)
                return shortcut.forward(x, POINTWISE, y);
            }));
        }

        /// What `conv2` convolves. Every temporary is released as soon as the next one is there.
        private Tensor inner(Tensor x) {
            return Scope.run(() -> {
                Tensor h = Scope.run(() -> conv1.forward(norm1.forward(x, Activation.SILU))); // (B, out, 1, H, W)
                return norm2.forward(h, Activation.SILU); // (B, out, 1, H, W)
            });
        }
    }

    /// Self-attention with one head over the positions of a picture, added to its input. The released models have
    /// none.
    static final class SpatialAttention extends Module implements Stage {
        private final GroupNorm norm;
        private final Conv q;
        private final Conv k;
        private final Conv v;
        private final Conv projOut;

        SpatialAttention(WeightTree at, int channels) {
            norm = child("norm.norm", groupNorm(at.at("norm"), channels));
            q = child("q.conv", conv(at.at("q"), POINTWISE, channels, channels));
            k = child("k.conv", conv(at.at("k"), POINTWISE, channels, channels));
            v = child("v.conv", conv(at.at("v"), POINTWISE, channels, channels));
            projOut = child("proj_out.conv", conv(at.at("proj_out"), POINTWISE, channels, channels));
        }

        /// @param x `(B, C, 1, H, W)`
        @Override
        public Tensor forward(Tensor x) {
            return observe(Scope.run(() -> {
                int[] positions = new int[x.dim(0)];
                Arrays.fill(positions, x.dim(3) * x.dim(4));
                Tensor normed = norm.forward(x, Activation.NONE); // (B, C, 1, H, W)
                float scale = (float) (1 / Math.sqrt(x.dim(1)));
                Tensor attended = Functional.attention(
                        tokens(q.forward(normed)),
                        tokens(k.forward(normed)),
                        tokens(v.forward(normed)),
                        scale,
                        KeyRanges.packed(positions, positions),
                        floatArithmetic()); // (L, 1, C), L = B H W
                Tensor picture = attended.reshape(x.dim(0), 1, x.dim(3), x.dim(4), x.dim(1))
                        .permute(0, 4, 1, 2, 3); // (B, C, 1, H, W)
                return projOut.forward(picture, POINTWISE, x);
            }));
        }

        /// `(B, C, 1, H, W)` to `(B H W, 1, C)`.
        private static Tensor tokens(Tensor x) {
            return x.permute(0, 2, 3, 4, 1).reshape(-1, 1, x.dim(1));
        }
    }

    /// Halves rows and columns with a strided convolution, past a row of zeros below and a column at the right.
    static final class Downsample extends Module implements Stage {
        private static final Convolution GEOMETRY = new Convolution(1, 2, 2, 0, 0, 0, 1, 0, 1, false);

        private final Conv conv;

        Downsample(WeightTree at, int channels) {
            conv = child("conv.conv", conv(at.at("conv"), GEOMETRY, channels, channels));
        }

        /// @param x `(B, C, 1, H, W)`
        /// @return `(B, C, 1, H/2, W/2)`
        @Override
        public Tensor forward(Tensor x) {
            return observe(conv.forward(x));
        }
    }

    /// Doubles rows and columns by repetition, and convolves what results.
    static final class Upsample extends Module implements Stage {
        private final Conv conv;

        Upsample(WeightTree at, int channels) {
            conv = child("conv.conv", conv(at.at("conv"), SAME_3X3, channels, channels));
        }

        /// @param x `(B, C, 1, H, W)`
        /// @return `(B, C, 1, 2H, 2W)`
        @Override
        public Tensor forward(Tensor x) {
            return observe(conv.forwardDoubled(x));
        }
    }
}
