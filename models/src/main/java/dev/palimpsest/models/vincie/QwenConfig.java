package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.WeightTree;

/// Sizes of a first-generation Qwen language model as VINCIE uses it to encode text.
///
/// @param vocabulary rows of the embedding table
/// @param hidden width of the hidden state
/// @param layers number of layers
/// @param headDim width of an attention head; heads = hidden / headDim
/// @param feedForward width inside the feed-forward part (half of what Qwen's own configuration calls
///     `intermediate_size`)
/// @param eps added to the mean square in the normalisations
/// @param ropeBase base of the rotary frequencies
/// @param maxLength longest text in tokens, end token included
public record QwenConfig(
        int vocabulary,
        int hidden,
        int layers,
        int headDim,
        int feedForward,
        float eps,
        double ropeBase,
        int maxLength) {
    private static final int TRAINED_LENGTH = 2048;

    /// Checks that heads divide the width and that positions stay in the trained range, where Qwen's length
    /// extrapolation plays no part.
    public QwenConfig {
        if (headDim < 2 || headDim % 2 != 0 || hidden % headDim != 0) {
            throw new IllegalArgumentException(
                    "text encoder: width " + hidden + " does not divide into heads of even width " + headDim);
        }
        if (maxLength < 1 || maxLength > TRAINED_LENGTH) {
            throw new IllegalArgumentException(
                    "text encoder: max_length " + maxLength + " must lie between 1 and " + TRAINED_LENGTH);
        }
    }

    /// Number of attention heads.
    public int heads() {
        return hidden / headDim;
    }

    /// Reads what tensor shapes tell from the weights and the rest from a configuration in Qwen's own words, with the
    /// values of Qwen-14B where it is silent.
    ///
    /// @param weights the node that holds `transformer`
    /// @param config the model's `config.json`, perhaps empty
    public static QwenConfig from(WeightTree weights, JsonObject config) {
        WeightTree transformer = weights.at("transformer");
        Shape table = transformer.shape("wte.weight"); // (vocabulary, hidden)
        return new QwenConfig(
                table.dim(0),
                table.dim(1),
                transformer.count("h"),
                config.int32("kv_channels", 128),
                transformer.at("h").at(0).shape("mlp.w1.weight").dim(0),
                (float) config.number("layer_norm_epsilon", 1e-6),
                config.number("rotary_emb_base", 10_000),
                config.int32("max_length", 150));
    }
}
