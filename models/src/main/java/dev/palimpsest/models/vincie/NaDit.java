package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.Parameter;
import dev.palimpsest.tensor.nn.RmsNorm;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// VINCIE's native-resolution diffusion transformer (Qu et al. 2025, arXiv 2506.10941): predicts the velocity of noisy
/// video latents in the light of text, as an MM-DiT (Esser et al. 2024, arXiv 2403.03206) whose first blocks have
/// separate weights for video and text and whose other blocks share theirs.
///
/// Samples of different sizes are packed behind each other ([PackedInput]). In the comments Lv is the number of video
/// tokens of all samples, Lt that of text tokens, L = Lv + Lt, b the number of samples and dim the hidden width.
///
/// An [dev.palimpsest.tensor.nn.Observer] sees `vid_in`, `emb_in`, `blocks.0.vid`, `blocks.0.txt`, ..., `vid_out` and
/// every linear layer and normalisation in between. What comes out of `attn.proj_out` and `mlp.proj_out` includes gate
/// and residual, because they are computed in one go.
public final class NaDit extends Module {
    /// What wrappers leave in the names of some checkpoints.
    private static final String WRAPPER = "_flops_wrap_module.";

    private final NaDitConfig config;
    private final PatchIn vidIn;
    private final @Nullable Linear txtIn;
    private final TimeEmbedding embIn;
    private final List<Block> blocks;
    private final RmsNorm vidOutNorm;
    private final OutputModulation vidOutAda;
    private final PatchOut vidOut;

    /// A transformer over the weights of a checkpoint; nothing is copied.
    ///
    /// Call [WeightTree#requireComplete] when everything that shares the checkpoint has been built.
    ///
    /// @param at the node at which `vid_in`, `blocks`, ... lie
    public NaDit(WeightTree at, NaDitConfig config) {
        this.config = config;
        int dim = config.vidDim();
        this.vidIn = child("vid_in", new PatchIn(at.at("vid_in"), config));
        this.txtIn = config.txtInDim() == dim
                ? null
                : child("txt_in", Layers.linear(at.at("txt_in"), config.txtInDim(), dim));
        this.embIn = child("emb_in", new TimeEmbedding(at.at("emb_in"), dim, config.embDim()));
        this.blocks = children(
                "blocks",
                IntStream.range(0, config.numLayers())
                        .mapToObj(i -> new Block(at.at("blocks").at(i), config, i))
                        .toList());
        this.vidOutNorm = child("vid_out_norm", Layers.rmsNorm(at.at("vid_out_norm"), dim, config.normEps()));
        this.vidOutAda = child("vid_out_ada", new OutputModulation(at.at("vid_out_ada"), dim));
        this.vidOut = child("vid_out", new PatchOut(at.at("vid_out"), config));
    }

    /// The tree of a transformer's checkpoint, with the names as this class expects them.
    public static WeightTree weights(Checkpoint checkpoint) {
        return WeightTree.of(checkpoint.stripping(WRAPPER));
    }

    /// Sizes and settings.
    public NaDitConfig config() {
        return config;
    }

    /// Predicts the velocity with full attention.
    ///
    /// @return `(positions, vidOutChannels)`, rows as in [PackedInput#vid]
    public Tensor forward(PackedInput in) {
        return forward(in, AttentionLayout.FULL, new Cancellation());
    }

    /// Predicts the velocity.
    ///
    /// @param attention who sees whom
    /// @param cancellation looked at before every block
    /// @return `(positions, vidOutChannels)`, rows as in [PackedInput#vid]
    /// @throws java.util.concurrent.CancellationException if the cancellation was used
    public Tensor forward(PackedInput in, AttentionLayout attention, Cancellation cancellation) {
        return evaluate(in, new TokenLayout(patched(in), in.txtLengths(), attention), null, cancellation);
    }

    /// Predicts the velocity of the next blocks of samples whose earlier blocks are in a cache. With the same timestep
    /// the numbers are those of a block-causal [#forward] of all blocks at once.
    ///
    /// A turn denoises its picture with `keep` off, step by step, and at last feeds the finished picture with `keep`
    /// on.
    ///
    /// @param cache keys and values of the earlier blocks
    /// @param in the new blocks only
    /// @param attention which blocks they are
    /// @param keep whether the cache keeps them for later blocks
    /// @param cancellation looked at before every block of the transformer; the cache then keeps nothing of this call
    /// @return `(positions, vidOutChannels)`, rows as in [PackedInput#vid]
    /// @throws java.util.concurrent.CancellationException if the cancellation was used
    public Tensor extend(
            KeyValueCache cache,
            PackedInput in,
            AttentionLayout.BlockCausal attention,
            boolean keep,
            Cancellation cancellation) {
        TokenLayout layout = new TokenLayout(patched(in), in.txtLengths(), attention, cache);
        cache.reserve(config, layout);
        Tensor out = evaluate(in, layout, cache, cancellation);
        if (keep) {
            cache.keep(layout);
        }
        return out;
    }

    private Tensor evaluate(
            PackedInput in, TokenLayout layout, @Nullable KeyValueCache cache, Cancellation cancellation) {
        return Scope.run(() -> {
            Tensor vid = vidIn.forward(in.vid(), in.vidShapes()); // (Lv, dim)
            Tensor txt = txtIn == null ? in.txt() : txtIn.forward(in.txt()); // (Lt, dim)
            Tensor emb = embIn.forward(in.timesteps()); // (b, 6 dim)
            Pass pass = new Pass(layout, emb, blocks.stream().map(Block::rope).toList(), cache);
            Tensor h = through(0, blocks.size(), new Streams(vid, txt), pass, cancellation)
                    .vid(); // (Lv, dim)
            h = vidOutAda.forward(vidOutNorm, h, pass); // (Lv, dim)
            return vidOut.forward(h, layout.vidShapes()); // (positions, vidOutChannels)
        });
    }

    /// Runs blocks `from` to `to`, each half in a scope of its own: states between blocks are released as soon as they
    /// can be, and at no time more than the logarithm of the number of blocks are alive.
    private Streams through(int from, int to, Streams x, Pass pass, Cancellation cancellation) {
        if (to - from == 1) {
            cancellation.check();
            return blocks.get(from).forward(x, pass);
        }
        return Scope.run(() -> {
            int middle = (from + to) / 2;
            Streams between = through(from, middle, x, pass, cancellation);
            return through(middle, to, between, pass, cancellation);
        });
    }

    private List<VideoShape> patched(PackedInput in) {
        return in.vidShapes().stream().map(config::patched).toList();
    }

    /// The hidden states between blocks.
    ///
    /// @param vid `(Lv, dim)`
    /// @param txt `(Lt, dim)`
    public record Streams(Tensor vid, Tensor txt) implements Scope.Holder {
        @Override
        public Iterable<Tensor> tensors() {
            return List.of(vid, txt);
        }
    }

    // ---- once per forward pass

    /// What all blocks of one forward pass have in common: where tokens stand, how they are modulated and rotated.
    public static final class Pass {
        private final TokenLayout layout;
        private final @Nullable KeyValueCache cache;
        private final Tensor modulation; // (2 halves, 3 roles, b, dim)
        private final @Nullable Tensor samplesOfRows; // (L), null for a single sample
        private final @Nullable Tensor order; // (L), null where memory and attention have the same order
        private final @Nullable Tensor inverseOrder; // (L)
        private final Map<List<Float>, Rotation> rotations = new LinkedHashMap<>();

        /// Prepares a pass.
        ///
        /// @param emb `(b, 6 dim)`
        /// @param ropes the rotary embeddings that will be used
        public Pass(TokenLayout layout, Tensor emb, List<MmRope> ropes) {
            this(layout, emb, ropes, null);
        }

        private Pass(TokenLayout layout, Tensor emb, List<MmRope> ropes, @Nullable KeyValueCache cache) {
            this.layout = layout;
            this.cache = cache;
            // emb[b, c * 6 + half * 3 + role], the channel slowest
            this.modulation = emb.reshape(emb.dim(0), emb.dim(1) / 6, 2, 3)
                    .permute(2, 3, 0, 1)
                    .contiguous();
            this.samplesOfRows = layout.samples() == 1 ? null : Tensor.of(layout.samplesOfRows());
            if (layout.isInOrder()) {
                this.order = null;
                this.inverseOrder = null;
            } else {
                int[] order = layout.order();
                int[] inverse = new int[order.length];
                for (int i = 0; i < order.length; i++) {
                    inverse[order[i]] = i;
                }
                this.order = Tensor.of(order);
                this.inverseOrder = Tensor.of(inverse);
            }
            for (MmRope rope : ropes) {
                rotations.computeIfAbsent(rope.frequencies(), f -> rope.rotation(layout.positions()));
            }
        }

        /// Where tokens stand.
        public TokenLayout layout() {
            return layout;
        }

        /// Part of the time embedding, `(b, dim)`.
        private Tensor modulation(Half half, Role role) {
            return modulation.select(0, half.place).select(0, role.place);
        }

        /// One vector for each sample as one for each token of a stream: `(1, dim)`, which stretches, or `(tokens,
        /// dim)`.
        ///
        /// @param perSample `(b, dim)`
        Tensor perToken(Tensor perSample, Stream stream) {
            if (samplesOfRows == null) {
                return perSample;
            }
            int vid = layout.vidTokens();
            int all = vid + layout.txtTokens();
            return perSample.indexSelect(
                    switch (stream) {
                        case VID -> samplesOfRows.slice(0, 0, vid);
                        case TXT -> samplesOfRows.slice(0, vid, all);
                        case ALL -> samplesOfRows;
                    });
        }

        Rotation rotation(MmRope rope) {
            return Objects.requireNonNull(rotations.get(rope.frequencies()), "a rotary embedding unknown to this pass");
        }

        /// The parts, `(Lv, ...)` and `(Lt, ...)` or one `(L, ...)`, together and in the attention's order, `(L,
        /// ...)`.
        Tensor inAttentionOrder(List<Tensor> parts) {
            Tensor all = parts.size() == 1 ? parts.getFirst() : Tensor.concat(parts, 0);
            return order == null ? all : all.indexSelect(order);
        }

        /// Undoes [#inAttentionOrder].
        List<Tensor> inMemoryOrder(Tensor x, int parts) {
            Tensor all = inverseOrder == null ? x : x.indexSelect(inverseOrder);
            return parts == 1 ? List.of(all) : all.split(0, layout.vidTokens(), layout.txtTokens());
        }
    }

    /// The tokens that a part of a block serves; in lower case, its name in the checkpoint.
    public enum Stream {
        /// Video tokens.
        VID,
        /// Text tokens.
        TXT,
        /// Both, with shared weights.
        ALL;

        private String key() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /// One module for each stream, or one that serves both: keys `vid` and `txt`, or `all`.
    private static final class PerStream<M extends Module> extends Module {
        private final Map<Stream, M> modules = new EnumMap<>(Stream.class);

        PerStream(WeightTree at, List<Stream> streams, Function<WeightTree, M> make) {
            for (Stream stream : streams) {
                modules.put(stream, child(stream.key(), make.apply(at.at(stream.key()))));
            }
        }

        M get(Stream stream) {
            return Objects.requireNonNull(modules.get(stream), "no weights for this stream");
        }
    }

    // ---- input

    /// The diffusion time as a vector: a sinusoid through three linear layers. Keys `proj_in`, `proj_hid`, `proj_out`.
    public static final class TimeEmbedding extends Module {
        private static final double MAX_PERIOD = 10_000;

        private final int width;
        private final Linear projIn;
        private final Linear projHid;
        private final Linear projOut;

        /// The layers at a node of a checkpoint, with a sinusoid of 256 numbers.
        public TimeEmbedding(WeightTree at, int hidden, int out) {
            this(at, 256, hidden, out);
        }

        /// The layers at a node of a checkpoint.
        ///
        /// @param width numbers in the sinusoid, even
        public TimeEmbedding(WeightTree at, int width, int hidden, int out) {
            this.width = width;
            this.projIn = child("proj_in", Layers.linear(at.at("proj_in"), width, hidden));
            this.projHid = child("proj_hid", Layers.linear(at.at("proj_hid"), hidden, hidden));
            this.projOut = child("proj_out", Layers.linear(at.at("proj_out"), hidden, out));
        }

        /// Embeds diffusion times, which are used as they are, from 0 to 1000.
        ///
        /// @param t `(b)`
        /// @return `(b, out)`
        public Tensor forward(Tensor t) {
            Tensor s = observe("sinusoid", sinusoid(t, width)); // (b, width)
            Tensor h = projIn.forward(s, Activation.SILU, null, null); // (b, hidden)
            h = projHid.forward(h, Activation.SILU, null, null); // (b, hidden)
            return observe(projOut.forward(h)); // (b, out)
        }

        /// `[sin(t f_i), cos(t f_i)]` with `f_i = 10000^(-i / half)`, sines first (Vaswani et al. 2017, arXiv
        /// 1706.03762, section 3.5). Frequencies and angles are rounded to f32 as in the original, which at t near
        /// 1000 shows in the fifth digit.
        ///
        /// @param t `(b)`
        /// @return `(b, width)`
        public static Tensor sinusoid(Tensor t, int width) {
            float[] times = t.toFloatArray();
            int half = width / 2;
            float[] s = new float[times.length * width];
            for (int b = 0; b < times.length; b++) {
                for (int i = 0; i < half; i++) {
                    float frequency = (float) Math.exp((float) -Math.log(MAX_PERIOD) * i / half);
                    float angle = times[b] * frequency;
                    s[b * width + i] = (float) Math.sin(angle);
                    s[b * width + half + i] = (float) Math.cos(angle);
                }
            }
            return Tensor.of(s, times.length, width);
        }
    }

    /// Cuts frames into patches and projects each to a token (Dosovitskiy et al. 2020, arXiv 2010.11929). Key `proj`.
    public static final class PatchIn extends Module {
        private final NaDitConfig config;
        private final Linear proj;

        /// The projection at a node of a checkpoint.
        public PatchIn(WeightTree at, NaDitConfig config) {
            this.config = config;
            this.proj = child(
                    "proj", Layers.linear(at.at("proj"), config.patchArea() * config.vidInChannels(), config.vidDim()));
        }

        /// Makes tokens: per sample `(T, H ph, W pw, c)` becomes `(T, H, W, (ph, pw, c))`.
        ///
        /// @param vid `(positions, vidInChannels)`
        /// @param shapes extents of each sample before patching
        /// @return `(Lv, dim)`
        public Tensor forward(Tensor vid, List<VideoShape> shapes) {
            int ph = config.patchHeight();
            int pw = config.patchWidth();
            int c = config.vidInChannels();
            if (vid.rank() != 2 || vid.dim(1) != c) {
                throw new IllegalArgumentException(
                        "nadit: video " + vid.shape() + " does not have " + c + " channels at every position");
            }
            List<Tensor> samples = new ArrayList<>();
            int at = 0;
            for (VideoShape shape : shapes) {
                VideoShape s = config.patched(shape);
                samples.add(vid.slice(0, at, at += shape.tokens())
                        .reshape(s.frames(), s.height(), ph, s.width(), pw, c)
                        .permute(0, 1, 3, 2, 4, 5) // (T, H, W, ph, pw, c)
                        .reshape(s.tokens(), ph * pw * c));
            }
            return observe(proj.forward(joined(samples)));
        }
    }

    /// Projects tokens to patches and puts frames together. Key `proj`.
    public static final class PatchOut extends Module {
        private final NaDitConfig config;
        private final Linear proj;

        /// The projection at a node of a checkpoint.
        public PatchOut(WeightTree at, NaDitConfig config) {
            this.config = config;
            this.proj = child(
                    "proj",
                    Layers.linear(at.at("proj"), config.vidDim(), config.patchArea() * config.vidOutChannels()));
        }

        /// Makes frames: per sample `(T, H, W, (ph, pw, c))` becomes `(T, H ph, W pw, c)`.
        ///
        /// @param tokens `(Lv, dim)`
        /// @param shapes extents of each sample in tokens
        /// @return `(positions, vidOutChannels)`
        public Tensor forward(Tensor tokens, List<VideoShape> shapes) {
            int ph = config.patchHeight();
            int pw = config.patchWidth();
            int c = config.vidOutChannels();
            Tensor patches = proj.forward(tokens); // (Lv, ph pw c)
            List<Tensor> samples = new ArrayList<>();
            int at = 0;
            for (VideoShape s : shapes) {
                samples.add(patches.slice(0, at, at += s.tokens())
                        .reshape(s.frames(), s.height(), s.width(), ph, pw, c)
                        .permute(0, 1, 3, 2, 4, 5) // (T, H, ph, W, pw, c)
                        .reshape(s.tokens() * ph * pw, c));
            }
            return observe(joined(samples));
        }
    }

    private static Tensor joined(List<Tensor> samples) {
        return samples.size() == 1 ? samples.getFirst() : Tensor.concat(samples, 0);
    }

    // ---- blocks

    /// A transformer block: attention and feed-forward, both modulated by the diffusion time and gated into the
    /// residual stream.
    ///
    /// ```
    /// x = x + gate_attn * attention(modulate_attn(x))
    /// x = x + gate_mlp * mlp(modulate_mlp(x))
    /// ```
    ///
    /// The last block leaves out the feed-forward part for text, whose result nobody reads. Keys `attn`, `mlp`, `ada`.
    public static final class Block extends Module {
        private final List<Stream> streams;
        private final boolean last;
        private final MmAttention attn;
        private final PerStream<SwiGlu> mlp;
        private final PerStream<AdaSingle> ada;

        /// Block `layer` of a transformer, at a node of a checkpoint.
        public Block(WeightTree at, NaDitConfig config, int layer) {
            boolean shared = config.isShared(layer);
            this.last = layer == config.numLayers() - 1;
            this.streams = streams(shared);
            this.attn = child("attn", new MmAttention(at.at("attn"), config, layer));
            List<Stream> mlpStreams = last && !shared ? List.of(Stream.VID) : streams;
            this.mlp = child(
                    "mlp",
                    new PerStream<>(at.at("mlp"), mlpStreams, w -> new SwiGlu(w, config.vidDim(), config.mlpHidden())));
            this.ada = child(
                    "ada",
                    new PerStream<>(at.at("ada"), streams, w -> new AdaSingle(w, config.vidDim(), config.normEps())));
        }

        private static List<Stream> streams(boolean shared) {
            return shared ? List.of(Stream.ALL) : List.of(Stream.VID, Stream.TXT);
        }

        /// The rotary embedding of the attention.
        public MmRope rope() {
            return attn.rope();
        }

        /// Applies the block; temporaries are released.
        public Streams forward(Streams x, Pass pass) {
            return Scope.run(() -> {
                Streams y = feedForward(attention(x, pass), pass);
                return new Streams(observe("vid", y.vid()), observe("txt", y.txt()));
            });
        }

        private Streams attention(Streams x, Pass pass) {
            return Scope.run(() -> {
                List<Tensor> residuals = parts(x); // (Lv, dim) and (Lt, dim), or (L, dim)
                List<Tensor> modulated = new ArrayList<>(); // like the residuals
                List<@Nullable Tensor> gates = new ArrayList<>(); // stretch to the residuals
                for (int i = 0; i < residuals.size(); i++) {
                    Stream stream = streams.get(i);
                    modulated.add(ada.get(stream).modulate(Half.ATTN, residuals.get(i), stream, pass));
                    gates.add(ada.get(stream).gate(Half.ATTN, stream, pass));
                }
                return streams(attn.forward(modulated, gates, residuals, pass), pass);
            });
        }

        private Streams feedForward(Streams x, Pass pass) {
            if (last) {
                Stream weights = streams.getFirst(); // those for video, or for both
                return new Streams(feedForward(x.vid(), weights, Stream.VID, pass), x.txt());
            }
            List<Tensor> out = new ArrayList<>(); // (Lv, dim) and (Lt, dim), or (L, dim)
            List<Tensor> in = parts(x); // likewise
            for (int i = 0; i < in.size(); i++) {
                out.add(feedForward(in.get(i), streams.get(i), streams.get(i), pass));
            }
            return streams(out, pass);
        }

        private Tensor feedForward(Tensor x, Stream weights, Stream tokens, Pass pass) {
            AdaSingle modulation = ada.get(weights);
            Tensor h = modulation.modulate(Half.MLP, x, tokens, pass); // like x
            return mlp.get(weights).forward(h, modulation.gate(Half.MLP, tokens, pass), x); // like x
        }

        /// The streams as this block's weights want them: apart, or one behind the other.
        private List<Tensor> parts(Streams x) {
            return streams.size() == 2
                    ? List.of(x.vid(), x.txt())
                    : List.of(Tensor.concat(List.of(x.vid(), x.txt()), 0));
        }

        private static Streams streams(List<Tensor> parts, Pass pass) {
            if (parts.size() == 2) {
                return new Streams(parts.get(0), parts.get(1));
            }
            Tensor all = parts.getFirst(); // (L, dim)
            int vid = pass.layout().vidTokens();
            return new Streams(all.slice(0, 0, vid), all.slice(0, vid, all.dim(0)));
        }
    }

    /// Joint attention of video and text: every stream has its own projections, and the softmax runs over both.
    ///
    /// Queries and keys are normalised per head before the rotary embedding (Henry et al. 2020, arXiv 2010.04245;
    /// Dehghani et al. 2023, arXiv 2302.05442). Keys `proj_qkv`, `proj_out`, `norm_q`, `norm_k`, `rope`.
    public static final class MmAttention extends Module {
        private final int layer;
        private final int heads;
        private final int headDim;
        private final List<Stream> streams;
        private final PerStream<Linear> projQkv;
        private final PerStream<Linear> projOut;
        private final PerStream<RmsNorm> normQ;
        private final PerStream<RmsNorm> normK;
        private final MmRope rope;

        /// The attention of block `layer`, at a node of a checkpoint.
        public MmAttention(WeightTree at, NaDitConfig config, int layer) {
            this.layer = layer;
            this.heads = config.heads();
            this.headDim = config.headDim();
            this.streams = Block.streams(config.isShared(layer));
            int dim = config.vidDim();
            int inner = heads * headDim;
            this.projQkv = child(
                    "proj_qkv",
                    new PerStream<>(
                            at.at("proj_qkv"),
                            streams,
                            w -> config.qkBias()
                                    ? Layers.linear(w, dim, 3 * inner)
                                    : Layers.linearWithoutBias(w, dim, 3 * inner)));
            this.projOut =
                    child("proj_out", new PerStream<>(at.at("proj_out"), streams, w -> Layers.linear(w, inner, dim)));
            this.normQ = child(
                    "norm_q",
                    new PerStream<>(at.at("norm_q"), streams, w -> Layers.rmsNorm(w, headDim, config.normEps())));
            this.normK = child(
                    "norm_k",
                    new PerStream<>(at.at("norm_k"), streams, w -> Layers.rmsNorm(w, headDim, config.normEps())));
            this.rope = child("rope", new MmRope(at.at("rope"), config.ropeDim()));
        }

        /// The rotary embedding.
        public MmRope rope() {
            return rope;
        }

        /// Attends, and adds the gated result to the residuals: `residual + gate * proj_out(attention)`.
        ///
        /// @param x `(Lv, dim)` and `(Lt, dim)`, or `(L, dim)` with shared weights
        /// @param gates for each part a factor that stretches to it, or null
        /// @param residuals for each part a summand of its shape, or null
        /// @return like `x`
        public List<Tensor> forward(
                List<Tensor> x,
                List<? extends @Nullable Tensor> gates,
                List<? extends @Nullable Tensor> residuals,
                Pass pass) {
            List<Tensor> queries =
                    new ArrayList<>(); // (Lv, heads, headDim) and (Lt, heads, headDim), or (L, heads, headDim)
            List<Tensor> keys = new ArrayList<>(); // likewise
            List<Tensor> values = new ArrayList<>(); // likewise
            for (int i = 0; i < x.size(); i++) {
                Stream stream = streams.get(i);
                Tensor qkv = projQkv.get(stream)
                        .forward(x.get(i))
                        .reshape(x.get(i).dim(0), 3, heads, headDim); // (Li, 3, heads, headDim)
                queries.add(normQ.get(stream).forward(qkv.select(1, 0)));
                keys.add(normK.get(stream).forward(qkv.select(1, 1)));
                values.add(qkv.select(1, 2));
            }
            Rotation rotation = pass.rotation(rope);
            Tensor q = rotation.apply(pass.inAttentionOrder(queries)); // (L, heads, headDim)
            Tensor k = rotation.apply(pass.inAttentionOrder(keys)); // (L, heads, headDim)
            Tensor v = pass.inAttentionOrder(values); // (L, heads, headDim)
            Tensor attended = observe("attended", attend(q, k, v, pass)); // (L, heads, headDim)
            List<Tensor> parts = pass.inMemoryOrder(attended.reshape(attended.dim(0), heads * headDim), x.size());
            List<Tensor> out = new ArrayList<>(); // like x
            for (int i = 0; i < x.size(); i++) {
                out.add(projOut.get(streams.get(i))
                        .forward(parts.get(i), Activation.NONE, gates.get(i), residuals.get(i)));
            }
            return out;
        }

        private Tensor attend(Tensor q, Tensor k, Tensor v, Pass pass) {
            float scale = (float) (1 / Math.sqrt(headDim));
            TokenLayout layout = pass.layout();
            KeyValueCache cache = pass.cache;
            if (cache == null) {
                return Functional.attention(q, k, v, scale, layout.visible(), floatArithmetic());
            }
            List<Tensor> samples = new ArrayList<>();
            int at = 0;
            for (int s = 0; s < layout.samples(); s++) {
                int end = at + layout.sampleTokens(s);
                KeyRanges visible = layout.visible(s, cache.tokens(s));
                KeyValueCache.KeysAndValues all = cache.append(layer, s, k.slice(0, at, end), v.slice(0, at, end));
                samples.add(
                        Functional.attention(q.slice(0, at, end), all.k(), all.v(), scale, visible, floatArithmetic()));
                at = end;
            }
            return joined(samples); // (L, heads, headDim)
        }
    }

    /// Rotary embedding over the three axes time, row and column (Su et al. 2021, arXiv 2104.09864): a third of the
    /// rotated elements for each, adjacent elements being pairs. Video token (t, h, w) stands at `(text length + t, h,
    /// w)`, text token i at `(i, i, i)`.
    ///
    /// With `d = floor(rope_dim / 3)` an axis has the frequencies `10000^(-2i / d)` for i below `floor(d / 2)`. The
    /// elements behind the three axes stay as they are. Key `rope.freqs`, which older checkpoints may lack.
    public static final class MmRope extends Module {
        private static final double THETA = 10_000;

        private final List<Float> frequencies;

        /// The embedding at a node of a checkpoint.
        public MmRope(WeightTree at, int ropeDim) {
            int d = ropeDim / 3;
            int n = d / 2;
            String key = "rope.freqs";
            float[] f = new float[n];
            if (at.optional(key, Shape.of(n)).isPresent()) {
                Tensor stored = Layers.tensor(at, key, n);
                for (int i = 0; i < n; i++) {
                    f[i] = (float) stored.get(i);
                }
            } else {
                for (int i = 0; i < n; i++) {
                    f[i] = 1 / (float) Math.pow(THETA, 2f * i / d);
                }
            }
            List<Float> list = new ArrayList<>();
            for (float x : f) {
                list.add(x);
            }
            this.frequencies = List.copyOf(list);
        }

        /// The frequencies of one axis.
        public List<Float> frequencies() {
            return frequencies;
        }

        /// The angles of the pairs of elements, axis after axis.
        ///
        /// @param positions for each token its positions on the three axes
        /// @return `(L, 3 n)`
        public Tensor angles(int[][] positions) {
            return Tensor.of(angleValues(positions), positions.length, 3 * frequencies.size());
        }

        private float[] angleValues(int[][] positions) {
            float[] angles = new float[positions.length * 3 * frequencies.size()];
            int i = 0;
            for (int[] position : positions) {
                for (int p : position) {
                    for (float f : frequencies) {
                        angles[i++] = p * f;
                    }
                }
            }
            return angles;
        }

        /// The rotation of tokens at these positions.
        ///
        /// @param positions for each token its positions on the three axes
        public Rotation rotation(int[][] positions) {
            float[] cos = angleValues(positions);
            float[] sin = cos.clone();
            for (int i = 0; i < cos.length; i++) {
                cos[i] = (float) Math.cos(cos[i]);
                sin[i] = (float) Math.sin(sin[i]);
            }
            int pairs = 3 * frequencies.size();
            return new Rotation(Tensor.of(cos, positions.length, pairs), Tensor.of(sin, positions.length, pairs));
        }
    }

    /// The rotation of packed tokens.
    ///
    /// @param cos `(L, pairs)`
    /// @param sin `(L, pairs)`
    public record Rotation(Tensor cos, Tensor sin) {
        /// Rotates every head.
        ///
        /// @param x `(L, heads, headDim)`
        public Tensor apply(Tensor x) {
            return Functional.rope(RopeLayout.INTERLEAVED, x, cos, sin);
        }
    }

    /// The part of a block that is modulated; in lower case, its name in the checkpoint.
    public enum Half {
        /// Attention.
        ATTN(0),
        /// Feed-forward.
        MLP(1);

        private final int place;

        Half(int place) {
            this.place = place;
        }
    }

    /// What a part of the time embedding does; in lower case, its name in the checkpoint.
    private enum Role {
        SHIFT(0),
        SCALE(1),
        GATE(2);

        private final int place;

        Role(int place) {
            this.place = place;
        }
    }

    /// Modulation with a single time embedding for all layers, to which every layer adds learned vectors
    /// (adaLN-single; Chen et al. 2023, arXiv 2310.00426). The scale is used as it is, without "1 +". Keys
    /// `attn_shift`, `attn_scale`, `attn_gate`, `mlp_shift`, ...
    public static final class AdaSingle extends Module {
        private final float eps;
        private final Map<Half, Map<Role, Parameter>> learned = new EnumMap<>(Half.class);

        /// The vectors at a node of a checkpoint.
        public AdaSingle(WeightTree at, int dim, float eps) {
            this.eps = eps;
            for (Half half : Half.values()) {
                Map<Role, Parameter> vectors = new EnumMap<>(Role.class);
                for (Role role : Role.values()) {
                    String key = (half + "_" + role).toLowerCase(Locale.ROOT);
                    vectors.put(role, parameter(key, Layers.tensor(at, key, dim)));
                }
                learned.put(half, vectors);
            }
        }

        private Tensor vector(Half half, Role role, Stream stream, Pass pass) {
            Parameter own = Objects.requireNonNull(
                    Objects.requireNonNull(learned.get(half)).get(role));
            return pass.perToken(pass.modulation(half, role).add(own.value()), stream);
        }

        /// `rms(x) * scale + shift`.
        ///
        /// @param x `(tokens, dim)`
        /// @param half of which part
        /// @param stream the tokens that `x` holds
        /// @return `(tokens, dim)`
        public Tensor modulate(Half half, Tensor x, Stream stream, Pass pass) {
            return Functional.rmsNorm(
                    x, eps, null, vector(half, Role.SCALE, stream, pass), vector(half, Role.SHIFT, stream, pass));
        }

        /// The factor of the result before it is added to the residual stream.
        ///
        /// @param half of which part
        /// @param stream the tokens that are to be multiplied
        /// @return stretches to `(tokens, dim)`
        public Tensor gate(Half half, Stream stream, Pass pass) {
            return vector(half, Role.GATE, stream, pass);
        }
    }

    /// Feed-forward part with a gated unit, `proj_out(silu(proj_in_gate(x)) * proj_in(x))` (Shazeer 2020, arXiv
    /// 2002.05202). Keys `proj_in_gate`, `proj_in`, `proj_out`, without biases.
    public static final class SwiGlu extends Module {
        private final Linear projInGate;
        private final Linear projIn;
        private final Linear projOut;

        /// The layers at a node of a checkpoint.
        public SwiGlu(WeightTree at, int dim, int hidden) {
            this.projInGate = child("proj_in_gate", Layers.linearWithoutBias(at.at("proj_in_gate"), dim, hidden));
            this.projIn = child("proj_in", Layers.linearWithoutBias(at.at("proj_in"), dim, hidden));
            this.projOut = child("proj_out", Layers.linearWithoutBias(at.at("proj_out"), hidden, dim));
        }

        /// The hidden width: two thirds of `expandRatio * dim`, rounded up to a multiple.
        public static int hidden(int dim, double expandRatio, int multipleOf) {
            int hidden = (int) (2 * dim * expandRatio / 3);
            return multipleOf * ((hidden + multipleOf - 1) / multipleOf);
        }

        /// Applies the layers, and adds the gated result to the residual: `residual + gate * proj_out(...)`.
        ///
        /// @param x `(tokens, dim)`
        /// @param gate stretches to `x`
        /// @param residual `(tokens, dim)`
        /// @return `(tokens, dim)`
        public Tensor forward(Tensor x, @Nullable Tensor gate, @Nullable Tensor residual) {
            return Scope.run(() -> {
                Tensor h = projIn.forward(x); // (tokens, hidden)
                h = projInGate.forward(x, Activation.SILU, h, null); // (tokens, hidden)
                return projOut.forward(h, Activation.NONE, gate, residual);
            });
        }
    }

    // ---- output

    /// Modulation of the final normalisation. It uses the attention's shift and scale of the time embedding: the
    /// released weights were trained that way. Keys `out_shift`, `out_scale`.
    public static final class OutputModulation extends Module {
        private final Parameter shift;
        private final Parameter scale;

        /// The vectors at a node of a checkpoint.
        public OutputModulation(WeightTree at, int dim) {
            this.shift = parameter("out_shift", Layers.tensor(at, "out_shift", dim));
            this.scale = parameter("out_scale", Layers.tensor(at, "out_scale", dim));
        }

        /// `norm(x) * scale + shift`.
        ///
        /// @param norm the final normalisation
        /// @param x `(Lv, dim)`
        /// @return `(Lv, dim)`
        public Tensor forward(RmsNorm norm, Tensor x, Pass pass) {
            Tensor scales = pass.modulation(Half.ATTN, Role.SCALE).add(scale.value()); // (b, dim)
            Tensor shifts = pass.modulation(Half.ATTN, Role.SHIFT).add(shift.value()); // (b, dim)
            return observe(norm.forward(x, pass.perToken(scales, Stream.VID), pass.perToken(shifts, Stream.VID)));
        }
    }
}
