package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Sizes and settings of a [CausalVideoVae].
///
/// @param inChannels channels of the video that is encoded
/// @param outChannels channels of the video that is decoded
/// @param latentChannels channels of the latent
/// @param blockOutChannels width of every resolution, finest first
/// @param layersPerBlock resnets of an encoder block; a decoder block has one more
/// @param normGroups groups of every group normalisation; divides every width
/// @param temporalScaleNum how many blocks halve the frame rate, besides the rows and columns
/// @param inflation what to do with 2-D kernels
/// @param scalingFactor latents are `(sample - shift) * scale`; one number, or one for each latent channel
/// @param shiftingFactor one number, or one for each latent channel
/// @param useSample whether a latent is drawn from the posterior by default; else it is the mean
/// @param splitSize length in frames of the chunks in which longer videos are computed, a multiple of the temporal
///     factor; 0 computes every video as a whole
public record CausalVideoVaeConfig(
        int inChannels,
        int outChannels,
        int latentChannels,
        List<Integer> blockOutChannels,
        int layersPerBlock,
        int normGroups,
        int temporalScaleNum,
        KernelInflation inflation,
        List<Double> scalingFactor,
        List<Double> shiftingFactor,
        boolean useSample,
        int splitSize) {

    /// Checks that the numbers fit each other.
    ///
    /// @throws IllegalArgumentException naming the setting that does not
    public CausalVideoVaeConfig {
        blockOutChannels = List.copyOf(blockOutChannels);
        scalingFactor = List.copyOf(scalingFactor);
        shiftingFactor = List.copyOf(shiftingFactor);
        if (blockOutChannels.isEmpty() || layersPerBlock < 1 || inChannels < 1 || outChannels < 1) {
            throw new IllegalArgumentException("vae: needs channels, blocks and layers, but has " + inChannels
                    + " input channels, " + outChannels + " output channels, blocks of " + blockOutChannels
                    + " channels and " + layersPerBlock + " layers a block");
        }
        for (int channels : blockOutChannels) {
            if (normGroups < 1 || channels % normGroups != 0) {
                throw new IllegalArgumentException(
                        "vae: norm_num_groups " + normGroups + " does not divide a width of " + channels
                                + " channels; set vae.norm_num_groups in config.json to what the model was made with");
            }
        }
        if (temporalScaleNum < 0 || temporalScaleNum > Math.min(blockOutChannels.size() - 1, 30)) {
            throw new IllegalArgumentException("vae: temporal_scale_num " + temporalScaleNum + " does not lie between 0"
                    + " and the number of downsamplers, " + (blockOutChannels.size() - 1));
        }
        checkPerChannel("scaling_factor", scalingFactor, latentChannels);
        checkPerChannel("shifting_factor", shiftingFactor, latentChannels);
        if (scalingFactor.contains(0.0)) {
            throw new IllegalArgumentException("vae: scaling_factor must not be 0");
        }
        if (splitSize < 0 || splitSize % (1 << temporalScaleNum) != 0) {
            throw new IllegalArgumentException("vae: split_size " + splitSize
                    + " is not a multiple of the temporal factor " + (1 << temporalScaleNum));
        }
    }

    private static void checkPerChannel(String name, List<Double> values, int channels) {
        if (values.size() != 1 && values.size() != channels) {
            throw new IllegalArgumentException("vae: " + name + " has " + values.size()
                    + " numbers; it must have one, or one for each of the " + channels + " latent channels");
        }
    }

    /// The autoencoder of VINCIE-3B.
    public static CausalVideoVaeConfig defaults() {
        return new CausalVideoVaeConfig(
                3,
                3,
                16,
                List.of(128, 256, 512, 512),
                2,
                32,
                2,
                KernelInflation.NONE,
                List.of(0.9152),
                List.of(0.0),
                true,
                0);
    }

    /// Sizes from the shapes of a checkpoint's tensors; what shapes cannot tell from the `vae` part of a
    /// `config.json`, else from [#defaults].
    ///
    /// @param weights the node above `encoder` and `decoder`; nothing is taken from it
    /// @throws dev.palimpsest.weights.CheckpointException if it has not the tensors of such a model
    /// @throws dev.palimpsest.models.json.JsonException if a setting is of the wrong type
    /// @throws IllegalArgumentException if a setting does not fit
    public static CausalVideoVaeConfig of(WeightTree weights, JsonObject settings) {
        CausalVideoVaeConfig d = defaults();
        String activation = settings.text("act_fn", "silu");
        if (!activation.equals("silu")) {
            throw new IllegalArgumentException("vae: act_fn " + activation + " is not known; it must be silu");
        }
        int inChannels = extent(weights, "encoder.conv_in.weight", 1);
        int latentChannels = extent(weights, "decoder.conv_in.weight", 1);
        int outChannels = extent(weights, "decoder.conv_out.weight", 0);
        List<Integer> widths = new ArrayList<>();
        int halvings = 0;
        for (int i = 0; i == 0 || i < weights.count("encoder.down_blocks"); i++) {
            WeightTree block = weights.at("encoder.down_blocks").at(i);
            widths.add(extent(block, "resnets.0.conv1.weight", 0));
            if (block.hasUnder("downsamplers")) {
                Shape kernel = block.shape("downsamplers.0.conv.weight");
                halvings += kernel.rank() == 5 && kernel.dim(2) == 3 ? 1 : 0;
            }
        }
        boolean flat = weights.shape("encoder.conv_in.weight").rank() == 4;
        return new CausalVideoVaeConfig(
                inChannels,
                outChannels,
                latentChannels,
                widths,
                weights.count("encoder.down_blocks.0.resnets"),
                settings.int32("norm_num_groups", d.normGroups()),
                flat ? settings.int32("temporal_scale_num", d.temporalScaleNum()) : halvings,
                KernelInflation.of(settings.text("inflation_mode", "pad")),
                perChannel(settings, "scaling_factor", d.scalingFactor()),
                perChannel(settings, "shifting_factor", d.shiftingFactor()),
                settings.bool("use_sample", d.useSample()),
                settings.objectOrEmpty("slicing").int32("split_size", d.splitSize()));
    }

    private static int extent(WeightTree weights, String key, int axis) {
        Shape shape = weights.shape(key);
        if (shape.rank() < 4) {
            throw new IllegalArgumentException(
                    "vae: " + key + " " + shape + " is not the kernel of a convolution; is this another model?");
        }
        return shape.dim(axis);
    }

    private static List<Double> perChannel(JsonObject settings, String name, List<Double> absent) {
        if (!settings.has(name)) {
            return absent;
        }
        return settings.value(name) instanceof List
                ? Arrays.stream(settings.numbers(name)).boxed().toList()
                : List.of(settings.number(name));
    }

    /// This configuration with chunks of another length; see [#splitSize].
    public CausalVideoVaeConfig withSplitSize(int frames) {
        return new CausalVideoVaeConfig(
                inChannels,
                outChannels,
                latentChannels,
                blockOutChannels,
                layersPerBlock,
                normGroups,
                temporalScaleNum,
                inflation,
                scalingFactor,
                shiftingFactor,
                useSample,
                frames);
    }

    /// Number of resolutions.
    public int blocks() {
        return blockOutChannels.size();
    }

    /// Rows of the video to one row of the latent; columns alike.
    public int spatialFactor() {
        return 1 << (blocks() - 1);
    }

    /// Frames of the video to one frame of the latent, the first frame aside, which has one of its own.
    public int temporalFactor() {
        return 1 << temporalScaleNum;
    }

    /// Whether the downsampler of this encoder block also halves the frame rate: the last ones do.
    boolean halvesTime(int block) {
        return block < blocks() - 1 && block >= blocks() - 1 - temporalScaleNum;
    }

    /// Whether the upsampler of this decoder block also doubles the frame rate: the first ones do.
    boolean doublesTime(int block) {
        return block < temporalScaleNum;
    }
}
