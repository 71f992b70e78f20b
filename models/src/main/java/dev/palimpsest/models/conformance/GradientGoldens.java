package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.weights.Checkpoint;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Golden files about gradients: the building blocks of a transformer, forward and backward.
///
/// A file holds several cases, each with inputs `in.<case>.<name>`, weights `weight.<case>.<key>`, the result
/// `out.<case>` and, for `sum(result * in.<case>.cotangent)`, the derivatives `grad.<case>.<name or key>`. In the
/// comments B is the number of samples, L that of tokens of a sample, N that of condition tokens of all samples, C the
/// width.
public final class GradientGoldens implements GoldenEvaluator {
    private static final float EPS = 1e-6f;
    private static final double MAX_LOG_SCALE = (float) Math.log(100);

    private final Map<String, Function<Case, Tensor>> blocks = Map.ofEntries(
            Map.entry("linear", c -> linear(c, c.in("x"), "")),
            Map.entry("layer_norm", c -> normed(c.in("x"))),
            Map.entry(
                    "ca_norm",
                    c -> Functional.layerNorm(c.in("x"), EPS, c.weight("weight"), c.weight("bias"), null, null)),
            Map.entry("text_rms_norm", c -> Functional.rmsNorm(c.in("x"), EPS, c.weight("weight"))),
            Map.entry("ada_modulate", GradientGoldens::adaModulate),
            Map.entry("gelu_tanh", c -> c.in("x").geluTanh()),
            Map.entry("silu", c -> c.in("x").silu()),
            Map.entry("softmax", c -> c.in("x").softmax()),
            Map.entry("embedding", GradientGoldens::embedding),
            Map.entry("l2norm", c -> unit(c.in("x"))),
            Map.entry("rope", GradientGoldens::rope),
            Map.entry("self_attention", c -> selfAttention(c, c.in("x"), "")),
            Map.entry("cross_attention", c -> crossAttention(c, c.in("q"), c.in("kv"), "")),
            Map.entry("text_attentive_pool", GradientGoldens::attentivePool),
            Map.entry("ffn", c -> feedForward(c, c.in("x"), "")),
            Map.entry("lora_linear", GradientGoldens::adaptedLinear),
            Map.entry("shared_ada_lin", GradientGoldens::sharedAdaLin),
            Map.entry("ada_before_head", GradientGoldens::adaBeforeHead),
            Map.entry("cross_attn_block", GradientGoldens::block),
            Map.entry("bit_ce", GradientGoldens::bitCrossEntropy));

    /// The evaluator.
    public GradientGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("autograd.blocks");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        Map<String, Tensor> results = new LinkedHashMap<>();
        for (String key : file.expected()) {
            String name = key.substring("out.".length());
            if (key.startsWith("out.")) {
                Function<Case, Tensor> block = blocks.get(name);
                if (block == null) {
                    throw new IllegalArgumentException(
                            file.path() + ": there is no block " + name + "; blocks are " + blocks.keySet());
                }
                results.putAll(Scope.run(() -> differentiate(new Case(file, name), block)));
            }
        }
        return results;
    }

    private static Map<String, Tensor> differentiate(Case c, Function<Case, Tensor> block) {
        try (Tape tape = new Tape()) {
            Map<String, Tensor> wanted = new LinkedHashMap<>();
            String prefix = "grad." + c.name + ".";
            for (String key : c.file.expected()) {
                if (key.startsWith(prefix)) {
                    Tensor t = c.inputOrWeight(key.substring(prefix.length()));
                    tape.watch(t);
                    wanted.put(key, t);
                }
            }
            Tensor out = tape.record(() -> block.apply(c));
            Map<String, Tensor> results = new LinkedHashMap<>();
            results.put("out." + c.name, out.copy());
            Gradients gradients = tape.backward(out, c.in("cotangent"));
            wanted.forEach((key, t) -> results.put(key, gradients.of(t)));
            return results;
        }
    }

    /// One case of a file. A tensor is the same object every time it is asked for, as the tape needs.
    private static final class Case {
        private final GoldenFile file;
        private final String name;
        private final Checkpoint weights;
        private final Map<String, Tensor> tensors = new HashMap<>();

        Case(GoldenFile file, String name) {
            this.file = file;
            this.name = name;
            this.weights = file.weightCheckpoint();
        }

        Tensor in(String key) {
            return tensors.computeIfAbsent("in." + key, k -> file.input(name + "." + key));
        }

        Tensor weight(String key) {
            return tensors.computeIfAbsent(
                    "weight." + key, k -> Tensor.borrow(weights.tensor(name + "." + key), name + "." + key));
        }

        @Nullable
        Tensor weightIfAny(String key) {
            return weights.names().contains(name + "." + key) ? weight(key) : null;
        }

        Tensor inputOrWeight(String key) {
            return file.hasInput(name + "." + key) ? in(key) : weight(key);
        }

        /// A setting of the whole file.
        JsonObject config() {
            return file.config();
        }

        /// Lengths of packed sequences from the positions at which they start and end.
        int[] lengths() {
            long[] starts = in("cu_seqlens").toLongArray();
            return IntStream.range(0, starts.length - 1)
                    .map(i -> Math.toIntExact(starts[i + 1] - starts[i]))
                    .toArray();
        }
    }

    // ---- layers; `at` is the prefix of the keys of their weights

    private static Tensor linear(Case c, Tensor x, String at) {
        return Functional.linear(x, c.weight(at + "weight"), c.weightIfAny(at + "bias"));
    }

    private static Tensor normed(Tensor x) {
        return Functional.layerNorm(x, EPS, null, null, null, null);
    }

    /// The rows of the last axis at length 1.
    private static Tensor unit(Tensor x) {
        Tensor length = x.square().sum(-1).sqrt(); // (..., 1)
        return x.div(length.maximum(Tensor.scalar(1e-12)));
    }

    private static Tensor embedding(Case c) {
        Tensor rows = c.in("idx"); // (B, n)
        Tensor table = c.weight("weight"); // (rows, C)
        return table.indexSelect(rows.reshape(-1)).reshape(rows.dim(0), rows.dim(1), table.dim(1));
    }

    private static Tensor feedForward(Case c, Tensor x, String at) {
        Tensor hidden = Functional.linear(
                x, c.weight(at + "fc1.weight"), c.weight(at + "fc1.bias"), Activation.GELU_TANH, null, null);
        return linear(c, hidden, at + "fc2.");
    }

    /// `W x + b + alpha / r B A x` (Hu et al. 2021, arXiv 2106.09685).
    private static Tensor adaptedLinear(Case c) {
        Tensor x = c.in("x"); // (B, L, in)
        Tensor down = c.weight("lora_A"); // (r, in)
        Tensor up = c.weight("lora_B"); // (out, r)
        double alpha = c.config().number("lora_alpha", 32);
        Tensor change = Functional.linear(Functional.linear(x, down, null), up, null); // (B, L, out)
        return linear(c, x, "original.").add(change.mul(alpha / down.dim(0)));
    }

    private static Tensor sharedAdaLin(Case c) {
        Tensor cond = c.in("cond_BD"); // (B, C)
        return linear(c, cond.silu(), "1.").reshape(cond.dim(0), 1, 6, -1); // (B, 1, 6, C)
    }

    private static Tensor adaModulate(Case c) {
        return Functional.layerNorm(c.in("x"), EPS, null, null, c.in("scale").add(1), c.in("shift"));
    }

    private static Tensor adaBeforeHead(Case c) {
        Tensor x = c.in("x"); // (B, L, C)
        Tensor both = linear(c, c.in("cond_BD").silu(), "ada_lin.1.").unsqueeze(1); // (B, 1, 2 C)
        List<Tensor> parts = both.split(-1, x.dim(-1), x.dim(-1)); // scale, shift (B, 1, C)
        return Functional.layerNorm(x, EPS, null, null, parts.get(0).add(1), parts.get(1));
    }

    // ---- attention

    /// Turns every head of packed tokens; positions repeat with every sample.
    ///
    /// @param x `(B L, heads, headDim)`
    private static Tensor turned(Case c, Tensor x, int samples) {
        Tensor cos = c.file.input("rope_cos"); // (L, headDim / 2)
        Tensor sin = c.file.input("rope_sin"); // (L, headDim / 2)
        return Functional.rope(RopeLayout.INTERLEAVED, x, repeated(cos, samples), repeated(sin, samples));
    }

    private static Tensor repeated(Tensor rows, int times) {
        return rows.expand(times, rows.dim(0), rows.dim(1)).reshape(-1, rows.dim(1));
    }

    private static Tensor rope(Case c) {
        Tensor q = c.in("q"); // (B, heads, L, headDim)
        Tensor k = c.in("k"); // (B, heads, L, headDim)
        return Tensor.stack(List.of(ropeOne(c, q), ropeOne(c, k)), 0); // (2, B, heads, L, headDim)
    }

    private static Tensor ropeOne(Case c, Tensor x) {
        Tensor tokens = x.permute(0, 2, 1, 3); // (B, L, heads, headDim)
        return turned(c, tokens.flatten(0, 1), x.dim(0)).reshape(tokens.shape()).permute(0, 2, 1, 3);
    }

    /// Cosine attention with a learned scale for each head and rotary positions, a token seeing all tokens up to the
    /// end of its own block.
    private static Tensor selfAttention(Case c, Tensor x, String at) {
        int samples = x.dim(0);
        int length = x.dim(1);
        int width = x.dim(2);
        Tensor logScale = c.weight(at + "scale_mul_1H11"); // (1, heads, 1, 1)
        int heads = logScale.dim(1);
        Tensor qkv = linear(c, x, at + "mat_qkv.").reshape(samples * length, 3, heads, width / heads);
        Tensor scale = logScale.minimum(Tensor.scalar(MAX_LOG_SCALE)).exp().reshape(heads, 1);
        Tensor q = turned(c, unit(qkv.select(1, 0)).mul(scale), samples); // (B L, heads, headDim)
        Tensor k = turned(c, unit(qkv.select(1, 1)), samples); // (B L, heads, headDim)
        int[][] blocks = new int[samples][];
        Arrays.fill(blocks, runs(c.file.input("attn_block_ids").toLongArray()));
        Tensor out = Functional.attention(q, k, qkv.select(1, 2), 1, KeyRanges.blockCausal(blocks));
        return linear(c, out.reshape(samples, length, width), at + "proj.");
    }

    /// Lengths of the runs of equal numbers.
    private static int[] runs(long[] ids) {
        int[] ends = IntStream.rangeClosed(1, ids.length)
                .filter(i -> i == ids.length || ids[i] != ids[i - 1])
                .toArray();
        return IntStream.range(0, ends.length)
                .map(i -> i == 0 ? ends[0] : ends[i] - ends[i - 1])
                .toArray();
    }

    /// The same number of tokens for every sample.
    private static int[] repeat(int length, int samples) {
        int[] lengths = new int[samples];
        Arrays.fill(lengths, length);
        return lengths;
    }

    /// @param x `(B, L, C)`
    /// @param condition `(N, C)`
    private static Tensor crossAttention(Case c, Tensor x, Tensor condition, String at) {
        int samples = x.dim(0);
        int width = x.dim(2);
        int heads = c.config().int32("heads");
        Tensor q = linear(c, x, at + "mat_q.").reshape(-1, heads, width / heads); // (B L, heads, headDim)
        Tensor out = attendTo(c, q, condition, repeat(x.dim(1), samples), at); // (B L, C)
        return linear(c, out.reshape(x.shape()), at + "proj.");
    }

    /// @param q `(queries, heads, headDim)`
    /// @param condition `(N, ...)`
    /// @param lengths number of queries of each sample
    /// @return `(queries, C)`
    private static Tensor attendTo(Case c, Tensor q, Tensor condition, int[] lengths, String at) {
        int headDim = q.dim(2);
        Tensor kv = linear(c, condition, at + "mat_kv.").reshape(condition.dim(0), 2, q.dim(1), headDim);
        return Functional.attention(
                        q,
                        kv.select(1, 0),
                        kv.select(1, 1),
                        (float) (1 / Math.sqrt(headDim)),
                        KeyRanges.packed(lengths, c.lengths()))
                .flatten(1, 2);
    }

    private static Tensor attentivePool(Case c) {
        Tensor query = c.weight("ca.mat_q"); // (1, heads, headDim)
        int samples = c.lengths().length;
        Tensor q = query.expand(samples, query.dim(1), query.dim(2)); // (B, heads, headDim)
        return linear(c, attendTo(c, q, c.in("kv"), repeat(1, samples), "ca."), "ca.proj."); // (B, C)
    }

    /// A whole transformer block with adaptive normalisation.
    private static Tensor block(Case c) {
        Tensor x = c.in("x"); // (B, L, C)
        Tensor gss = c.in("cond_gss")
                .add(c.weight("ada_gss")); // (B, 1, [gamma1, gamma2, scale1, scale2, shift1, shift2], C)
        Tensor in1 = Functional.layerNorm(x, EPS, null, null, gss.select(2, 2).add(1), gss.select(2, 4));
        Tensor y = x.add(selfAttention(c, in1, "sa.").mul(gss.select(2, 0))); // (B, L, C)
        Tensor in2 = Functional.layerNorm(y, EPS, c.weight("ca_norm.weight"), c.weight("ca_norm.bias"), null, null);
        Tensor z = y.add(crossAttention(c, in2, c.in("kv"), "ca.")); // (B, L, C)
        Tensor in3 = Functional.layerNorm(z, EPS, null, null, gss.select(2, 3).add(1), gss.select(2, 5));
        return z.add(feedForward(c, in3, "ffn.").mul(gss.select(2, 1)));
    }

    // ---- loss

    /// `-log softmax` of the score of the true bit.
    private static Tensor bitCrossEntropy(Case c) {
        Tensor bits = c.in("gt"); // (B, L, d)
        Tensor scores = c.in("logits").reshape(bits.dim(0), bits.dim(1), bits.dim(2), 2); // (B, L, d, 2)
        Tensor chosen = bits.to(DType.BOOL).where(scores.select(-1, 1), scores.select(-1, 0)); // (B, L, d)
        Tensor largest = scores.max(-1); // (B, L, d, 1)
        Tensor logSum = scores.sub(largest).exp().sum(-1).log().add(largest).squeeze(-1); // (B, L, d)
        return logSum.sub(chosen);
    }
}
