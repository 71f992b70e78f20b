package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.RmsNorm;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Golden files about single layers that several models share.
public final class LayerGoldens implements GoldenEvaluator {
    /// The evaluator.
    public LayerGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("nn.rms_norm", "attention.block_causal");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        return switch (file.kind()) {
            case "nn.rms_norm" -> rmsNorm(file);
            case "attention.block_causal" -> blockCausal(file);
            default -> throw new IllegalArgumentException("no layer golden has the kind " + file.kind());
        };
    }

    private static Map<String, Tensor> rmsNorm(GoldenFile file) {
        Tensor x = file.input("x"); // (..., width)
        WeightTree weights = file.weights();
        RmsNorm norm = Layers.rmsNorm(weights, x.dim(-1), (float) file.config().number("eps"));
        weights.requireComplete();
        return Map.of("out.y", norm.forward(x));
    }

    private static Map<String, Tensor> blockCausal(GoldenFile file) {
        Tensor q = file.input("q"); // (L, heads, headDim)
        Tensor k = file.input("k"); // (L, heads, headDim)
        Tensor v = file.input("v"); // (L, heads, headDim)
        int[][] blocks = blocks(file);
        float scale = scale(file.config(), q.dim(2));
        KeyRanges causal = KeyRanges.blockCausal(blocks);
        Tensor lse = Tensor.empty(DType.F32, q.shape().remove(2)); // (L, heads)
        int[] lengths =
                Arrays.stream(blocks).mapToInt(b -> Arrays.stream(b).sum()).toArray();
        return Map.of(
                "out.attn", Functional.attention(q, k, v, scale, causal, null, null, lse),
                "out.lse", lse,
                "out.incremental", incremental(q, k, v, scale, blocks),
                "out.attn_full", Functional.attention(q, k, v, scale, KeyRanges.packed(lengths, lengths)),
                "out.mask_sample0", mask(causal, lengths[0]));
    }

    /// Block lengths of each sample.
    private static int[][] blocks(GoldenFile file) {
        long[] lengths = file.input("block_lens").toLongArray();
        long[] counts = file.input("blocks_per_sample").toLongArray();
        int[][] blocks = new int[counts.length][];
        int at = 0;
        for (int s = 0; s < counts.length; s++) {
            int end = at + Math.toIntExact(counts[s]);
            blocks[s] =
                    Arrays.stream(lengths, at, end).mapToInt(Math::toIntExact).toArray();
            at = end;
        }
        return blocks;
    }

    private static float scale(JsonObject config, int headDim) {
        return config.value("scale") instanceof Number n ? n.floatValue() : (float) (1 / Math.sqrt(headDim));
    }

    /// Block after block, with the keys and values of the sample so far.
    private static Tensor incremental(Tensor q, Tensor k, Tensor v, float scale, int[][] blocks) {
        List<Tensor> out = new ArrayList<>();
        int at = 0;
        for (int[] sample : blocks) {
            int start = at;
            for (int length : sample) {
                int end = at + length;
                out.add(Functional.attention(
                        q.slice(0, at, end),
                        k.slice(0, start, end),
                        v.slice(0, start, end),
                        scale,
                        KeyRanges.full(length, end - start)));
                at = end;
            }
        }
        return Tensor.concat(out, 0); // (L, heads, headDim)
    }

    /// Which key (column) each query (row) of the first sample sees.
    private static Tensor mask(KeyRanges visible, int tokens) {
        int[] mask = new int[tokens * tokens];
        for (int i = 0; i < tokens; i++) {
            Arrays.fill(mask, i * tokens + visible.from(i), i * tokens + visible.to(i), 1);
        }
        return Tensor.of(mask, tokens, tokens).to(DType.BOOL);
    }
}
