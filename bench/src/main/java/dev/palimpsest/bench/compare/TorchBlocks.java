package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.bench.peers.Torch.Value;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The blocks of the models in ops of libtorch, as a Python program would write them for speed: fused attention,
/// rotation by one complex product, no copies that are not needed.
final class TorchBlocks {
    private final Torch torch;
    private final RandomModel model;
    private final Map<String, Value> weights = new HashMap<>();

    TorchBlocks(Torch torch, RandomModel model) {
        this.torch = torch;
        this.model = model;
    }

    /// A weight; wrapped when it is first asked for, which must not be inside a scope.
    Value w(String name) {
        return weights.computeIfAbsent(name, n -> torch.lasting(model.get(n)));
    }

    // ---- shared parts

    private Value affine(Value x, Value scale, Value shift) {
        return torch.add(torch.mul(x, scale), shift);
    }

    /// Rotates adjacent pairs.
    ///
    /// @param x `(L, heads, d)`
    /// @param turns `(L, 1, d / 2, 2)`, cosine and sine
    private Value rope(Value x, int length, int heads, int d, Value turns) {
        Value pairs = torch.complex(torch.reshape(x, length, heads, d / 2, 2)); // (L, heads, d / 2)
        return torch.reshape(torch.real(torch.mul(pairs, torch.complex(turns))), length, heads, d); // (L, heads, d)
    }

    /// Cosines and sines as complex numbers for [#rope], 1 where there are no angles.
    ///
    /// @param cos `(L, r)`
    /// @param sin `(L, r)`
    /// @param pairs at least r
    static NdArray turns(Field field, NdArray cos, NdArray sin, int pairs) {
        NdArray turns = field.zeros(DType.F32, cos.dim(0), 1, pairs, 2);
        for (int i = 0; i < cos.dim(0); i++) {
            for (int j = 0; j < pairs; j++) {
                turns.set(j < cos.dim(1) ? cos.get(i, j) : 1, i, 0, j, 0);
                turns.set(j < cos.dim(1) ? sin.get(i, j) : 0, i, 0, j, 1);
            }
        }
        return turns;
    }

    /// @param q `(Lq, heads, d)`
    /// @param k `(Lk, heads, d)`
    /// @param v `(Lk, heads, d)`
    /// @return `(Lq, heads d)`
    private Value attend(
            Value q, Value k, Value v, @Nullable Value mask, boolean causal, double scale, int length, int width) {
        Value attended = torch.attention(first(q), first(k), first(v), mask, causal, scale); // (1, heads, Lq, d)
        return torch.reshape(torch.permute(attended, 0, 2, 1, 3), length, width);
    }

    /// `(L, heads, d)` to `(1, heads, L, d)`.
    private Value first(Value x) {
        return torch.unsqueeze(torch.permute(x, 1, 0, 2), 0);
    }

    // ---- VINCIE's transformer

    /// What a NaDit block reads besides its weights.
    ///
    /// @param vid `(Lv, dim)`
    /// @param txt `(Lt, dim)`
    /// @param modulation `(half, role, dim)`
    /// @param turns `(L, 1, headDim / 2, 2)`, cosine and sine
    record NaDitInput(Value vid, Value txt, Value[][] modulation, Value turns) {}

    /// A block with separate weights for video and text, followed by nothing: both streams behind each other.
    Value naDit(NaDitInput in, int vidTokens, int txtTokens, int dim, int heads, int d, double eps) {
        String[] streams = {"vid", "txt"};
        Value[] x = {in.vid(), in.txt()};
        int[] lengths = {vidTokens, txtTokens};
        int all = vidTokens + txtTokens;
        Value[] q = new Value[2];
        Value[] k = new Value[2];
        Value[] v = new Value[2];
        for (int s = 0; s < 2; s++) {
            Value h = naDitModulated(x[s], "attn", 0, streams[s], in, dim, eps); // (Li, dim)
            Value qkv = torch.reshape(
                    torch.linear(h, w("attn.proj_qkv." + streams[s] + ".weight"), null), lengths[s], 3, heads, d);
            q[s] = torch.rmsNorm(torch.select(qkv, 1, 0), d, w("attn.norm_q." + streams[s] + ".weight"), eps);
            k[s] = torch.rmsNorm(torch.select(qkv, 1, 1), d, w("attn.norm_k." + streams[s] + ".weight"), eps);
            v[s] = torch.select(qkv, 1, 2); // (Li, heads, d)
        }
        Value attended = attend(
                rope(torch.cat(0, q), all, heads, d, in.turns()),
                rope(torch.cat(0, k), all, heads, d, in.turns()),
                torch.cat(0, v),
                null,
                false,
                1 / Math.sqrt(d),
                all,
                heads * d); // (L, heads d)
        Value[] out = new Value[2];
        int at = 0;
        for (int s = 0; s < 2; s++) {
            Value part = torch.slice(attended, 0, at, at + lengths[s]); // (Li, heads d)
            at += lengths[s];
            String name = "attn.proj_out." + streams[s];
            Value y = torch.linear(part, w(name + ".weight"), w(name + ".bias")); // (Li, dim)
            Value residual = torch.add(x[s], torch.mul(y, vector(in, "attn", 0, "gate", 2, streams[s]))); // (Li, dim)
            Value h = naDitModulated(residual, "mlp", 1, streams[s], in, dim, eps); // (Li, dim)
            String mlp = "mlp." + streams[s];
            Value gate = torch.silu(torch.linear(h, w(mlp + ".proj_in_gate.weight"), null)); // (Li, hidden)
            Value inner = torch.mul(gate, torch.linear(h, w(mlp + ".proj_in.weight"), null)); // (Li, hidden)
            Value z = torch.linear(inner, w(mlp + ".proj_out.weight"), null); // (Li, dim)
            out[s] = torch.add(residual, torch.mul(z, vector(in, "mlp", 1, "gate", 2, streams[s]))); // (Li, dim)
        }
        return torch.cat(0, out); // (L, dim)
    }

    private Value naDitModulated(Value x, String half, int place, String stream, NaDitInput in, int dim, double eps) {
        return affine(
                torch.rmsNorm(x, dim, null, eps),
                vector(in, half, place, "scale", 1, stream),
                vector(in, half, place, "shift", 0, stream));
    }

    private Value vector(NaDitInput in, String half, int place, String role, int number, String stream) {
        return torch.add(in.modulation()[place][number], w("ada." + stream + "." + half + "_" + role));
    }

    // ---- Qwen

    /// One layer and the last normalisation.
    ///
    /// @param x `(L, hidden)`
    /// @param cos `(L, 1, d)`
    /// @param sin `(L, 1, d)`, the first half negative
    Value qwen(Value x, Value cos, Value sin, int length, int hidden, int heads, int d, double eps) {
        String at = "transformer.h.0.";
        Value h = torch.rmsNorm(x, hidden, w(at + "ln_1.weight"), eps); // (L, hidden)
        Value qkv = torch.reshape(
                torch.linear(h, w(at + "attn.c_attn.weight"), w(at + "attn.c_attn.bias")), length, 3, heads, d);
        Value q = halves(torch.select(qkv, 1, 0), cos, sin, d); // (L, heads, d)
        Value k = halves(torch.select(qkv, 1, 1), cos, sin, d); // (L, heads, d)
        Value attended = attend(q, k, torch.select(qkv, 1, 2), null, true, 1 / Math.sqrt(d), length, hidden);
        Value y = torch.add(x, torch.linear(attended, w(at + "attn.c_proj.weight"), null)); // (L, hidden)
        Value n = torch.rmsNorm(y, hidden, w(at + "ln_2.weight"), eps); // (L, hidden)
        Value inner = torch.mul(
                torch.linear(n, w(at + "mlp.w1.weight"), null),
                torch.silu(torch.linear(n, w(at + "mlp.w2.weight"), null))); // (L, feedForward)
        Value z = torch.add(y, torch.linear(inner, w(at + "mlp.c_proj.weight"), null)); // (L, hidden)
        return torch.rmsNorm(z, hidden, w("transformer.ln_f.weight"), eps); // (L, hidden)
    }

    private Value halves(Value x, Value cos, Value sin, int d) {
        Value swapped = torch.cat(2, torch.slice(x, 2, d / 2, d), torch.slice(x, 2, 0, d / 2)); // (L, heads, d)
        return torch.add(torch.mul(x, cos), torch.mul(swapped, sin));
    }

    // ---- Infinity's transformer

    /// What an Infinity block reads besides its weights.
    ///
    /// @param gss two gates, two scales (1 added), two shifts, each `(1, C)`
    /// @param turns `(L, 1, headDim / 2, 2)`, cosine and sine
    /// @param qkvBias `(3 C)`
    /// @param headScales `(heads, 1)`, factor of the normalised queries
    /// @param textKeys `(N, heads, headDim)`
    /// @param textValues `(N, heads, headDim)`
    record InfinityInput(Value[] gss, Value turns, Value qkvBias, Value headScales, Value textKeys, Value textValues) {}

    /// Keys and values of earlier scales, `(kept, heads, headDim)`.
    record Kept(Value k, Value v) {}

    /// Keys and values of a scale.
    Kept infinityKeys(Value x, InfinityInput in, int length, int dim, int heads, double eps) {
        Value[] qkv = infinityQkv(x, in, length, dim, heads, eps);
        return new Kept(qkv[1], qkv[2]);
    }

    private Value[] infinityQkv(Value x, InfinityInput in, int length, int dim, int heads, double eps) {
        int d = dim / heads;
        String at = "block_chunks.0.module.0.sa.";
        Value h = affine(torch.layerNorm(x, dim, null, null, eps), in.gss()[2], in.gss()[4]); // (L, C)
        Value qkv = torch.reshape(torch.linear(h, w(at + "mat_qkv.weight"), in.qkvBias()), length, 3, heads, d);
        Value q = torch.mul(torch.rmsNorm(torch.select(qkv, 1, 0), d, null, 1e-26), in.headScales());
        Value k = torch.rmsNorm(torch.select(qkv, 1, 1), d, null, 1e-26); // (L, heads, d)
        return new Value[] {
            rope(q, length, heads, d, in.turns()), rope(k, length, heads, d, in.turns()), torch.select(qkv, 1, 2)
        };
    }

    /// A block.
    ///
    /// @param x `(L, C)`
    /// @param kept keys and values of earlier scales, or null
    /// @param mask `(L, kept + L)`, added to the scores, or null
    /// @param lora down and up of fc1 and of fc2, or null
    /// @param loraScale factor of what they add
    Value infinity(
            Value x,
            InfinityInput in,
            @Nullable Kept kept,
            @Nullable Value mask,
            Value @Nullable [] lora,
            @Nullable Value loraScale,
            int length,
            int dim,
            int heads,
            double eps) {
        int d = dim / heads;
        String at = "block_chunks.0.module.0.";
        Value[] qkv = infinityQkv(x, in, length, dim, heads, eps);
        Value k = kept == null ? qkv[1] : torch.cat(0, kept.k(), qkv[1]); // (kept + L, heads, d)
        Value v = kept == null ? qkv[2] : torch.cat(0, kept.v(), qkv[2]); // (kept + L, heads, d)
        Value attended = attend(qkv[0], k, v, mask, false, 1.0 / d, length, dim); // (L, C)
        Value y = torch.linear(attended, w(at + "sa.proj.weight"), w(at + "sa.proj.bias")); // (L, C)
        Value afterSelf = torch.add(x, torch.mul(y, in.gss()[0])); // (L, C)

        Value n = torch.layerNorm(afterSelf, dim, w(at + "ca_norm.weight"), w(at + "ca_norm.bias"), eps); // (L, C)
        Value q = torch.reshape(torch.linear(n, w(at + "ca.mat_q.weight"), w(at + "ca.mat_q.bias")), length, heads, d);
        Value seen = attend(q, in.textKeys(), in.textValues(), null, false, 1 / Math.sqrt(d), length, dim); // (L, C)
        Value afterText =
                torch.add(afterSelf, torch.linear(seen, w(at + "ca.proj.weight"), w(at + "ca.proj.bias"))); // (L, C)

        Value h = affine(torch.layerNorm(afterText, dim, null, null, eps), in.gss()[3], in.gss()[5]); // (L, C)
        Value inner = torch.geluTanh(adapted(h, at + "ffn.fc1", lora, 0, loraScale)); // (L, hidden)
        Value z = adapted(inner, at + "ffn.fc2", lora, 2, loraScale); // (L, C)
        return torch.add(afterText, torch.mul(z, in.gss()[1]));
    }

    private Value adapted(Value x, String layer, Value @Nullable [] lora, int first, @Nullable Value loraScale) {
        Value y = torch.linear(x, w(layer + ".weight"), w(layer + ".bias"));
        if (lora == null || loraScale == null) {
            return y;
        }
        Value low = torch.linear(torch.linear(x, lora[first], null), lora[first + 1], null);
        return torch.add(y, torch.mul(low, loraScale));
    }

    /// Keys and values of the text for cross-attention.
    ///
    /// @param text `(N, C)`
    /// @param bias `(2 C)`
    Kept infinityText(Value text, Value bias, int tokens, int dim, int heads) {
        Value kv = torch.reshape(
                torch.linear(text, w("block_chunks.0.module.0.ca.mat_kv.weight"), bias), tokens, 2, heads, dim / heads);
        return new Kept(torch.select(kv, 1, 0), torch.select(kv, 1, 1));
    }

    /// Scores of the bits.
    ///
    /// @param scale `(1, C)`, 1 added
    /// @param shift `(1, C)`
    Value infinityHead(Value hidden, Value scale, Value shift, int dim, double eps) {
        Value h = affine(torch.layerNorm(hidden, dim, null, null, eps), scale, shift);
        return torch.linear(h, w("head.weight"), w("head.bias"));
    }
}
