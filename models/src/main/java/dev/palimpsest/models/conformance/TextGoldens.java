package dev.palimpsest.models.conformance;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.models.vincie.PromptFusion;
import dev.palimpsest.models.vincie.QwenConfig;
import dev.palimpsest.models.vincie.QwenEncoder;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Embedding;
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

/// The text side of VINCIE: `vincie.text_encoder`, `vincie.session_text`.
public final class TextGoldens implements GoldenEvaluator {
    private static final Pattern LAYER = Pattern.compile("transformer\\.h\\.(\\d+)");

    /// An evaluator.
    public TextGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("vincie.text_encoder", "vincie.session_text");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        return file.kind().equals("vincie.text_encoder") ? encoder(file) : session(file);
    }

    private static Map<String, Tensor> encoder(GoldenFile file) {
        WeightTree weights = file.weights();
        QwenConfig config = QwenConfig.from(weights, file.config());
        int end = file.config().int32("pad_token_id");
        QwenEncoder encoder = file.attachedWithoutCopies(new QwenEncoder(config, weights, end));
        weights.requireComplete();
        List<int[]> texts = split(file.input("token_ids_flat"), file.input("token_counts"));
        int firstLength = encoder.close(texts.getFirst()).length;

        Map<String, Tensor> out = new HashMap<>();
        Scope scope = Scope.current();
        Observer firstText = (path, value) -> {
            Matcher layer = LAYER.matcher(path);
            if (layer.matches()) {
                out.put(
                        "out.layer" + layer.group(1) + "_prompt0",
                        scope.keep(value).slice(0, 0, firstLength));
            }
            return value;
        };
        QwenEncoder.Encoded encoded = Observer.observing(firstText, () -> encoder.encode(texts, new Cancellation()));
        out.put("out.embeddings", encoded.embeddings());
        out.put("out.text_shapes", column(encoded.lengths()));
        padded(out, encoder, texts, config.maxLength(), end);
        return out;
    }

    /// The rectangular form that upstream feeds its encoder.
    private static void padded(Map<String, Tensor> out, QwenEncoder encoder, List<int[]> texts, int width, int pad) {
        long[] ids = new long[texts.size() * width];
        long[] mask = new long[ids.length];
        Arrays.fill(ids, pad);
        for (int i = 0; i < texts.size(); i++) {
            int[] closed = encoder.close(texts.get(i));
            for (int j = 0; j < closed.length; j++) {
                ids[i * width + j] = closed[j];
                mask[i * width + j] = 1;
            }
        }
        out.put("out.input_ids", Tensor.of(ids, texts.size(), width));
        out.put("out.attention_mask", Tensor.of(mask, texts.size(), width));
    }

    private static Map<String, Tensor> session(GoldenFile file) {
        PromptFusion fusion = PromptFusion.of(file.config().text("fusion_strategy"));
        Tensor states = file.input("text_embeds"); // (sum of lengths, width)
        WeightTree weights = file.weights();
        WeightTree table = weights.at("prompt_id_embedding").at("embedding");
        Embedding ids = Layers.embedding(table, file.config().int32("max_num_prompts"), states.dim(1));
        weights.requireComplete();
        int[] lengths = ints(file.input("text_shapes"));
        List<Tensor> sessions = new ArrayList<>();
        List<Tensor> flat = new ArrayList<>();
        int text = 0;
        int row = 0;
        for (int prompts : ints(file.input("prompts_per_session"))) {
            int[] own = Arrays.copyOfRange(lengths, text, text + prompts);
            int rows = Arrays.stream(own).sum();
            sessions.add(fusion.fuse(states.slice(0, row, row + rows), own, ids));
            for (int length : own) {
                flat.add(fusion.fuse(states.slice(0, row, row + length), new int[] {length}, ids));
                row += length;
            }
            text += prompts;
        }
        return Map.of(
                "out.session_embeds", Tensor.concat(sessions, 0),
                "out.session_shapes", rowCounts(sessions),
                "out.flat_embeds", Tensor.concat(flat, 0),
                "out.flat_shapes", rowCounts(flat));
    }

    /// Texts that lie behind each other, as lists of token ids.
    static List<int[]> split(Tensor flat, Tensor counts) {
        int[] ids = ints(flat);
        List<int[]> texts = new ArrayList<>();
        int at = 0;
        for (int count : ints(counts)) {
            texts.add(Arrays.copyOfRange(ids, at, at + count));
            at += count;
        }
        return texts;
    }

    private static Tensor rowCounts(List<Tensor> tensors) {
        return column(tensors.stream().mapToInt(t -> t.dim(0)).toArray());
    }

    private static Tensor column(int[] values) {
        return Tensor.of(Arrays.stream(values).asLongStream().toArray(), values.length, 1);
    }

    static int[] ints(Tensor t) {
        return Arrays.stream(t.toLongArray()).mapToInt(Math::toIntExact).toArray();
    }
}
