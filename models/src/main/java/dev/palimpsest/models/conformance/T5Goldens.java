package dev.palimpsest.models.conformance;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.infinity.T5Config;
import dev.palimpsest.models.infinity.T5Encoder;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The text side of Infinity: `infinity.t5_encoder`.
public final class T5Goldens implements GoldenEvaluator {
    private static final Pattern BLOCK = Pattern.compile("encoder\\.block\\.(\\d+)");

    /// An evaluator.
    public T5Goldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("infinity.t5_encoder");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        WeightTree weights = file.weights();
        T5Config config = T5Config.from(weights, file.config());
        T5Encoder encoder = file.attachedWithoutCopies(new T5Encoder(weights, config));
        weights.requireComplete();

        Tensor ids = file.input("input_ids"); // (B, L)
        int[] lengths = TextGoldens.ints(file.input("attention_mask").sum(1));
        List<int[]> texts = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            texts.add(Arrays.copyOf(TextGoldens.ints(ids.select(0, i)), lengths[i]));
        }
        Map<String, Tensor> out = new HashMap<>();
        Scope scope = Scope.current();
        Observer blocks = (path, value) -> {
            Matcher block = BLOCK.matcher(path);
            if (block.matches()) {
                Tensor kept = scope.keep(value); // (B L, width)
                out.put("out.hidden_after_block" + block.group(1), kept.reshape(ids.dim(0), ids.dim(1), -1));
            }
            return value;
        };
        out.put(
                "out.last_hidden_state",
                Observer.observing(blocks, () -> encoder.encodePadded(ids, lengths, new Cancellation())));
        TextFeatures features = encoder.encode(texts, new Cancellation());
        out.put("out.kv_compact", features.rows());
        out.put("out.cu_seqlens_k", Tensor.of(features.starts()));
        out.put("out.lens", Tensor.of(features.lengths()));
        if (file.hasInput("rel_pos")) {
            int[] buckets = Arrays.stream(TextGoldens.ints(file.input("rel_pos")))
                    .map(config::bucket)
                    .toArray();
            out.put("out.rel_pos_bucket", Tensor.of(buckets));
        }
        if (file.hasInput("gelu_new")) {
            out.put("out.gelu_new", file.input("gelu_new").geluTanh());
        }
        return out;
    }
}
