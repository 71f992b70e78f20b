package dev.palimpsest.models.infinity;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.WeightTree;
import java.util.Map;

/// Sizes and settings of an [InfinityTransformer].
///
/// @param depth transformer blocks
/// @param blockChunks groups of equally many consecutive blocks, as the checkpoint names them
/// @param embedDim width C of the hidden states
/// @param heads attention heads
/// @param ffnHidden width inside the feed-forward parts
/// @param textChannels width of the text features
/// @param textMaxLength longest text that the unconditional text can stand for, in tokens
/// @param poolHeads heads of the attention that condenses a text into one vector
/// @param bits bits of a token, d_vae: those of a latent position, or of four of them with `spatialPatchify`
/// @param levels scales that have a level embedding
/// @param spatialPatchify whether a token stands for 2 x 2 latent positions
/// @param ropeMode how rows and columns of scales of different sizes are laid over each other
/// @param levelEmbeddingOnce whether the level embedding is added before the first chunk only, or before every chunk
/// @param normEps added to the variance or mean square in every normalisation
public record InfinityConfig(
        int depth,
        int blockChunks,
        int embedDim,
        int heads,
        int ffnHidden,
        int textChannels,
        int textMaxLength,
        int poolHeads,
        int bits,
        int levels,
        boolean spatialPatchify,
        Rope2d.Mode ropeMode,
        boolean levelEmbeddingOnce,
        float normEps) {

    /// What the original can be configured to and this is not; none of the released configurations does.
    private static final Map<String, Boolean> ONLY = Map.of(
            "shared_aln", true,
            "rms_norm", false,
            "cos_attn", true,
            "use_bit_label", true,
            "rope2d_each_sa_layer", true);

    /// A configuration with checked sizes.
    ///
    /// @throws IllegalArgumentException naming the first size that makes no sense
    public InfinityConfig {
        atLeastOne("depth", depth);
        atLeastOne("block_chunks", blockChunks);
        atLeastOne("embed_dim", embedDim);
        atLeastOne("num_heads", heads);
        atLeastOne("the hidden width of the ffn", ffnHidden);
        atLeastOne("text_channels", textChannels);
        atLeastOne("text_maxlen", textMaxLength);
        atLeastOne("the number of heads of the text's pool", poolHeads);
        atLeastOne("the number of bits", bits);
        atLeastOne("the number of level embeddings", levels);
        if (depth % blockChunks != 0) {
            throw new IllegalArgumentException(
                    "infinity: " + depth + " blocks do not divide into " + blockChunks + " equal chunks");
        }
        if (embedDim % heads != 0 || embedDim / heads % 4 != 0) {
            throw new IllegalArgumentException("infinity: width " + embedDim + " does not divide into " + heads
                    + " heads whose width is a multiple of 4");
        }
        if (embedDim % poolHeads != 0) {
            throw new IllegalArgumentException("infinity: width " + embedDim + " does not divide into the " + poolHeads
                    + " heads of the text's pool");
        }
        if (spatialPatchify && bits % 4 != 0) {
            throw new IllegalArgumentException(
                    "infinity: " + bits + " bits of a token do not divide into 2 x 2 latent positions");
        }
        if (!(normEps > 0)) {
            throw new IllegalArgumentException("infinity: norm_eps " + normEps + " is not above 0");
        }
    }

    private static void atLeastOne(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException("infinity: " + name + " is " + value + ", below 1");
        }
    }

    /// Width of a head.
    public int headDim() {
        return embedDim / heads;
    }

    /// Consecutive blocks of a chunk.
    public int blocksInChunk() {
        return depth / blockChunks;
    }

    /// Latent positions of a token along each side.
    public int patch() {
        return spatialPatchify ? 2 : 1;
    }

    /// Bits of a latent position: channels of the autoencoder's latent.
    public int latentChannels() {
        return bits / (patch() * patch());
    }

    /// Sizes read off the shapes of a checkpoint; what shapes cannot tell comes from `settings` or is as in the
    /// released models.
    ///
    /// @param weights the node at which `block_chunks`, `word_embed`, ... lie
    /// @param settings the fields of the original's command line, all of them optional: `apply_spatial_patchify` (0),
    ///     `rope2d_normalized_by_hw` (2), `add_lvl_embeding_only_first_block` (1), `norm_eps` (1e-6); sizes that
    ///     contradict the checkpoint (`depth`, `embed_dim`, `num_heads`, ...) are refused
    /// @throws dev.palimpsest.weights.CheckpointException if the checkpoint is not one of an Infinity transformer
    /// @throws IllegalArgumentException if a setting is not supported or contradicts the checkpoint
    public static InfinityConfig of(WeightTree weights, JsonObject settings) {
        return of(weights, settings, false);
    }

    /// As the other [#of], with a say in what holds where settings are silent.
    ///
    /// @param patchify whether a token stands for 2 x 2 latent positions unless `apply_spatial_patchify` says so
    static InfinityConfig of(WeightTree weights, JsonObject settings, boolean patchify) {
        ONLY.forEach((name, supported) -> {
            if (flag(settings, name, supported) != supported) {
                throw new IllegalArgumentException(
                        settings.origin() + ": " + name + " is supported only as " + supported);
            }
        });
        int chunks = weights.count("block_chunks");
        WeightTree firstChunk = weights.at("block_chunks").at(0);
        WeightTree firstBlock = firstChunk.at("module").at(0);
        Shape words = weights.shape("word_embed.weight"); // (C, d_vae)
        Shape unconditional = weights.shape("cfg_uncond"); // (text_maxlen, Ct5)
        InfinityConfig config = new InfinityConfig(
                chunks * firstChunk.count("module"),
                chunks,
                words.dim(0),
                firstBlock.shape("sa.scale_mul_1H11").dim(1),
                firstBlock.shape("ffn.fc1.weight").dim(0),
                unconditional.dim(1),
                unconditional.dim(0),
                weights.shape("text_proj_for_sos.ca.mat_q").dim(1),
                words.dim(1),
                weights.shape("lvl_embed.weight").dim(0),
                flag(settings, "apply_spatial_patchify", patchify),
                Rope2d.Mode.of(settings.int32("rope2d_normalized_by_hw", Rope2d.Mode.STRETCHED.number())),
                flag(settings, "add_lvl_embeding_only_first_block", true),
                (float) settings.number("norm_eps", 1e-6));
        config.mustAgree(settings, "depth", config.depth);
        config.mustAgree(settings, "block_chunks", chunks);
        config.mustAgree(settings, "embed_dim", config.embedDim);
        config.mustAgree(settings, "num_heads", config.heads);
        config.mustAgree(settings, "text_channels", config.textChannels);
        config.mustAgree(settings, "vae_type", config.latentChannels());
        return config;
    }

    /// These settings with another [#ropeMode].
    public InfinityConfig withRopeMode(Rope2d.Mode mode) {
        return new InfinityConfig(
                depth,
                blockChunks,
                embedDim,
                heads,
                ffnHidden,
                textChannels,
                textMaxLength,
                poolHeads,
                bits,
                levels,
                spatialPatchify,
                mode,
                levelEmbeddingOnce,
                normEps);
    }

    /// These settings with another [#levelEmbeddingOnce].
    public InfinityConfig withLevelEmbeddingOnce(boolean once) {
        return new InfinityConfig(
                depth,
                blockChunks,
                embedDim,
                heads,
                ffnHidden,
                textChannels,
                textMaxLength,
                poolHeads,
                bits,
                levels,
                spatialPatchify,
                ropeMode,
                once,
                normEps);
    }

    private void mustAgree(JsonObject settings, String name, int actual) {
        if (settings.int32(name, actual) != actual) {
            throw new IllegalArgumentException(settings.origin() + ": " + name + " is " + settings.int32(name)
                    + ", but the shapes of the checkpoint say " + actual);
        }
    }

    /// A switch that the original writes as 0 or 1, or as a boolean.
    static boolean flag(JsonObject settings, String name, boolean absent) {
        return settings.value(name) instanceof Boolean value ? value : settings.int32(name, absent ? 1 : 0) != 0;
    }
}
