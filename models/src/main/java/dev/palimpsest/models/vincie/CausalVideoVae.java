package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.GroupNorm;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.PackedFilters;
import dev.palimpsest.tensor.nn.PackedWeights;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// VINCIE's variational autoencoder: images and videos to latents with an eighth of the rows and columns and, past the
/// first frame, a quarter of the frames; and back.
///
/// It is an image autoencoder (Rombach et al. 2022, arXiv 2112.10752) whose convolutions were made causal in time (Yu
/// et al. 2024, arXiv 2310.05737): a frame's result depends on it and earlier frames only. Normalisation and attention
/// treat every frame for itself. So an image is a video of one frame, and a long video can be computed chunk by chunk
/// with the same result; see [CausalVideoVaeConfig#splitSize].
///
/// ```java
/// try (Checkpoint checkpoint = Checkpoint.open(Path.of("vae.pth")); Scope scope = Scope.open()) {
///     CausalVideoVae vae = scope.call(() -> CausalVideoVae.load(checkpoint, settings));
///     Tensor latent = scope.call(() -> vae.scale(vae.encode(pixels).mode())); // (1, 16, 1, H/8, W/8)
///     Tensor picture = scope.call(() -> vae.decode(vae.unscale(latent)));     // (1, 3, H, W)
/// }
/// ```
///
/// Pictures have the axes `(N, C, H, W)` and values from -1 to 1, videos `(N, C, T, H, W)` with `T % temporalFactor ==
/// 1`. The latent of a size that is no multiple of the spatial factor has the quotient rounded down.
///
/// Memory: weights stay where the checkpoint maps them, in their stored type. Activations keep their channels
/// innermost and are released as soon as the next layer has its result, so that at most three of the widest ones live
/// at a time: 190 MB to decode 256x256 pixels with VINCIE's widths, in proportion to the pixels.
public final class CausalVideoVae extends Module {
    private static final float EPS = 1e-6f;

    private final CausalVideoVaeConfig config;
    private final Encoder encoder;
    private final Decoder decoder;

    /// An autoencoder over the tensors below a node. Whether all of them were there, the tree's report tells.
    public CausalVideoVae(WeightTree weights, CausalVideoVaeConfig config) {
        LayerSettings settings = new LayerSettings(config.normGroups(), EPS, config.inflation());
        this.config = config;
        this.encoder = child("encoder", new Encoder(weights.at("encoder"), config, settings));
        this.decoder = child("decoder", new Decoder(weights.at("decoder"), config, settings));
    }

    /// Loads an autoencoder, whose sizes are read from its tensors.
    ///
    /// @param settings the `vae` part of a `config.json`, for what shapes cannot tell
    /// @throws dev.palimpsest.weights.CheckpointException naming every tensor that is missing, too many or of another
    ///     shape
    public static CausalVideoVae load(Checkpoint checkpoint, JsonObject settings) {
        WeightTree weights = WeightTree.of(checkpoint);
        CausalVideoVae vae = new CausalVideoVae(weights, CausalVideoVaeConfig.of(weights, settings));
        weights.requireComplete();
        return vae;
    }

    /// Sizes and settings.
    public CausalVideoVaeConfig config() {
        return config;
    }

    /// Encodes pictures or a video, in chunks if the configuration says so.
    ///
    /// @param pixels `(N, 3, H, W)` or `(N, 3, T, H, W)`, -1 to 1
    /// @return distributions over latents `(N, 16, T', H/8, W/8)`
    /// @throws IllegalArgumentException if the axes or extents do not fit
    public Posterior encode(Tensor pixels) {
        return encode(pixels, config.splitSize());
    }

    /// Encodes pictures or a video in chunks of `splitSize` frames; 0 for none. The chunks change the memory needed,
    /// not the result.
    ///
    /// @param pixels `(N, 3, H, W)` or `(N, 3, T, H, W)`, -1 to 1
    /// @return distributions over latents `(N, 16, T', H/8, W/8)`
    /// @throws IllegalArgumentException if the axes or extents do not fit
    public Posterior encode(Tensor pixels, int splitSize) {
        Tensor video = video("vae encode", pixels, config.inChannels()); // (N, 3, T, H, W)
        int factor = config.spatialFactor();
        if (video.dim(3) < factor || video.dim(4) < factor) {
            throw new IllegalArgumentException(
                    "vae encode: " + pixels.shape() + " has pictures smaller than " + factor + "x" + factor);
        }
        if (video.dim(2) % config.temporalFactor() != 1 % config.temporalFactor()) {
            throw new IllegalArgumentException("vae encode: " + pixels.shape() + " has " + video.dim(2)
                    + " frames; their number must be 1 more than a multiple of " + config.temporalFactor());
        }
        int step = checkedSplit(splitSize);
        Tensor moments = inChunks(encoder, video, step); // (N, 2*16, T', H/8, W/8)
        return Posterior.of(moments);
    }

    /// Decodes latents (already [unscaled][#unscale]), in chunks if the configuration says so.
    ///
    /// @param latents `(N, 16, h, w)` or `(N, 16, t, h, w)`
    /// @return `(N, 3, 8h, 8w)` if there is one frame, else `(N, 3, 4(t-1) + 1, 8h, 8w)`; not limited to -1 to 1
    /// @throws IllegalArgumentException if the axes or extents do not fit
    public Tensor decode(Tensor latents) {
        return decode(latents, config.splitSize());
    }

    /// Decodes latents in chunks that give `splitSize` frames; 0 for none. The chunks change the memory needed, not
    /// the result.
    ///
    /// @param latents `(N, 16, h, w)` or `(N, 16, t, h, w)`
    /// @return `(N, 3, 8h, 8w)` if there is one frame, else `(N, 3, 4(t-1) + 1, 8h, 8w)`; not limited to -1 to 1
    /// @throws IllegalArgumentException if the axes or extents do not fit
    public Tensor decode(Tensor latents, int splitSize) {
        Tensor z = video("vae decode", latents, config.latentChannels()); // (N, 16, t, h, w)
        int step = checkedSplit(splitSize) / config.temporalFactor();
        Tensor pixels = inChunks(decoder, z, step); // (N, 3, T, H, W)
        return pixels.dim(2) == 1 ? pixels.squeeze(2) : pixels;
    }

    private int checkedSplit(int splitSize) {
        return config.withSplitSize(splitSize).splitSize();
    }

    /// What the diffusion transformer works on: `(sample - shift) * scale`.
    ///
    /// @param sample `(N, 16, ...)`
    public Tensor scale(Tensor sample) {
        return Scope.run(() -> sample.sub(perChannel(config.shiftingFactor(), sample))
                .mul(perChannel(config.scalingFactor(), sample)));
    }

    /// The inverse of [#scale]: what [#decode] takes.
    ///
    /// @param latent `(N, 16, ...)`
    public Tensor unscale(Tensor latent) {
        return Scope.run(() -> latent.div(perChannel(config.scalingFactor(), latent))
                .add(perChannel(config.shiftingFactor(), latent)));
    }

    /// One number or one for each channel, in the form that broadcasts over `like`.
    private Tensor perChannel(List<Double> values, Tensor like) {
        if (like.rank() < 2 || like.dim(1) != config.latentChannels()) {
            throw new IllegalArgumentException(
                    "vae scale: " + like.shape() + " needs the axes (N, " + config.latentChannels() + ", ...)");
        }
        int[] dims = new int[like.rank()];
        Arrays.fill(dims, 1);
        dims[1] = values.size();
        float[] numbers = new float[values.size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = values.get(i).floatValue();
        }
        return Tensor.of(numbers, dims);
    }

    /// Pictures become videos of one frame.
    private static Tensor video(String op, Tensor x, int channels) {
        boolean picture = x.rank() == 4;
        if (!picture && x.rank() != 5) {
            throw new IllegalArgumentException(
                    op + ": " + x.shape() + " needs the axes (N, C, H, W) of pictures or (N, C, T, H, W) of a video");
        }
        if (x.dim(1) != channels) {
            throw new IllegalArgumentException(
                    op + ": " + x.shape() + " has " + x.dim(1) + " channels where " + channels + " are expected");
        }
        if (x.elements() == 0) {
            throw new IllegalArgumentException(op + ": " + x.shape() + " is empty");
        }
        return picture ? x.unsqueeze(2) : x;
    }

    /// Runs a network over a video: as a whole, or if it is longer than `step + 1` frames over the first frame with
    /// the next `step` ones and then `step` frames at a time. `step` 0 is always as a whole.
    private static Tensor inChunks(Stage network, Tensor video, int step) {
        int frames = video.dim(2);
        if (step == 0 || frames - 1 <= step) {
            return Scope.run(() -> network.forward(video, CausalMemory.disabled()));
        }
        return Scope.run(() -> {
            try (CausalMemory memory = CausalMemory.initializing()) {
                List<Tensor> parts = new ArrayList<>();
                int from = 0;
                for (int to = step + 1; from < frames; to = Math.min(to + step, frames)) {
                    Tensor chunk = video.slice(2, from, to);
                    parts.add(Scope.run(() -> network.forward(chunk, memory)));
                    memory.advance();
                    from = to;
                }
                return Frames.concat(parts);
            }
        });
    }

    /// A part that maps a video, or a chunk of one, to another.
    interface Stage {
        /// Maps a video or a chunk of one.
        ///
        /// @param x `(N, C, T, H, W)`
        /// @return `(N, C', T', H', W')`
        Tensor forward(Tensor x, CausalMemory memory);
    }

    /// Runs stages one after the other. Each result is released as soon as the next one is there.
    private static Tensor inSequence(List<? extends Stage> stages, Tensor x, CausalMemory memory) {
        int last = stages.size() - 1;
        return last < 0
                ? x
                : Scope.run(() -> stages.get(last).forward(inSequence(stages.subList(0, last), x, memory), memory));
    }

    /// What layers share.
    ///
    /// @param groups groups of every group normalisation
    /// @param eps added to their variances
    /// @param inflation what to do with 2-D kernels
    record LayerSettings(int groups, float eps, KernelInflation inflation) {
        GroupNorm groupNorm(WeightTree at, int channels) {
            return Layers.groupNorm(at, channels, groups, eps);
        }

        CausalConv conv(WeightTree at, int in, int out, int kernel) {
            return CausalConv.keepingSize(at, in, out, kernel, inflation);
        }
    }

    /// `conv_in`, `down_blocks`, `mid_block`, `conv_norm_out`, `conv_out`.
    static final class Encoder extends Module implements Stage {
        private final List<Stage> stages = new ArrayList<>();

        Encoder(WeightTree at, CausalVideoVaeConfig config, LayerSettings settings) {
            List<Integer> widths = config.blockOutChannels();
            stages.add(
                    child("conv_in", settings.conv(at.at("conv_in"), config.inChannels(), widths.getFirst(), 3))
                            ::forward);
            List<DownBlock> blocks = new ArrayList<>();
            int in = widths.getFirst();
            for (int i = 0; i < widths.size(); i++) {
                boolean last = i == widths.size() - 1;
                blocks.add(new DownBlock(
                        at.at("down_blocks").at(i),
                        in,
                        widths.get(i),
                        config.layersPerBlock(),
                        !last,
                        config.halvesTime(i),
                        settings));
                in = widths.get(i);
            }
            stages.addAll(children("down_blocks", blocks));
            stages.add(child("mid_block", new MidBlock(at.at("mid_block"), in, settings)));
            GroupNorm norm = child("conv_norm_out", settings.groupNorm(at.at("conv_norm_out"), in));
            stages.add((x, memory) -> Frames.normalise(norm, x, Activation.SILU));
            stages.add(
                    child("conv_out", settings.conv(at.at("conv_out"), in, 2 * config.latentChannels(), 3))::forward);
        }

        /// @param x `(N, 3, T, H, W)`
        /// @return mean and logarithm of the variance behind each other, `(N, 2*16, T', H/8, W/8)`
        @Override
        public Tensor forward(Tensor x, CausalMemory memory) {
            return observe(inSequence(stages, x, memory));
        }
    }

    /// `conv_in`, `mid_block`, `up_blocks`, `conv_norm_out`, `conv_out`.
    static final class Decoder extends Module implements Stage {
        private final List<Stage> stages = new ArrayList<>();

        Decoder(WeightTree at, CausalVideoVaeConfig config, LayerSettings settings) {
            List<Integer> widths = config.blockOutChannels().reversed();
            int in = widths.getFirst();
            stages.add(child("conv_in", settings.conv(at.at("conv_in"), config.latentChannels(), in, 3))::forward);
            stages.add(child("mid_block", new MidBlock(at.at("mid_block"), in, settings)));
            List<UpBlock> blocks = new ArrayList<>();
            for (int i = 0; i < widths.size(); i++) {
                boolean last = i == widths.size() - 1;
                blocks.add(new UpBlock(
                        at.at("up_blocks").at(i),
                        in,
                        widths.get(i),
                        config.layersPerBlock() + 1,
                        !last,
                        config.doublesTime(i),
                        settings));
                in = widths.get(i);
            }
            stages.addAll(children("up_blocks", blocks));
            GroupNorm norm = child("conv_norm_out", settings.groupNorm(at.at("conv_norm_out"), in));
            stages.add((x, memory) -> Frames.normalise(norm, x, Activation.SILU));
            stages.add(child("conv_out", settings.conv(at.at("conv_out"), in, config.outChannels(), 3))::forward);
        }

        /// @param x `(N, 16, t, h, w)`
        /// @return `(N, 3, T, 8h, 8w)`
        @Override
        public Tensor forward(Tensor x, CausalMemory memory) {
            return observe(inSequence(stages, x, memory));
        }
    }

    /// Resnets, then a downsampler except in the last block.
    static final class DownBlock extends Module implements Stage {
        private final List<Stage> stages = new ArrayList<>();

        DownBlock(
                WeightTree at,
                int in,
                int out,
                int layers,
                boolean downsample,
                boolean halveTime,
                LayerSettings settings) {
            stages.addAll(children("resnets", resnets(at.at("resnets"), in, out, layers, settings)));
            if (downsample) {
                stages.add(child(
                        "downsamplers.0",
                        new Downsample(
                                at.at("downsamplers.0"),
                                out,
                                out,
                                new int[] {halveTime ? 3 : 1, 3, 3},
                                0,
                                settings.inflation())));
            }
        }

        @Override
        public Tensor forward(Tensor x, CausalMemory memory) {
            return observe(inSequence(stages, x, memory));
        }
    }

    /// Resnets, then an upsampler except in the last block.
    static final class UpBlock extends Module implements Stage {
        private final List<Stage> stages = new ArrayList<>();

        UpBlock(
                WeightTree at,
                int in,
                int out,
                int layers,
                boolean upsample,
                boolean doubleTime,
                LayerSettings settings) {
            stages.addAll(children("resnets", resnets(at.at("resnets"), in, out, layers, settings)));
            if (upsample) {
                stages.add(child(
                        "upsamplers.0",
                        new Upsample(at.at("upsamplers.0"), out, out, doubleTime ? 2 : 1, 2, settings.inflation())));
            }
        }

        @Override
        public Tensor forward(Tensor x, CausalMemory memory) {
            return observe(inSequence(stages, x, memory));
        }
    }

    private static List<Resnet> resnets(WeightTree at, int in, int out, int layers, LayerSettings settings) {
        List<Resnet> resnets = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            resnets.add(new Resnet(at.at(i), i == 0 ? in : out, out, settings));
        }
        return resnets;
    }

    /// Resnet, attention inside each frame, resnet.
    static final class MidBlock extends Module implements Stage {
        private final List<Stage> stages = new ArrayList<>();

        MidBlock(WeightTree at, int channels, LayerSettings settings) {
            List<Resnet> resnets = resnets(at.at("resnets"), channels, channels, 2, settings);
            stages.add(child("resnets.0", resnets.getFirst()));
            stages.add(child("attentions.0", new FrameAttention(at.at("attentions.0"), channels, settings)));
            stages.add(child("resnets.1", resnets.getLast()));
        }

        @Override
        public Tensor forward(Tensor x, CausalMemory memory) {
            return observe(inSequence(stages, x, memory));
        }
    }

    /// `shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))))))` (He et al. 2016, arXiv 1603.05027), where the
    /// shortcut is a 1x1x1 convolution if the widths differ, else nothing.
    static final class Resnet extends Module implements Stage {
        private final GroupNorm norm1;
        private final CausalConv conv1;
        private final GroupNorm norm2;
        private final CausalConv conv2;
        private final @Nullable CausalConv shortcut;

        Resnet(WeightTree at, int in, int out, LayerSettings settings) {
            norm1 = child("norm1", settings.groupNorm(at.at("norm1"), in));
            conv1 = child("conv1", settings.conv(at.at("conv1"), in, out, 3));
            norm2 = child("norm2", settings.groupNorm(at.at("norm2"), out));
            conv2 = child("conv2", settings.conv(at.at("conv2"), out, out, 3));
            shortcut = in == out ? null : child("conv_shortcut", settings.conv(at.at("conv_shortcut"), in, out, 1));
        }

        /// @param x `(N, in, T, H, W)`
        /// @return `(N, out, T, H, W)`
        @Override
        public Tensor forward(Tensor x, CausalMemory memory) {
            return observe(Scope.run(() -> {
                if (shortcut == null) {
                    return conv2.forward(inner(x, memory), memory, x);
                }
                Tensor y = Scope.run(() -> conv2.forward(inner(x, memory), memory)); // (N, out, T, H, W)
                return shortcut.forward(x, memory, y);
            }));
        }

        /// What `conv2` convolves. Every temporary is released as soon as the next one is there.
        private Tensor inner(Tensor x, CausalMemory memory) {
            return Scope.run(() -> {
                Tensor h = Scope.run(() -> {
                    Tensor normed = Frames.normalise(norm1, x, Activation.SILU); // (N, in, T, H, W)
                    return conv1.forward(normed, memory);
                }); // (N, out, T, H, W)
                return Frames.normalise(norm2, h, Activation.SILU); // (N, out, T, H, W)
            });
        }
    }

    /// Self-attention with one head over the positions of each frame, added to its input. Checkpoints may call the
    /// projections `query`, `key`, `value` and `proj_attn`, as they once were.
    static final class FrameAttention extends Module implements Stage {
        private final GroupNorm groupNorm;
        private final Linear toQ;
        private final Linear toK;
        private final Linear toV;
        private final Linear toOut;

        FrameAttention(WeightTree at, int channels, LayerSettings settings) {
            groupNorm = child("group_norm", settings.groupNorm(at.at("group_norm"), channels));
            toQ = child("to_q", linear(at, "to_q", "query", channels));
            toK = child("to_k", linear(at, "to_k", "key", channels));
            toV = child("to_v", linear(at, "to_v", "value", channels));
            toOut = child("to_out.0", linear(at, "to_out.0", "proj_attn", channels));
        }

        private static Linear linear(WeightTree at, String name, String oldName, int channels) {
            return Layers.linear(at.at(at.hasUnder(oldName) ? oldName : name), channels, channels);
        }

        /// @param x `(N, C, T, H, W)`
        @Override
        public Tensor forward(Tensor x, CausalMemory memory) {
            return observe(Scope.run(() -> {
                int c = x.dim(1);
                int positions = x.dim(3) * x.dim(4);
                int[] frames = new int[x.dim(0) * x.dim(2)];
                Arrays.fill(frames, positions);
                Tensor tokens = Frames.channelsLast(x).reshape(-1, c); // (L, C), L = N T H W
                Tensor normed = Frames.channelsLast(Frames.normalise(groupNorm, x, Activation.NONE))
                        .reshape(-1, c); // (L, C)
                Tensor q = toQ.forward(normed).unsqueeze(1); // (L, 1, C)
                Tensor k = toK.forward(normed).unsqueeze(1); // (L, 1, C)
                Tensor v = toV.forward(normed).unsqueeze(1); // (L, 1, C)
                float scale = (float) (1 / Math.sqrt(c));
                KeyRanges visible = KeyRanges.packed(frames, frames);
                Tensor attended = Functional.attention(q, k, v, scale, visible, floatArithmetic()); // (L, 1, C)
                Tensor y = tokens.add(toOut.forward(attended.squeeze(1))); // (L, C)
                Shape lying = Frames.channelsLast(x).shape(); // (N, T, H, W, C)
                return Frames.channelsFirst(y.reshape(lying)); // (N, C, T, H, W)
            }));
        }
    }

    /// Halves rows and columns, and the frame rate too if the kernel reaches over time, with a strided convolution.
    static final class Downsample extends Module implements Stage {
        private final CausalConv conv;

        /// @param kernel `kT, kH, kW`, each 3 where the extent is halved and 1 where it stays
        /// @param padding zeros on every side of a frame; 0 means one row below and one column at the right
        Downsample(WeightTree at, int in, int out, int[] kernel, int padding, KernelInflation inflation) {
            int[] stride = Arrays.stream(kernel).map(k -> k > 1 ? 2 : 1).toArray();
            Convolution g = CausalConv.causal(stride, new int[] {kernel[0] / 2, padding, padding});
            if (padding == 0 && kernel[1] > 1) {
                g = new Convolution(
                        g.strideT(), g.strideH(), g.strideW(), g.front(), 0, 0, 1, 0, 1, g.replicateFront());
            }
            conv = child("conv", new CausalConv(at.at("conv"), in, out, kernel, g, inflation));
        }

        /// @param x `(N, C, T, H, W)`
        /// @return `(N, C, (T-1)/2 + 1, H/2, W/2)`, or with T frames; a later chunk of a video gives T/2 frames
        @Override
        public Tensor forward(Tensor x, CausalMemory memory) {
            return observe(conv.forward(x, memory));
        }
    }

    /// Doubles rows and columns, and the frame rate too if `temporal` is 2: a 1x1x1 convolution makes all new pixels
    /// of a position as channels, which are then put into their places (Shi et al. 2016, arXiv 1609.05158), and a
    /// causal convolution follows.
    static final class Upsample extends Module implements Stage {
        private final int temporal;
        private final int spatial;
        private final UpscaleConv upscale;
        private final CausalConv conv;

        /// @param temporal new frames to a frame, 1 or 2
        /// @param spatial new rows to a row, and columns to a column
        Upsample(WeightTree at, int in, int out, int temporal, int spatial, KernelInflation inflation) {
            this.temporal = temporal;
            this.spatial = spatial;
            upscale = child("upscale_conv", new UpscaleConv(at.at("upscale_conv"), in, temporal, spatial * spatial));
            conv = child("conv", CausalConv.keepingSize(at.at("conv"), in, out, 3, inflation));
        }

        /// @param x `(N, C, T, H, W)`
        /// @return `(N, C', T, 2H, 2W)`, or with 2T frames, or 2T-1 at the start of a video: its first frame stays one
        @Override
        public Tensor forward(Tensor x, CausalMemory memory) {
            boolean start = temporal > 1 && memory.atStart();
            return observe(Scope.run(() -> {
                Tensor larger = Scope.run(() -> {
                    int z = start && x.dim(2) == 1 ? 1 : temporal;
                    return unfold(upscale.forward(x, z), z, start);
                }); // (N, C, T', H', W')
                return conv.forward(larger, memory);
            }));
        }

        /// Puts channels into their places.
        ///
        /// @param y `(N, (s s z C), T, H, W)`
        /// @param z new frames to a frame
        /// @param start whether the first frame becomes one frame only
        private Tensor unfold(Tensor y, int z, boolean start) {
            int n = y.dim(0);
            int t = y.dim(2);
            int h = y.dim(3);
            int w = y.dim(4);
            Tensor pixels = Frames.channelsLast(y)
                    .reshape(n, t, h, w, spatial, spatial, z, -1) // (N, T, H, W, s, s, z, C)
                    .permute(0, 1, 6, 2, 4, 3, 5, 7); // (N, T, z, H, s, W, s, C)
            if (!start || z == 1) {
                return placed(pixels);
            }
            Tensor first = placed(pixels.slice(1, 0, 1).slice(2, 0, 1)); // (N, C, 1, H', W')
            return t == 1 ? first : Frames.concat(List.of(first, placed(pixels.slice(1, 1, t))));
        }

        /// `(N, T, z, H, s, W, s, C)` to `(N, C, T z, H s, W s)`, channels innermost in memory.
        private static Tensor placed(Tensor p) {
            return Frames.channelsFirst(
                    p.reshape(p.dim(0), p.dim(1) * p.dim(2), p.dim(3) * p.dim(4), p.dim(5) * p.dim(6), p.dim(7)));
        }
    }

    /// A 1x1x1 convolution to `(x y z C)` channels, C running fastest: C channels for each new row x, column y and
    /// frame z.
    static final class UpscaleConv extends Module {
        private static final Convolution GEOMETRY = Convolution.planar(1, 0);

        private final int temporal;
        private final int positions;
        private final Tensor weight; // (x y z C, C, 1, 1, 1)
        private final Tensor bias; // (x y z C)
        private final PackedFilters all = new PackedFilters();
        private final PackedFilters first = new PackedFilters(w -> List.of(rows(w, 1)));

        /// @param temporal values of z
        /// @param positions values of (x, y)
        UpscaleConv(WeightTree at, int channels, int temporal, int positions) {
            int out = positions * temporal * channels;
            this.temporal = temporal;
            this.positions = positions;
            this.weight = parameter("weight", Layers.tensor(at, "weight", out, channels, 1, 1, 1))
                    .value();
            this.bias = parameter("bias", Layers.tensor(at, "bias", out)).value();
        }

        /// Computes the channels of all new pixels.
        ///
        /// @param x `(N, C, T, H, W)`
        /// @param frames how many values of z to compute, from 0 on: a single image needs only the first
        /// @return `(N, (x y frames C), T, H, W)`
        Tensor forward(Tensor x, int frames) {
            List<PackedFilter> packed = (frames == temporal ? all : first).of(weight);
            return observe(Scope.run(() -> packed == null
                    ? Functional.convolution(
                            GEOMETRY.in(floatArithmetic()), x, rows(weight, frames), rows(bias, frames), null)
                    : Functional.convolution(GEOMETRY, x, packed.getFirst(), rows(bias, frames), null)));
        }

        @Override
        protected void packInto(PackedWeights weights) {
            all.packInto(weights);
            first.packInto(weights);
        }

        /// The output channels of the first values of z.
        private Tensor rows(Tensor t, int frames) {
            if (frames == temporal) {
                return t;
            }
            int channels = t.dim(0) / positions / temporal;
            Shape shape = t.shape().with(0, positions * frames * channels);
            return t.reshape(positions, temporal, channels, -1)
                    .slice(1, 0, frames)
                    .reshape(shape);
        }
    }
}
