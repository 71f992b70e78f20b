package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.WeightTree;
import java.util.Map;

/// Sizes and settings of a [NaDit]. Names are those of the original configuration.
///
/// @param vidInChannels channels of a latent position: noisy latent, condition latent, mask
/// @param vidOutChannels channels of the prediction
/// @param vidDim width of the hidden states, of video and text alike
/// @param txtInDim width of the text embeddings
/// @param heads attention heads
/// @param headDim width of a head; `heads * headDim` need not be `vidDim`
/// @param mlpHidden width inside the feed-forward parts
/// @param numLayers transformer blocks
/// @param mmLayers leading blocks that have separate weights for video and text; the others share theirs
/// @param qkBias whether the projections to queries, keys and values have a bias
/// @param ropeDim elements of a head that are meant to be rotated, shared by three axes
/// @param normEps added to the mean square in every normalisation
/// @param patchHeight rows of a patch
/// @param patchWidth columns of a patch
public record NaDitConfig(
        int vidInChannels,
        int vidOutChannels,
        int vidDim,
        int txtInDim,
        int heads,
        int headDim,
        int mlpHidden,
        int numLayers,
        int mmLayers,
        boolean qkBias,
        int ropeDim,
        float normEps,
        int patchHeight,
        int patchWidth) {

    /// The released VINCIE-3B.
    public static final NaDitConfig VINCIE_3B =
            new NaDitConfig(33, 16, 2560, 5120, 20, 128, 6912, 32, 10, false, 128, 1e-5f, 2, 2);

    /// What the original can be configured to and this is not; none of the released configurations does.
    private static final Map<String, String> ONLY = Map.of(
            "norm", "fusedrms",
            "qk_norm", "fusedrms",
            "vid_out_norm", "fusedrms",
            "ada", "single",
            "mlp_type", "swiglu",
            "block_type", "mmdit",
            "msa_type", "mm_full",
            "rope_type", "mmrope3d",
            "patch_type", "v1");

    /// A configuration with checked sizes.
    ///
    /// @throws IllegalArgumentException naming the first size that makes no sense
    public NaDitConfig {
        atLeast("vid_in_channels", vidInChannels, 1);
        atLeast("vid_out_channels", vidOutChannels, 1);
        atLeast("vid_dim", vidDim, 1);
        atLeast("txt_in_dim", txtInDim, 1);
        atLeast("heads", heads, 1);
        atLeast("head_dim", headDim, 1);
        atLeast("the hidden width of the mlp", mlpHidden, 1);
        atLeast("num_layers", numLayers, 1);
        atLeast("mm_layers", mmLayers, 0);
        atLeast("rope_dim", ropeDim, 6);
        atLeast("patch height", patchHeight, 1);
        atLeast("patch width", patchWidth, 1);
        if (6 * (ropeDim / 3 / 2) > headDim) {
            throw new IllegalArgumentException(
                    "nadit: rope_dim " + ropeDim + " rotates more elements than head_dim " + headDim + " has");
        }
        if (!(normEps > 0)) {
            throw new IllegalArgumentException("nadit: norm_eps " + normEps + " is not above 0");
        }
    }

    private static void atLeast(String name, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException("nadit: " + name + " is " + value + ", below " + least);
        }
    }

    /// Width of the time embedding, which modulates two parts with three vectors each.
    public int embDim() {
        return 6 * vidDim;
    }

    /// Latent positions in a patch.
    public int patchArea() {
        return patchHeight * patchWidth;
    }

    /// Whether block `layer` uses the same weights for video and text.
    public boolean isShared(int layer) {
        return layer >= mmLayers;
    }

    /// Extents of a latent video in tokens.
    ///
    /// @throws IllegalArgumentException if it cannot be cut into patches
    public VideoShape patched(VideoShape latent) {
        if (latent.height() % patchHeight != 0 || latent.width() % patchWidth != 0) {
            throw new IllegalArgumentException("nadit: a latent of " + latent.height() + " x " + latent.width()
                    + " cannot be cut into patches of " + patchHeight + " x " + patchWidth);
        }
        return new VideoShape(latent.frames(), latent.height() / patchHeight, latent.width() / patchWidth);
    }

    /// Extents of the latent video that makes these tokens; undoes [#patched].
    public VideoShape unpatched(VideoShape tokens) {
        return new VideoShape(tokens.frames(), tokens.height() * patchHeight, tokens.width() * patchWidth);
    }

    /// A complete configuration as the original writes it.
    ///
    /// @param json fields `vid_in_channels`, `vid_dim`, ...
    /// @throws dev.palimpsest.models.json.JsonException if a field is missing or of the wrong type
    /// @throws IllegalArgumentException if a setting is not supported
    public static NaDitConfig of(JsonObject json) {
        ONLY.forEach((name, supported) -> {
            if (!json.text(name, supported).equals(supported)) {
                throw new IllegalArgumentException(json.origin() + ": " + name + " \"" + json.text(name)
                        + "\" is not supported, only \"" + supported + "\"");
            }
        });
        int dim = json.int32("vid_dim");
        int txtDim = json.int32("txt_dim", dim);
        if (txtDim != dim || json.int32("emb_dim", 6 * dim) != 6 * dim) {
            throw new IllegalArgumentException(
                    json.origin() + ": txt_dim must be vid_dim (" + dim + ") and emb_dim six times as much");
        }
        int[] patch = json.has("patch_size") ? json.int32s("patch_size") : new int[] {1, 2, 2};
        if (patch.length != 3 || patch[0] != 1) {
            throw new IllegalArgumentException(
                    json.origin() + ": patch_size must be [1, height, width]; patches over time are not supported");
        }
        int layers = json.int32("num_layers");
        return new NaDitConfig(
                json.int32("vid_in_channels"),
                json.int32("vid_out_channels"),
                dim,
                json.int32("txt_in_dim"),
                json.int32("heads"),
                json.int32("head_dim"),
                NaDit.SwiGlu.hidden(dim, json.number("expand_ratio"), 256),
                layers,
                Math.min(json.int32("mm_layers", layers), layers),
                json.bool("qk_bias", false),
                json.int32("rope_dim"),
                (float) json.number("norm_eps", 1e-5),
                patch[1],
                patch[2]);
    }

    /// A configuration read off the shapes of a checkpoint. What shapes cannot tell comes from `settings` or is as in
    /// VINCIE-3B: the patch's height and width, `norm_eps`, and `rope_dim` (by default the head's width).
    ///
    /// @param weights the node at which `vid_in`, `blocks`, ... lie
    /// @param settings fields as in [#of], all of them optional; sizes in it that contradict the checkpoint show up
    ///     when it is loaded
    /// @throws dev.palimpsest.weights.CheckpointException if the checkpoint is not one of a NaDit
    public static NaDitConfig of(WeightTree weights, JsonObject settings) {
        Shape patchIn = weights.shape("vid_in.proj.weight"); // (dim, patch area * channels)
        Shape patchOut = weights.shape("vid_out.proj.weight"); // (patch area * channels, dim)
        int[] patch = settings.has("patch_size") ? settings.int32s("patch_size") : new int[] {1, 2, 2};
        if (patch.length != 3 || patch[0] != 1) {
            throw new IllegalArgumentException(
                    settings.origin() + ": patch_size must be [1, height, width]; patches over time are not supported");
        }
        int area = patch[1] * patch[2];
        int layers = weights.count("blocks");
        int separate = 0;
        while (separate < layers && !weights.at("blocks").at(separate).hasUnder("attn.proj_qkv.all")) {
            separate++;
        }
        String stream = separate == 0 ? "all" : "vid";
        WeightTree first = weights.at("blocks").at(0);
        WeightTree qkv = first.at("attn").at("proj_qkv").at(stream);
        int headDim = first.shape("attn.norm_q." + stream + ".weight").dim(0);
        int dim = patchIn.dim(0);
        return new NaDitConfig(
                settings.int32("vid_in_channels", patchIn.dim(1) / area),
                settings.int32("vid_out_channels", patchOut.dim(0) / area),
                settings.int32("vid_dim", dim),
                settings.int32(
                        "txt_in_dim",
                        weights.has("txt_in.weight")
                                ? weights.shape("txt_in.weight").dim(1)
                                : dim),
                settings.int32("heads", qkv.shape("weight").dim(0) / 3 / headDim),
                settings.int32("head_dim", headDim),
                first.shape("mlp." + stream + ".proj_in.weight").dim(0),
                settings.int32("num_layers", layers),
                settings.int32("mm_layers", separate),
                qkv.has("bias"),
                settings.int32("rope_dim", ropeDim(first, headDim)),
                (float) settings.number("norm_eps", VINCIE_3B.normEps),
                patch[1],
                patch[2]);
    }

    /// The head's width if it gives as many frequencies as are stored or none are stored, else the smallest width that
    /// does.
    private static int ropeDim(WeightTree block, int headDim) {
        String key = "attn.rope.rope.freqs";
        if (!block.has(key)) {
            return headDim;
        }
        int frequencies = block.shape(key).dim(0);
        return headDim / 3 / 2 == frequencies ? headDim : 6 * frequencies;
    }
}
