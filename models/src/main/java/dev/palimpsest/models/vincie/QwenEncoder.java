package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Embedding;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.RmsNorm;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The text encoder: a Qwen language model (Bai et al. 2023, arXiv 2309.16609) whose last hidden states describe the
/// text.
///
/// Texts are packed behind each other without padding, which changes nothing because attention is causal.
public final class QwenEncoder extends Module {
    private final QwenConfig config;
    private final int endToken;
    private final Embedding wte;
    private final List<Layer> layers;
    private final RmsNorm lnF;

    /// Encoded texts, packed behind each other.
    ///
    /// @param embeddings hidden states `(sum of lengths, hidden)`
    /// @param lengths number of rows of each text
    public record Encoded(Tensor embeddings, int[] lengths) implements Scope.Holder {
        @Override
        public Iterable<Tensor> tensors() {
            return List.of(embeddings);
        }
    }

    /// An encoder over these weights; keys begin with `transformer.`, and `lm_head` is not used.
    ///
    /// @param endToken id of `<|endoftext|>`, which closes every text
    public QwenEncoder(QwenConfig config, WeightTree weights, int endToken) {
        this.config = config;
        this.endToken = endToken;
        weights.ignore("lm_head.weight", "*.rotary_emb.inv_freq", "*.attn.bias", "*.attn.masked_bias");
        WeightTree transformer = weights.at("transformer");
        wte = child("transformer.wte", Layers.embedding(transformer.at("wte"), config.vocabulary(), config.hidden()));
        List<Layer> stack = new ArrayList<>();
        for (int i = 0; i < config.layers(); i++) {
            stack.add(new Layer(config, transformer.at("h").at(i)));
        }
        layers = children("transformer.h", stack);
        lnF = child("transformer.ln_f", Layers.rmsNorm(transformer.at("ln_f"), config.hidden(), config.eps()));
    }

    /// Cuts a text to the longest length and closes it: the end token is appended, or overwrites the last token of a
    /// text that fills all positions. The empty text becomes one end token.
    public int[] close(int[] ids) {
        int[] closed = Arrays.copyOf(ids, Math.min(ids.length + 1, config.maxLength()));
        closed[closed.length - 1] = endToken;
        return closed;
    }

    /// Encodes texts.
    ///
    /// @param texts token ids of each text, without the end token
    /// @param cancellation checked before every layer
    public Encoded encode(List<int[]> texts, Cancellation cancellation) {
        List<int[]> closed = texts.stream().map(this::close).toList();
        int[] lengths = closed.stream().mapToInt(ids -> ids.length).toArray();
        int[] ids = closed.stream().flatMapToInt(Arrays::stream).toArray();
        Tensor hidden = Scope.run(() -> {
            Positions positions = positions(lengths);
            Tensor x = wte.forward(Tensor.of(ids, ids.length)); // (L, hidden)
            for (Layer layer : layers) {
                cancellation.check();
                Tensor in = x;
                x = Scope.run(() -> layer.forward(in, positions)); // (L, hidden)
            }
            return observe(lnF.forward(x)); // (L, hidden)
        });
        return new Encoded(hidden, lengths);
    }

    /// The longest length and the width, among others.
    public QwenConfig config() {
        return config;
    }

    /// What attention needs to know of the packed texts.
    ///
    /// @param cos cosines of the rotary angles `(L, headDim / 2)`
    /// @param sin sines `(L, headDim / 2)`
    /// @param visible the keys of the same text up to the query itself
    private record Positions(Tensor cos, Tensor sin, KeyRanges visible) {}

    private Positions positions(int[] lengths) {
        int total = Arrays.stream(lengths).sum();
        int half = config.headDim() / 2;
        int[] from = new int[total];
        int[] to = new int[total];
        float[] cos = new float[total * half];
        float[] sin = new float[total * half];
        int row = 0;
        for (int length : lengths) {
            int start = row;
            for (int position = 0; position < length; position++, row++) {
                from[row] = start;
                to[row] = row + 1;
                for (int i = 0; i < half; i++) {
                    float frequency = (float) (1 / Math.pow(config.ropeBase(), 2.0 * i / config.headDim()));
                    float angle = position * frequency;
                    cos[row * half + i] = (float) Math.cos(angle);
                    sin[row * half + i] = (float) Math.sin(angle);
                }
            }
        }
        return new Positions(Tensor.of(cos, total, half), Tensor.of(sin, total, half), KeyRanges.of(from, to, total));
    }

    /// One layer: `x += attn(rms(x)); x += mlp(rms(x))`.
    private static final class Layer extends Module {
        private final RmsNorm ln1;
        private final SelfAttention attn;
        private final RmsNorm ln2;
        private final FeedForward mlp;

        Layer(QwenConfig c, WeightTree w) {
            ln1 = child("ln_1", Layers.rmsNorm(w.at("ln_1"), c.hidden(), c.eps()));
            attn = child("attn", new SelfAttention(c, w.at("attn")));
            ln2 = child("ln_2", Layers.rmsNorm(w.at("ln_2"), c.hidden(), c.eps()));
            mlp = child("mlp", new FeedForward(c, w.at("mlp")));
        }

        /// @param x `(L, hidden)`
        Tensor forward(Tensor x, Positions positions) {
            Tensor y = attn.forward(ln1.forward(x), positions, x); // (L, hidden)
            return observe(mlp.forward(ln2.forward(y), y)); // (L, hidden)
        }
    }

    private static final class SelfAttention extends Module {
        private final QwenConfig config;
        private final Linear cAttn;
        private final Linear cProj;

        SelfAttention(QwenConfig c, WeightTree w) {
            config = c;
            cAttn = child("c_attn", Layers.linear(w.at("c_attn"), c.hidden(), 3 * c.hidden()));
            cProj = child("c_proj", Layers.linearWithoutBias(w.at("c_proj"), c.hidden(), c.hidden()));
        }

        /// @param x `(L, hidden)`
        /// @param residual `(L, hidden)`
        Tensor forward(Tensor x, Positions p, Tensor residual) {
            int length = x.dim(0);
            Tensor qkv =
                    cAttn.forward(x).reshape(length, 3, config.heads(), config.headDim()); // (L, [q,k,v], heads, d)
            Tensor q = Functional.rope(RopeLayout.HALF_SPLIT, qkv.select(1, 0), p.cos, p.sin); // (L, heads, d)
            Tensor k = Functional.rope(RopeLayout.HALF_SPLIT, qkv.select(1, 1), p.cos, p.sin); // (L, heads, d)
            Tensor v = qkv.select(1, 2); // (L, heads, d)
            float scale = (float) (1 / Math.sqrt(config.headDim()));
            Tensor heads = Functional.attention(q, k, v, scale, p.visible, floatArithmetic()); // (L, heads, d)
            return observe(cProj.forward(heads.flatten(1, 2), Activation.NONE, null, residual)); // (L, hidden)
        }
    }

    /// `c_proj(w1(x) * silu(w2(x)))`: the activation is on w2.
    private static final class FeedForward extends Module {
        private final Linear w1;
        private final Linear w2;
        private final Linear cProj;

        FeedForward(QwenConfig c, WeightTree w) {
            w1 = child("w1", Layers.linearWithoutBias(w.at("w1"), c.hidden(), c.feedForward()));
            w2 = child("w2", Layers.linearWithoutBias(w.at("w2"), c.hidden(), c.feedForward()));
            cProj = child("c_proj", Layers.linearWithoutBias(w.at("c_proj"), c.feedForward(), c.hidden()));
        }

        /// @param x `(L, hidden)`
        /// @param residual `(L, hidden)`
        Tensor forward(Tensor x, Tensor residual) {
            Tensor gate = w2.forward(x, Activation.SILU, null, null); // (L, feedForward)
            Tensor inner = w1.forward(x, Activation.NONE, gate, null); // (L, feedForward)
            return observe(cProj.forward(inner, Activation.NONE, null, residual)); // (L, hidden)
        }
    }
}
