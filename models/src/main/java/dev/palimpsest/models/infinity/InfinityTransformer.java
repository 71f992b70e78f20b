package dev.palimpsest.models.infinity;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.infinity.Rope2d.Rotation;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Checkpointed;
import dev.palimpsest.tensor.nn.Dropout;
import dev.palimpsest.tensor.nn.Embedding;
import dev.palimpsest.tensor.nn.LayerNorm;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.PackableLayer;
import dev.palimpsest.tensor.nn.Parameter;
import dev.palimpsest.tensor.nn.RmsNorm;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Infinity's transformer (Han et al. 2024, arXiv 2412.04431): predicts the bits of a picture scale by scale, all
/// tokens of a scale at once, from the text and the scales before (Tian et al. 2024, arXiv 2404.02905).
///
/// [#forward] runs all scales at once with their true inputs, [#extend] one scale after the other.
///
/// In the comments B is the number of samples, L that of tokens of a sample, N that of text tokens of all samples, C
/// the width and d the bits of a token. An [dev.palimpsest.tensor.nn.Observer] sees the output of every layer under
/// its checkpoint name, of a whole block as `block_chunks.0.module.3`, and what goes into cross attention as
/// `block_chunks.0.module.3.ca.queries` and `.keys`. What comes out of `sa.proj`, `ca.proj` and `ffn.fc2` includes
/// gate and residual, because they are computed in one go.
public final class InfinityTransformer extends Module {
    private static final String TRAINED = "trainer.gpt_fsdp";

    private final InfinityConfig config;
    private final Rope2d rope;
    private final Parameter cfgUncond; // (textMaxLength, text channels)
    private final Parameter posStart; // (1, 1, C)
    private final RmsNorm textNorm;
    private final AttentivePool textProjForSos;
    private final TextProjection textProjForCa;
    private final Embedding lvlEmbed;
    private final Linear wordEmbed;
    private final Linear sharedAdaLin;
    private final List<Block> blocks;
    private final AdaptiveNorm headNm;
    private final Linear head;

    /// A transformer over the weights of a checkpoint; nothing is copied.
    ///
    /// Call [WeightTree#requireComplete] when everything that shares the checkpoint has been built.
    ///
    /// @param at the node at which `block_chunks`, `word_embed`, ... lie
    public InfinityTransformer(WeightTree at, InfinityConfig config) {
        this.config = config;
        this.rope = new Rope2d(config.ropeMode(), config.headDim());
        int dim = config.embedDim();
        int text = config.textChannels();
        at.ignore(
                "*.zero_k_bias",
                "lvl_1L",
                "attn_bias_for_masking",
                "Infinity_visible_kvlen",
                "Infinity_invisible_qlen");
        this.cfgUncond = parameter("cfg_uncond", Layers.tensor(at, "cfg_uncond", config.textMaxLength(), text));
        this.posStart = parameter("pos_start", Layers.tensor(at, "pos_start", 1, 1, dim));
        this.textNorm = child("text_norm", Layers.rmsNorm(at.at("text_norm"), text, config.normEps()));
        this.textProjForSos = child(
                "text_proj_for_sos.ca",
                new AttentivePool(at.at("text_proj_for_sos").at("ca"), text, config.poolHeads(), dim));
        this.textProjForCa = child("text_proj_for_ca", new TextProjection(at.at("text_proj_for_ca"), text, dim));
        this.lvlEmbed = child("lvl_embed", Layers.embedding(at.at("lvl_embed"), config.levels(), dim));
        this.wordEmbed = child("word_embed", Layers.linear(at.at("word_embed"), config.bits(), dim));
        this.sharedAdaLin =
                child("shared_ada_lin.1", Layers.linear(at.at("shared_ada_lin").at(1), dim, 6 * dim));
        this.blocks = children("block_chunks", chunks(at.at("block_chunks"), config)).stream()
                .flatMap(chunk -> chunk.blocks.stream())
                .toList();
        this.headNm = child("head_nm", new AdaptiveNorm(at.at("head_nm"), dim, config.normEps()));
        this.head = child("head", Layers.linear(at.at("head"), dim, 2 * config.bits()));
    }

    /// Loads a transformer. Its tensors may lie under `trainer.gpt_fsdp`, as training leaves them, beside others.
    ///
    /// @param settings what shapes do not tell, perhaps empty; see [InfinityConfig#of]
    /// @throws dev.palimpsest.weights.CheckpointException naming every tensor that is missing, too many or of another
    ///     shape
    /// @throws IllegalArgumentException if a setting is not supported or contradicts the checkpoint
    public static InfinityTransformer load(Checkpoint checkpoint, JsonObject settings) {
        WeightTree weights = weights(checkpoint);
        return complete(weights, InfinityConfig.of(weights, settings));
    }

    /// Loads the transformer that belongs to an autoencoder: it has tokens of 2 x 2 latent positions if their bits are
    /// four times the autoencoder's channels, unless the settings say otherwise. Else as the other [#load].
    ///
    /// @param latentChannels channels of the autoencoder's latent
    static InfinityTransformer load(Checkpoint checkpoint, JsonObject settings, int latentChannels) {
        WeightTree weights = weights(checkpoint);
        boolean patchify = weights.shape("word_embed.weight").dim(1) == 4 * latentChannels;
        return complete(weights, InfinityConfig.of(weights, settings, patchify));
    }

    private static WeightTree weights(Checkpoint checkpoint) {
        boolean wrapped = checkpoint.names().stream().anyMatch(name -> name.startsWith(TRAINED + "."));
        return WeightTree.of(wrapped ? checkpoint.under(TRAINED) : checkpoint);
    }

    private static InfinityTransformer complete(WeightTree weights, InfinityConfig config) {
        InfinityTransformer model = new InfinityTransformer(weights, config);
        weights.requireComplete();
        return model;
    }

    private static List<Chunk> chunks(WeightTree at, InfinityConfig config) {
        return IntStream.range(0, config.blockChunks())
                .mapToObj(c -> new Chunk(at.at(c), config, c * config.blocksInChunk()))
                .toList();
    }

    /// Sizes and settings.
    public InfinityConfig config() {
        return config;
    }

    /// Number of blocks.
    public int depth() {
        return blocks.size();
    }

    // ---- text

    /// The text that stands for no text at all, for texts of these lengths.
    ///
    /// @throws IllegalArgumentException if one is longer than the model knows of
    public TextFeatures unconditional(int... lengths) {
        List<Tensor> rows = new ArrayList<>();
        for (int length : lengths) {
            if (length > config.textMaxLength()) {
                throw new IllegalArgumentException("infinity: a text of " + length + " tokens is longer than the "
                        + config.textMaxLength() + " that the model has been trained with; shorten the prompt");
            }
            rows.add(cfgUncond.value().slice(0, 0, length).to(DType.F32)); // (length, text channels)
        }
        return new TextFeatures(Tensor.concat(rows, 0), lengths);
    }

    /// The texts, some of which are replaced by no text at all, as training does now and then.
    ///
    /// @param dropped for each text whether it is replaced
    public TextFeatures dropping(TextFeatures texts, boolean... dropped) {
        TextFeatures none = unconditional(texts.lengths());
        int[] starts = texts.starts();
        List<Tensor> rows = new ArrayList<>();
        for (int i = 0; i < dropped.length; i++) {
            rows.add((dropped[i] ? none : texts).rows().slice(0, starts[i], starts[i + 1])); // (length, text channels)
        }
        return new TextFeatures(Tensor.concat(rows, 0), texts.lengths());
    }

    /// What the blocks need to know of the texts, the same at all scales.
    ///
    /// @param biases whether biases of queries and values are used, here and by everything that this goes into
    public TextCondition condition(TextFeatures texts, BiasMode biases) {
        Tensor features = texts.rows(); // (N, text channels)
        if (features.dim(1) != config.textChannels()) {
            throw new IllegalArgumentException("infinity: text features " + features.shape() + " are not "
                    + config.textChannels() + " wide, as the transformer's weights are");
        }
        return Scope.run(() -> {
            Tensor normed = textNorm.forward(features); // (N, text channels)
            int[] lengths = texts.lengths();
            Tensor sos = textProjForSos.forward(normed, lengths, biases); // (B, C)
            Tensor tokens = textProjForCa.forward(normed); // (N, C)
            Tensor gss = sharedAdaLin.forward(sos.silu()).reshape(sos.dim(0), 1, 6, sos.dim(1)); // (B, 1, 6, C)
            return new TextCondition(sos, tokens, lengths, gss, biases);
        });
    }

    /// What the blocks need to know of the texts.
    ///
    /// @param sos each text as one vector, `(B, C)`: the first token, and what scales and shifts depend on
    /// @param tokens what cross attention looks at, `(N, C)`
    /// @param lengths text tokens of each sample
    /// @param gss gates, scales and shifts that all blocks share, `(B, 1, 6, C)`
    /// @param biases whether biases of queries and values are used
    public record TextCondition(Tensor sos, Tensor tokens, int[] lengths, Tensor gss, BiasMode biases)
            implements Scope.Holder {
        /// Number of samples.
        public int samples() {
            return lengths.length;
        }

        /// The first so many samples. Views.
        TextCondition first(int samples) {
            int[] some = Arrays.copyOf(lengths, samples);
            return samples == samples()
                    ? this
                    : new TextCondition(
                            sos.slice(0, 0, samples),
                            tokens.slice(0, 0, Arrays.stream(some).sum()),
                            some,
                            gss.slice(0, 0, samples),
                            biases);
        }

        @Override
        public Iterable<Tensor> tensors() {
            return List.of(sos, tokens, gss);
        }
    }

    // ---- tokens

    /// The first token of each sample.
    ///
    /// @return `(B, 1, C)`
    public Tensor firstToken(TextCondition text) {
        return text.sos().unsqueeze(1).add(posStart.value());
    }

    /// Tokens from the codes of the scales before, brought to the size of the scale.
    ///
    /// @param codes `(B, h w, d)`
    /// @return `(B, h w, C)`
    public Tensor tokens(Tensor codes) {
        if (codes.rank() != 3 || codes.dim(2) != config.bits()) {
            throw new IllegalArgumentException(
                    "infinity: inputs " + codes.shape() + " need the axes (B, tokens, " + config.bits() + ")");
        }
        return wordEmbed.forward(codes);
    }

    // ---- all scales at once

    /// Scores every bit of a picture whose bits are known (teacher forcing): a token sees the tokens of its own and
    /// all earlier scales.
    ///
    /// @param codes inputs of all scales but the first, `(B, L - 1, d)`
    /// @param cancellation looked at before every block
    /// @return `(B, L, 2 d)`: for each bit the score of 0 and that of 1
    /// @throws java.util.concurrent.CancellationException if the cancellation was used
    public Tensor forward(Tensor codes, TextCondition text, PictureLayout layout, Cancellation cancellation) {
        return forward(codes, text, layout, 0, cancellation);
    }

    /// Scores every bit of a picture whose bits are known, and in [dev.palimpsest.tensor.nn.Training] leaves out
    /// branches of blocks at random (stochastic depth; Huang et al. 2016, arXiv 1603.09382).
    ///
    /// @param codes inputs of all scales but the first, `(B, L - 1, d)`
    /// @param dropPath probability with which the last block leaves out its self attention, and its feed-forward part,
    ///     of a sample. It rises on a straight line from 0 in the first block
    /// @param cancellation looked at before every block
    /// @return `(B, L, 2 d)`: for each bit the score of 0 and that of 1
    /// @throws IllegalArgumentException if the probability is not in `[0, 1)`
    /// @throws java.util.concurrent.CancellationException if the cancellation was used
    public Tensor forward(
            Tensor codes, TextCondition text, PictureLayout layout, double dropPath, Cancellation cancellation) {
        ScaleSchedule schedule = layout.schedule();
        checkLevels(schedule);
        int samples = text.samples();
        if (codes.rank() != 3 || codes.dim(0) != samples || codes.dim(1) != schedule.length() - 1) {
            throw new IllegalArgumentException("infinity: inputs " + codes.shape() + " need the axes (" + samples + ", "
                    + (schedule.length() - 1) + ", " + config.bits() + ") for the scales " + schedule);
        }
        return Scope.run(() -> {
            Tensor first = firstToken(text); // (B, 1, C)
            Tensor x = codes.dim(1) == 0 ? first : Tensor.concat(List.of(first, tokens(codes)), 1); // (B, L, C)
            int[] lengths = schedule.scales().stream().mapToInt(Scale::area).toArray();
            int[][] samplesLengths = Collections.nCopies(samples, lengths).toArray(int[][]::new);
            Pass pass = new Pass(
                    text,
                    rope.rotation(layout, 0, schedule.size(), samples),
                    levels(schedule, 0, schedule.size()),
                    KeyRanges.blockCausal(samplesLengths),
                    null,
                    null,
                    dropPath);
            return logits(through(0, blocks.size(), x, pass, cancellation), text.sos());
        });
    }

    // ---- scale by scale

    /// Runs the tokens of the next scale, which see those of the scales before in a cache. The numbers are those of a
    /// [#forward] of all scales.
    ///
    /// @param cache keys and values of the earlier scales; it keeps those of this scale as well
    /// @param x tokens of the scale, `(B, h w, C)`, see [#firstToken] and [#tokens]
    /// @param guidance if and how the halves of the samples are combined inside the network
    /// @param cancellation looked at before every block; the cache then keeps nothing of this call
    /// @return hidden states `(B, h w, C)`, for [#logits]
    /// @throws java.util.concurrent.CancellationException if the cancellation was used
    public Tensor extend(
            ScaleCache cache,
            Tensor x,
            TextCondition text,
            @Nullable InnerGuidance guidance,
            Cancellation cancellation) {
        PictureLayout layout = cache.layout();
        checkLevels(layout.schedule());
        int scale = cache.next();
        int area = layout.schedule().get(scale).area();
        if (x.rank() != 3 || x.dim(0) != text.samples() || x.dim(1) != area || x.dim(2) != config.embedDim()) {
            throw new IllegalArgumentException("infinity: tokens " + x.shape() + " of scale " + scale
                    + " need the axes (" + text.samples() + ", " + area + ", " + config.embedDim() + ")");
        }
        Tensor out = Scope.run(() -> {
            Pass pass = new Pass(
                    text,
                    rope.rotation(layout, scale, scale + 1, text.samples()),
                    levels(layout.schedule(), scale, scale + 1),
                    null,
                    cache,
                    guidance,
                    0);
            return through(0, blocks.size(), x, pass, cancellation); // (B, h w, C)
        });
        cache.keep();
        return out;
    }

    /// Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598) inside the network: behind some blocks both
    /// halves of the samples go on with `weight * first + (1 - weight) * second`.
    ///
    /// @param afterBlocks numbers of the blocks
    public record InnerGuidance(double weight, Set<Integer> afterBlocks) {
        /// Copies the set.
        public InnerGuidance {
            afterBlocks = Set.copyOf(afterBlocks);
        }

        /// @param x `(2 B, L, C)`
        private Tensor combine(Tensor x) {
            Tensor combined = combine(x, weight); // (B, L, C)
            return Tensor.concat(List.of(combined, combined), 0);
        }

        /// `weight * first + (1 - weight) * second` of the halves of some samples.
        ///
        /// @param x `(2 B, ...)`
        /// @return `(B, ...)`
        static Tensor combine(Tensor x, double weight) {
            int half = x.dim(0) / 2;
            return x.slice(0, 0, half)
                    .mul(weight)
                    .add(x.slice(0, half, 2 * half).mul(1 - weight));
        }
    }

    /// Scores of the bits.
    ///
    /// @param hidden `(B, L, C)`
    /// @param sos `(B, C)`
    /// @return `(B, L, 2 d)`: for each bit the score of 0 and that of 1
    public Tensor logits(Tensor hidden, Tensor sos) {
        return Scope.run(() -> head.forward(headNm.forward(hidden, sos)));
    }

    /// Runs blocks `from` to `to`, each half in a scope of its own: states between blocks are released as soon as they
    /// can be, and at no time more than the logarithm of the number of blocks are alive.
    ///
    /// While a tape records, only the states between blocks are kept, and a block runs again when the derivatives
    /// arrive there: at a million pixels what happens inside of one block takes gigabytes.
    private Tensor through(int from, int to, Tensor x, Pass pass, Cancellation cancellation) {
        if (to - from == 1) {
            cancellation.check();
            return Checkpointed.run(() -> {
                boolean levelled = config.levelEmbeddingOnce() ? from == 0 : from % config.blocksInChunk() == 0;
                Tensor in = levelled ? x.add(pass.levels) : x; // (B, L, C)
                Tensor out = blocks.get(from).forward(in, pass); // (B, L, C)
                InnerGuidance guidance = pass.guidance;
                return guidance != null && guidance.afterBlocks.contains(from) ? guidance.combine(out) : out;
            });
        }
        return Scope.run(() -> {
            int middle = (from + to) / 2;
            Tensor between = through(from, middle, x, pass, cancellation); // (B, L, C)
            return through(middle, to, between, pass, cancellation);
        });
    }

    private void checkLevels(ScaleSchedule schedule) {
        if (schedule.size() > config.levels()) {
            throw new IllegalArgumentException("infinity: " + schedule.size() + " scales, but the model has embeddings"
                    + " for " + config.levels());
        }
    }

    /// The level embedding of every token of some scales, `(L, C)`, or `(1, C)` of a single scale.
    private Tensor levels(ScaleSchedule schedule, int from, int to) {
        if (to - from == 1) {
            return lvlEmbed.forward(Tensor.of(new int[] {from}, 1));
        }
        int[] numbers = IntStream.range(from, to)
                .flatMap(k -> IntStream.range(0, schedule.get(k).area()).map(i -> k))
                .toArray();
        return lvlEmbed.forward(Tensor.of(numbers, numbers.length));
    }

    /// What all blocks of one run have in common.
    public static final class Pass {
        private final TextCondition text;
        private final Rotation rotation; // of B L tokens
        private final Tensor levels; // stretches to (L, C)
        private final @Nullable KeyRanges visible; // null with a cache
        private final @Nullable ScaleCache cache;
        private final @Nullable InnerGuidance guidance;
        private final double dropPath;

        private Pass(
                TextCondition text,
                Rotation rotation,
                Tensor levels,
                @Nullable KeyRanges visible,
                @Nullable ScaleCache cache,
                @Nullable InnerGuidance guidance,
                double dropPath) {
            this.text = text;
            this.rotation = rotation;
            this.levels = levels;
            this.visible = visible;
            this.cache = cache;
            this.guidance = guidance;
            this.dropPath = dropPath;
        }

        /// The gate of a branch of block `layer`, of which that of some samples may be 0.
        ///
        /// @param gate `(B, 1, C)`
        private Tensor dropping(Tensor gate, int layer, int depth) {
            return depth == 1
                    ? gate
                    : Dropout.samples(dropPath * layer / (depth - 1)).forward(gate);
        }
    }

    // ---- parts that see the text

    /// Condenses each text into one vector: a learned query attends to its tokens. Keys `mat_q`, `mat_kv`, `v_bias`,
    /// `proj`.
    public static final class AttentivePool extends Module {
        private final int heads;
        private final int headDim;
        private final Parameter matQ; // (1, heads, headDim)
        private final Projection matKv;
        private final Parameter vBias; // (C)
        private final Linear proj;

        /// The pool at a node of a checkpoint.
        public AttentivePool(WeightTree at, int textChannels, int heads, int dim) {
            this.heads = heads;
            this.headDim = dim / heads;
            this.matQ = parameter("mat_q", Layers.tensor(at, "mat_q", 1, heads, headDim));
            this.matKv = child("mat_kv", new Projection(at.at("mat_kv"), textChannels, 2 * dim));
            this.vBias = parameter("v_bias", Layers.tensor(at, "v_bias", dim));
            this.proj = child("proj", Layers.linear(at.at("proj"), dim, dim));
        }

        /// Applies the pool.
        ///
        /// @param text `(N, text channels)`
        /// @param lengths tokens of each sample
        /// @return `(B, C)`
        public Tensor forward(Tensor text, int[] lengths, BiasMode biases) {
            int samples = lengths.length;
            int[] one = new int[samples];
            Arrays.fill(one, 1);
            Tensor bias = biases == BiasMode.ORIGINAL ? joined(null, vBias) : null; // (2 C)
            Tensor kv = matKv.forward(text, bias).reshape(text.dim(0), 2, heads, headDim); // (N, [k,v], heads, headDim)
            Tensor q = matQ.value().to(DType.F32).expand(samples, heads, headDim); // (B, heads, headDim)
            Tensor pooled = Functional.attention(
                    q,
                    kv.select(1, 0),
                    kv.select(1, 1),
                    (float) (1 / Math.sqrt(headDim)),
                    KeyRanges.packed(one, lengths),
                    floatArithmetic()); // (B, heads, headDim)
            return observe(proj.forward(pooled.flatten(1, 2)));
        }
    }

    /// Brings text tokens to the width of the transformer, for cross attention. Keys `0`, `2`.
    public static final class TextProjection extends Module {
        private final Linear first;
        private final Linear second;

        /// The layers at a node of a checkpoint.
        public TextProjection(WeightTree at, int textChannels, int dim) {
            this.first = child("0", Layers.linear(at.at(0), textChannels, dim));
            this.second = child("2", Layers.linear(at.at(2), dim, dim));
        }

        /// Applies the layers.
        ///
        /// @param text `(N, text channels)`
        /// @return `(N, C)`
        public Tensor forward(Tensor text) {
            return observe(second.forward(first.forward(text, Activation.GELU_TANH, null, null)));
        }
    }

    // ---- blocks

    /// Consecutive blocks. Keys `module.0`, `module.1`, ...
    private static final class Chunk extends Module {
        private final List<Block> blocks;

        Chunk(WeightTree at, InfinityConfig config, int firstLayer) {
            this.blocks = children(
                    "module",
                    IntStream.range(0, config.blocksInChunk())
                            .mapToObj(i -> new Block(at.at("module").at(i), config, firstLayer + i))
                            .toList());
        }
    }

    /// A transformer block, modulated by the text as a whole (adaLN; Peebles & Xie 2022, arXiv 2212.09748) with
    /// vectors that all blocks share, to which each adds its own.
    ///
    /// ```
    /// x = x + gamma1 * sa(ln(x) * (1 + scale1) + shift1)
    /// x = x + ca(ca_norm(x))
    /// x = x + gamma2 * ffn(ln(x) * (1 + scale2) + shift2)
    /// ```
    ///
    /// Keys `ada_gss`, `sa`, `ca`, `ca_norm`, `ffn`.
    public static final class Block extends Module {
        private final float eps;
        private final Parameter adaGss; // (1, 1, 6, C)
        private final SelfAttention sa;
        private final LayerNorm caNorm;
        private final CrossAttention ca;
        private final FeedForward ffn;
        private final int layer;
        private final int depth;

        /// Block `layer` of a transformer, at a node of a checkpoint.
        public Block(WeightTree at, InfinityConfig config, int layer) {
            int dim = config.embedDim();
            this.eps = config.normEps();
            this.layer = layer;
            this.depth = config.depth();
            this.adaGss = parameter("ada_gss", Layers.tensor(at, "ada_gss", 1, 1, 6, dim));
            this.sa = child("sa", new SelfAttention(at.at("sa"), dim, config.heads(), layer));
            this.caNorm = child("ca_norm", Layers.layerNorm(at.at("ca_norm"), dim, eps));
            this.ca = child("ca", new CrossAttention(at.at("ca"), dim, config.heads(), layer));
            this.ffn = child("ffn", new FeedForward(at.at("ffn"), dim, config.ffnHidden()));
        }

        /// Applies the block; temporaries are released.
        ///
        /// @param x `(B, L, C)`
        /// @return `(B, L, C)`
        public Tensor forward(Tensor x, Pass pass) {
            return Scope.run(() -> {
                Tensor gss = pass.text.gss().add(adaGss.value()); // (B, 1, 6, C)
                Tensor gamma1 = pass.dropping(gss.select(2, 0), layer, depth); // (B, 1, C)
                Tensor gamma2 = pass.dropping(gss.select(2, 1), layer, depth); // (B, 1, C)
                Tensor scale1 = gss.select(2, 2).add(1); // (B, 1, C)
                Tensor scale2 = gss.select(2, 3).add(1); // (B, 1, C)
                Tensor shift1 = gss.select(2, 4); // (B, 1, C)
                Tensor shift2 = gss.select(2, 5); // (B, 1, C)
                Tensor attended = Scope.run(() -> {
                    Tensor y = sa.forward(normed(x, scale1, shift1), gamma1, x, pass); // (B, L, C)
                    return ca.forward(caNorm.forward(y), y, pass); // (B, L, C)
                });
                return observe(ffn.forward(normed(attended, scale2, shift2), gamma2, attended));
            });
        }

        private Tensor normed(Tensor x, Tensor scale, Tensor shift) {
            return Functional.layerNorm(x, eps, null, null, scale, shift);
        }
    }

    /// Attention of picture tokens to each other, on the cosines of queries and keys times a learned factor for each
    /// head (Henry et al. 2020, arXiv 2010.04245; Liu et al. 2021, arXiv 2111.09883), which is at most 100. Keys
    /// `scale_mul_1H11`, `q_bias`, `v_bias`, `mat_qkv`, `proj`.
    public static final class SelfAttention extends Module {
        private static final double MAX_LOG_SCALE = (float) Math.log(100);

        /// Added to the mean square of a head in place of a lower bound on its norm: only vectors shorter than 1e-11
        /// can tell.
        private static final float EPS = 1e-26f;

        private final int layer;
        private final int heads;
        private final int headDim;
        private final Parameter scaleMul; // (1, heads, 1, 1)
        private final Parameter qBias; // (C)
        private final Parameter vBias; // (C)
        private final Projection matQkv;
        private final Linear proj;

        /// The attention of block `layer`, at a node of a checkpoint.
        public SelfAttention(WeightTree at, int dim, int heads, int layer) {
            this.layer = layer;
            this.heads = heads;
            this.headDim = dim / heads;
            this.scaleMul = parameter("scale_mul_1H11", Layers.tensor(at, "scale_mul_1H11", 1, heads, 1, 1));
            this.qBias = parameter("q_bias", Layers.tensor(at, "q_bias", dim));
            this.vBias = parameter("v_bias", Layers.tensor(at, "v_bias", dim));
            this.matQkv = child("mat_qkv", new Projection(at.at("mat_qkv"), dim, 3 * dim));
            this.proj = child("proj", Layers.linear(at.at("proj"), dim, dim));
        }

        /// Attends, and adds the gated result to the residual: `residual + gate * proj(attention)`.
        ///
        /// @param x `(B, L, C)`
        /// @param gate `(B, 1, C)`
        /// @param residual `(B, L, C)`
        /// @return `(B, L, C)`
        public Tensor forward(Tensor x, Tensor gate, Tensor residual, Pass pass) {
            Tensor bias = pass.text.biases() == BiasMode.ORIGINAL ? joined(qBias, null, vBias) : null; // (3 C)
            Tensor qkv = matQkv.forward(x, bias)
                    .reshape(x.dim(0) * x.dim(1), 3, heads, headDim); // (B L, [q,k,v], heads, headDim)
            Tensor scales =
                    scaleMul.value().minimum(Tensor.scalar(MAX_LOG_SCALE)).exp().reshape(heads, 1); // (heads, 1)
            // Normalised to length sqrt(headDim), which the attention's scale takes back.
            Tensor q = Functional.rmsNorm(qkv.select(1, 0), EPS, null, scales, null); // (B L, heads, headDim)
            Tensor k = Functional.rmsNorm(qkv.select(1, 1), EPS, null); // (B L, heads, headDim)
            Tensor v = qkv.select(1, 2); // (B L, heads, headDim)
            Tensor attended = attend(pass.rotation.apply(q), pass.rotation.apply(k), v, pass); // (B L, heads, headDim)
            return proj.forward(attended.reshape(x.dim(0), x.dim(1), heads * headDim), Activation.NONE, gate, residual);
        }

        private Tensor attend(Tensor q, Tensor k, Tensor v, Pass pass) {
            float scale = 1f / headDim;
            KeyRanges visible = pass.visible;
            if (visible != null) {
                return Functional.attention(q, k, v, scale, visible, floatArithmetic());
            }
            ScaleCache cache = Objects.requireNonNull(pass.cache);
            int samples = pass.text.samples();
            int length = q.dim(0) / samples;
            List<Tensor> attended = new ArrayList<>(); // for each sample (L, heads, headDim)
            for (int s = 0; s < samples; s++) {
                int from = s * length;
                int to = from + length;
                int sample = s;
                attended.add(Scope.run(() -> {
                    ScaleCache.KeysAndValues all =
                            cache.append(layer, sample, k.slice(0, from, to), v.slice(0, from, to));
                    KeyRanges every = KeyRanges.full(length, all.k().dim(0));
                    return Functional.attention(
                            q.slice(0, from, to), all.k(), all.v(), scale, every, floatArithmetic());
                }));
            }
            return samples == 1 ? attended.getFirst() : Tensor.concat(attended, 0);
        }
    }

    /// Attention of picture tokens to the text of their sample. Keys `mat_q`, `mat_kv`, `v_bias`, `proj`.
    public static final class CrossAttention extends Module {
        private final int layer;
        private final int heads;
        private final int headDim;
        private final Linear matQ;
        private final Projection matKv;
        private final Parameter vBias; // (C)
        private final Linear proj;

        /// The attention of block `layer`, at a node of a checkpoint.
        public CrossAttention(WeightTree at, int dim, int heads, int layer) {
            this.layer = layer;
            this.heads = heads;
            this.headDim = dim / heads;
            this.matQ = child("mat_q", Layers.linear(at.at("mat_q"), dim, dim));
            this.matKv = child("mat_kv", new Projection(at.at("mat_kv"), dim, 2 * dim));
            this.vBias = parameter("v_bias", Layers.tensor(at, "v_bias", dim));
            this.proj = child("proj", Layers.linear(at.at("proj"), dim, dim));
        }

        /// Attends, and adds the result to the residual.
        ///
        /// @param x `(B, L, C)`
        /// @param residual `(B, L, C)`
        /// @return `(B, L, C)`
        public Tensor forward(Tensor x, Tensor residual, Pass pass) {
            int[] queries = new int[pass.text.samples()];
            Arrays.fill(queries, x.dim(1));
            Tensor q = observe("queries", matQ.forward(x).reshape(-1, heads, headDim)); // (B L, heads, headDim)
            Tensor kv = pass.cache == null
                    ? keysAndValues(pass.text)
                    : pass.cache
                            .text(layer, () -> keysAndValues(pass.text))
                            .slice(0, 0, pass.text.tokens().dim(0)); // (N, [k,v], heads, headDim)
            Tensor k = observe("keys", kv.select(1, 0)); // (N, heads, headDim)
            Tensor v = kv.select(1, 1); // (N, heads, headDim)
            float scale = (float) (1 / Math.sqrt(headDim));
            KeyRanges visible = KeyRanges.packed(queries, pass.text.lengths());
            Tensor attended = Functional.attention(q, k, v, scale, visible, floatArithmetic()); // (B L, heads, headDim)
            return proj.forward(attended.reshape(x.dim(0), x.dim(1), heads * headDim), Activation.NONE, null, residual);
        }

        private Tensor keysAndValues(TextCondition text) {
            Tensor bias = text.biases() == BiasMode.ORIGINAL ? joined(null, vBias) : null; // (2 C)
            return matKv.forward(text.tokens(), bias).reshape(-1, 2, heads, headDim); // (N, [k,v], heads, headDim)
        }
    }

    /// Feed-forward part `fc2(gelu(fc1(x)))`. Keys `fc1`, `fc2`.
    public static final class FeedForward extends Module {
        private final Linear fc1;
        private final Linear fc2;

        /// The layers at a node of a checkpoint.
        public FeedForward(WeightTree at, int dim, int hidden) {
            this.fc1 = child("fc1", Layers.linear(at.at("fc1"), dim, hidden));
            this.fc2 = child("fc2", Layers.linear(at.at("fc2"), hidden, dim));
        }

        /// Applies the layers, and adds the gated result to the residual: `residual + gate * fc2(...)`.
        ///
        /// @param x `(B, L, C)`
        /// @param gate stretches to `x`
        /// @param residual `(B, L, C)`
        /// @return `(B, L, C)`
        public Tensor forward(Tensor x, @Nullable Tensor gate, @Nullable Tensor residual) {
            Tensor h = fc1.forward(x, Activation.GELU_TANH, null, null); // (B, L, hidden)
            return fc2.forward(h, Activation.NONE, gate, residual);
        }
    }

    // ---- output

    /// The last normalisation, modulated by the text as a whole. Key `ada_lin.1`.
    public static final class AdaptiveNorm extends Module {
        private final float eps;
        private final Linear adaLin;

        /// The modulation at a node of a checkpoint.
        public AdaptiveNorm(WeightTree at, int dim, float eps) {
            this.eps = eps;
            this.adaLin = child("ada_lin.1", Layers.linear(at.at("ada_lin").at(1), dim, 2 * dim));
        }

        /// `ln(x) * (1 + scale) + shift`.
        ///
        /// @param x `(B, L, C)`
        /// @param sos `(B, C)`
        /// @return `(B, L, C)`
        public Tensor forward(Tensor x, Tensor sos) {
            Tensor modulation = adaLin.forward(sos.silu()).reshape(sos.dim(0), 2, 1, sos.dim(1)); // (B, 2, 1, C)
            Tensor scale = modulation.select(1, 0).add(1); // (B, 1, C)
            Tensor shift = modulation.select(1, 1); // (B, 1, C)
            return observe(Functional.layerNorm(x, eps, null, null, scale, shift));
        }
    }

    // ---- helpers

    /// A linear layer whose bias, if it is used at all, is put together from parameters that lie beside it. Key
    /// `weight`.
    private static final class Projection extends PackableLayer {
        private final Parameter weight; // (out, in)

        Projection(WeightTree at, int in, int out) {
            this.weight = parameter("weight", Layers.tensor(at, "weight", out, in));
        }

        /// @param x `(..., in)`
        /// @param bias `(out)`
        /// @return `(..., out)`
        Tensor forward(Tensor x, @Nullable Tensor bias) {
            Tensor w = weight.value();
            return observe(Functional.linear(x, w, multiplication(w), bias, Activation.NONE, null, null));
        }
    }

    /// Biases behind each other; zeros where there is none, for keys have no bias.
    private static Tensor joined(@Nullable Parameter... biases) {
        Parameter last = Objects.requireNonNull(biases[biases.length - 1]);
        List<Tensor> parts = new ArrayList<>(); // each (C)
        for (Parameter bias : biases) {
            parts.add(
                    bias == null
                            ? Tensor.zeros(last.shape().dim(0))
                            : bias.value().to(DType.F32));
        }
        return Tensor.concat(parts, 0);
    }
}
