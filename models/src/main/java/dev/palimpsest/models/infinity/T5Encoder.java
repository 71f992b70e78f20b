package dev.palimpsest.models.infinity;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Embedding;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.RmsNorm;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The encoder of T5 1.1 (Raffel et al. 2020, arXiv 1910.10683; gated feed-forward of Shazeer 2020, arXiv 2002.05202).
///
/// Attention is neither causal nor scaled. Texts lie packed behind each other, so that padding costs nothing.
public final class T5Encoder extends Module {
    private final T5Config config;
    private final Embedding shared;
    private final Embedding relativeBias;
    private final List<Layer> layers;
    private final RmsNorm finalLayerNorm;

    /// An encoder over the tensors `shared.*` and `encoder.*` below a node. A decoder beside them is passed over.
    public T5Encoder(WeightTree weights, T5Config config) {
        this.config = config;
        weights.ignore("shared.weight", "encoder.embed_tokens.weight", "decoder.*", "lm_head.weight");
        WeightTree encoder = weights.at("encoder");
        WeightTree blocks = encoder.at("block");
        shared = child("shared", Layers.embedding(embeddings(weights), config.vocabulary(), config.width()));
        WeightTree table = blocks.at(0).at("layer.0").at("SelfAttention").at("relative_attention_bias");
        relativeBias = child(
                "encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
                Layers.embedding(table, config.buckets(), config.heads()));
        List<Layer> stack = new ArrayList<>();
        for (int i = 0; i < config.layers(); i++) {
            stack.add(new Layer(config, blocks.at(i)));
        }
        layers = children("encoder.block", stack);
        finalLayerNorm = child(
                "encoder.final_layer_norm",
                Layers.rmsNorm(encoder.at("final_layer_norm"), config.width(), config.eps()));
    }

    /// Loads an encoder from a checkpoint of the encoder or the whole model.
    ///
    /// @param settings the model's `config.json`, perhaps empty
    /// @throws dev.palimpsest.weights.CheckpointException naming every tensor that is missing, too many or of another
    ///     shape
    public static T5Encoder load(Checkpoint checkpoint, JsonObject settings) {
        WeightTree weights = WeightTree.of(checkpoint);
        T5Encoder encoder = new T5Encoder(weights, T5Config.from(weights, settings));
        weights.requireComplete();
        return encoder;
    }

    /// The node of the embedding table, which goes by two names. Files may have one of them or both.
    static WeightTree embeddings(WeightTree weights) {
        WeightTree alias = weights.at("encoder").at("embed_tokens");
        WeightTree shared = weights.at("shared");
        return !shared.has("weight") && alias.has("weight") ? alias : shared;
    }

    /// Sizes.
    public T5Config config() {
        return config;
    }

    /// Encodes texts.
    ///
    /// @param texts token ids of each text, with the end mark
    /// @param cancellation checked before every layer
    /// @throws IllegalArgumentException if there is no text or one without tokens
    public TextFeatures encode(List<int[]> texts, Cancellation cancellation) {
        int[] lengths = texts.stream().mapToInt(ids -> ids.length).toArray();
        int[] ids = texts.stream().flatMapToInt(Arrays::stream).toArray();
        return new TextFeatures(encode(ids, lengths, lengths, cancellation), lengths);
    }

    /// Encodes texts that are filled up with padding, as batches of equal length are. Padding is not seen by anything,
    /// but gets hidden states of its own.
    ///
    /// @param ids `(B, L)`, i64 or i32
    /// @param lengths tokens of each text that are not padding
    /// @return `(B, L, width)`
    /// @throws IllegalArgumentException if a text has no tokens, or more than L
    public Tensor encodePadded(Tensor ids, int[] lengths, Cancellation cancellation) {
        if (ids.rank() != 2 || ids.dim(0) != lengths.length) {
            throw new IllegalArgumentException(
                    "text encoder: " + ids.shape() + " is no batch (B, L) of " + lengths.length + " texts");
        }
        int[] rows = new int[lengths.length];
        Arrays.fill(rows, ids.dim(1));
        int[] flat = Arrays.stream(ids.toLongArray()).mapToInt(Math::toIntExact).toArray();
        return encode(flat, rows, lengths, cancellation).reshape(lengths.length, ids.dim(1), config.width());
    }

    /// @param rows tokens of each text
    /// @param lengths how many of them, from the first on, are seen by all
    /// @return `(sum of rows, width)`
    private Tensor encode(int[] ids, int[] rows, int[] lengths, Cancellation cancellation) {
        if (rows.length == 0) {
            throw new IllegalArgumentException("text encoder: there is no text");
        }
        for (int i = 0; i < rows.length; i++) {
            if (lengths[i] < 1 || lengths[i] > rows[i]) {
                throw new IllegalArgumentException("text encoder: text " + i + " has " + lengths[i] + " of " + rows[i]
                        + " tokens; it needs at least its end mark");
            }
        }
        return Scope.run(() -> {
            Texts texts = new Texts(
                    rows, lengths, positionBias(Arrays.stream(rows).max().orElseThrow()));
            Tensor x = shared.forward(Tensor.of(ids, ids.length)); // (L, width)
            for (Layer layer : layers) {
                cancellation.check();
                Tensor in = x;
                x = Scope.run(() -> layer.forward(in, texts)); // (L, width)
            }
            return observe(finalLayerNorm.forward(x)); // (L, width)
        });
    }

    /// What attention needs to know of the texts.
    ///
    /// @param rows tokens of each text
    /// @param lengths how many of them are seen
    /// @param bias added to the scores of the longest text `(heads, L, L)`; shorter ones take the upper left corner
    private record Texts(int[] rows, int[] lengths, Tensor bias) {}

    /// `bias[h, i, j] = table[bucket(j - i), h]`, the same for all layers.
    ///
    /// @return `(heads, n, n)`
    private Tensor positionBias(int n) {
        float[] table = relativeBias.weight().value().toFloatArray();
        float[] bias = new float[config.heads() * n * n];
        for (int h = 0; h < config.heads(); h++) {
            for (int relative = 1 - n; relative < n; relative++) {
                float value = table[config.bucket(relative) * config.heads() + h];
                for (int i = Math.max(0, -relative); i < Math.min(n, n - relative); i++) {
                    bias[(h * n + i) * n + i + relative] = value;
                }
            }
        }
        return Tensor.of(bias, config.heads(), n, n);
    }

    /// One layer: `x += SelfAttention(rms(x)); x += DenseReluDense(rms(x))`.
    private static final class Layer extends Module {
        private final RmsNorm norm0;
        private final SelfAttention attention;
        private final RmsNorm norm1;
        private final FeedForward feedForward;

        Layer(T5Config c, WeightTree w) {
            WeightTree first = w.at("layer.0");
            WeightTree second = w.at("layer.1");
            norm0 = child("layer.0.layer_norm", Layers.rmsNorm(first.at("layer_norm"), c.width(), c.eps()));
            attention = child("layer.0.SelfAttention", new SelfAttention(c, first.at("SelfAttention")));
            norm1 = child("layer.1.layer_norm", Layers.rmsNorm(second.at("layer_norm"), c.width(), c.eps()));
            feedForward = child("layer.1.DenseReluDense", new FeedForward(c, second.at("DenseReluDense")));
        }

        /// @param x `(L, width)`
        Tensor forward(Tensor x, Texts texts) {
            Tensor y = attention.forward(norm0.forward(x), texts, x); // (L, width)
            return observe(feedForward.forward(norm1.forward(y), y)); // (L, width)
        }
    }

    private static final class SelfAttention extends Module {
        private final T5Config config;
        private final Linear q;
        private final Linear k;
        private final Linear v;
        private final Linear o;

        SelfAttention(T5Config c, WeightTree w) {
            int inner = c.heads() * c.headDim();
            config = c;
            q = child("q", Layers.linearWithoutBias(w.at("q"), c.width(), inner));
            k = child("k", Layers.linearWithoutBias(w.at("k"), c.width(), inner));
            v = child("v", Layers.linearWithoutBias(w.at("v"), c.width(), inner));
            o = child("o", Layers.linearWithoutBias(w.at("o"), inner, c.width()));
        }

        /// @param x `(L, width)`
        /// @param residual `(L, width)`
        Tensor forward(Tensor x, Texts texts, Tensor residual) {
            Tensor queries = heads(q.forward(x)); // (L, heads, headDim)
            Tensor keys = heads(k.forward(x)); // (L, heads, headDim)
            Tensor values = heads(v.forward(x)); // (L, heads, headDim)
            List<Tensor> attended = new ArrayList<>();
            int start = 0;
            for (int i = 0; i < texts.rows.length; i++) {
                int rows = texts.rows[i];
                int seen = texts.lengths[i];
                attended.add(Functional.attention(
                        queries.slice(0, start, start + rows),
                        keys.slice(0, start, start + seen),
                        values.slice(0, start, start + seen),
                        1,
                        KeyRanges.full(rows, seen),
                        texts.bias.slice(1, 0, rows).slice(2, 0, seen),
                        null,
                        null)); // (rows, heads, headDim)
                start += rows;
            }
            Tensor all = Tensor.concat(attended, 0).flatten(1, 2); // (L, heads * headDim)
            return observe(o.forward(all, Activation.NONE, null, residual)); // (L, width)
        }

        private Tensor heads(Tensor x) {
            return x.reshape(x.dim(0), config.heads(), config.headDim());
        }
    }

    /// `wo(gelu(wi_0(x)) * wi_1(x))`
    private static final class FeedForward extends Module {
        private final Linear wi0;
        private final Linear wi1;
        private final Linear wo;

        FeedForward(T5Config c, WeightTree w) {
            wi0 = child("wi_0", Layers.linearWithoutBias(w.at("wi_0"), c.width(), c.feedForward()));
            wi1 = child("wi_1", Layers.linearWithoutBias(w.at("wi_1"), c.width(), c.feedForward()));
            wo = child("wo", Layers.linearWithoutBias(w.at("wo"), c.feedForward(), c.width()));
        }

        /// @param x `(L, width)`
        /// @param residual `(L, width)`
        Tensor forward(Tensor x, Tensor residual) {
            Tensor gate = wi0.forward(x, Activation.GELU_TANH, null, null); // (L, feedForward)
            Tensor inner = wi1.forward(x, Activation.NONE, gate, null); // (L, feedForward)
            return observe(wo.forward(inner, Activation.NONE, null, residual)); // (L, width)
        }
    }
}
