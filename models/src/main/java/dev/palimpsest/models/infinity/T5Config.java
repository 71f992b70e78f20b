package dev.palimpsest.models.infinity;

import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.WeightTree;
import java.util.Set;

/// Sizes of a T5 encoder.
///
/// @param vocabulary rows of the embedding table
/// @param width width of the hidden state (`d_model`)
/// @param layers number of layers
/// @param heads attention heads
/// @param headDim width of an attention head (`d_kv`)
/// @param feedForward width inside the feed-forward part (`d_ff`)
/// @param buckets rows of the table of relative positions
/// @param maxDistance distance from which on all positions share a bucket
/// @param eps added to the mean square in the normalisations
public record T5Config(
        int vocabulary,
        int width,
        int layers,
        int heads,
        int headDim,
        int feedForward,
        int buckets,
        int maxDistance,
        float eps) {
    private static final Set<String> GATED_GELU = Set.of("gated-gelu", "gelu_new", "gelu_pytorch_tanh");

    /// Checks that positions can be told apart.
    public T5Config {
        if (buckets < 4 || buckets % 4 != 0 || maxDistance <= buckets / 4) {
            throw new IllegalArgumentException(
                    "text encoder: " + buckets + " buckets for distances up to " + maxDistance
                            + "; the buckets must be a multiple of 4, and the distance more than a quarter of them");
        }
    }

    /// Reads what tensor shapes tell from the weights and the rest from a configuration in T5's own words, with the
    /// values of flan-t5-xl where it is silent.
    ///
    /// @param weights the node that holds `encoder`
    /// @param config the model's `config.json`, perhaps empty
    /// @throws dev.palimpsest.weights.CheckpointException if a tensor that tells a size is not there
    /// @throws IllegalArgumentException if the feed-forward part is of another kind than this encoder's
    public static T5Config from(WeightTree weights, JsonObject config) {
        for (String field : new String[] {"feed_forward_proj", "dense_act_fn"}) {
            if (!GATED_GELU.contains(config.text(field, "gated-gelu"))) {
                throw new IllegalArgumentException("text encoder: " + config.origin() + " asks for " + field + " "
                        + config.text(field) + ", but only the gated GELU of T5 1.1 is known");
            }
        }
        WeightTree first = weights.at("encoder").at("block").at(0);
        WeightTree attention = first.at("layer.0").at("SelfAttention");
        var table = T5Encoder.embeddings(weights).shape("weight"); // (vocabulary, width)
        var bias = attention.shape("relative_attention_bias.weight"); // (buckets, heads)
        return new T5Config(
                table.dim(0),
                table.dim(1),
                weights.at("encoder").count("block"),
                bias.dim(1),
                attention.shape("q.weight").dim(0) / bias.dim(1),
                first.at("layer.1").shape("DenseReluDense.wi_0.weight").dim(0),
                bias.dim(0),
                config.int32("relative_attention_max_distance", 128),
                (float) config.number("layer_norm_epsilon", 1e-6));
    }

    /// The bucket of a relative position: near ones have a bucket each, farther ones share buckets that widen with the
    /// logarithm of the distance, and those beyond [#maxDistance] share the last one. Half of the buckets are for
    /// positions before the query, half for those behind it (Raffel et al. 2020, arXiv 1910.10683, section 2.1).
    ///
    /// @param relative position of the key minus position of the query
    public int bucket(int relative) {
        int half = buckets / 2;
        int exact = half / 2;
        int direction = relative > 0 ? half : 0;
        int distance = Math.abs(relative);
        if (distance < exact) {
            return direction + distance;
        }
        // Single precision decides where a bucket ends, so it is kept in every step.
        float logarithm = (float) Math.log((float) distance / exact);
        float share = logarithm / (float) Math.log((double) maxDistance / exact);
        return direction + Math.min(half - 1, exact + (int) (share * (half - exact)));
    }
}
