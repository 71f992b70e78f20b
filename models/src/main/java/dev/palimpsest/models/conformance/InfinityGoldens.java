package dev.palimpsest.models.conformance;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.BitSampling;
import dev.palimpsest.models.infinity.GenerationRequest;
import dev.palimpsest.models.infinity.InfinityConfig;
import dev.palimpsest.models.infinity.InfinityGenerator;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.InfinityTransformer.TextCondition;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.Rope2d;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Golden files about Infinity's transformer: all scales at once, and scale by scale.
public final class InfinityGoldens implements GoldenEvaluator {
    /// The evaluator.
    public InfinityGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("infinity.forward", "infinity.autoregressive");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        return switch (file.kind()) {
            case "infinity.forward" -> forward(file);
            case "infinity.autoregressive" -> autoregressive(file);
            default -> throw new IllegalArgumentException("no golden of Infinity has the kind " + file.kind());
        };
    }

    /// A transformer's settings in the words of the files.
    private static InfinityConfig config(GoldenFile file, WeightTree weights) {
        JsonObject c = file.config();
        StringBuilder settings = new StringBuilder("{\"apply_spatial_patchify\": " + c.int32("patchify", 0));
        settings.append(", \"norm_eps\": ").append(c.number("norm_eps", 1e-6));
        for (String name : List.of("rope2d_normalized_by_hw", "add_lvl_embeding_only_first_block")) {
            if (c.has(name)) {
                settings.append(", \"").append(name).append("\": ").append(c.int32(name));
            }
        }
        return InfinityConfig.of(weights, JsonObject.parse(settings.append('}').toString(), c.origin()));
    }

    private static InfinityTransformer transformer(GoldenFile file) {
        WeightTree weights = file.weights();
        InfinityTransformer model = file.attached(new InfinityTransformer(weights, config(file, weights)));
        weights.requireComplete();
        return model;
    }

    private static InfinityTransformer transformer(GoldenFile file, InfinityConfig config) {
        return file.attached(new InfinityTransformer(file.weights(), config));
    }

    /// A list of scales `[[1, h, w], ...]`.
    private static ScaleSchedule schedule(JsonObject config, String name) {
        List<Scale> scales = new ArrayList<>();
        for (Object entry : config.list(name)) {
            List<?> thw = (List<?>) entry;
            scales.add(new Scale(((Number) thw.get(1)).intValue(), ((Number) thw.get(2)).intValue()));
        }
        return new ScaleSchedule(scales);
    }

    private static PictureLayout layout(JsonObject config, ScaleSchedule schedule) {
        return PictureLayout.of(schedule, config.number("h_div_w_template", 1));
    }

    private static Map<String, Tensor> forward(GoldenFile file) {
        JsonObject c = file.config();
        InfinityTransformer model = transformer(file);
        InfinityConfig config = model.config();
        PictureLayout layout = layout(c, schedule(c, "schedule_thw"));
        TextFeatures text = new TextFeatures(file.input("kv_compact"), c.int32s("text_lens"));
        Tensor x = file.input("x_BLC_wo_prefix"); // (B, L - 1, d)
        Map<String, Tensor> out = new LinkedHashMap<>();

        String last = "block_chunks." + (config.blockChunks() - 1) + ".module." + (config.blocksInChunk() - 1);
        Taps taps = new Taps(Set.of("text_norm", "block_chunks.0.module.0", last)::contains);
        TextCondition condition = Observer.observing(taps, () -> model.condition(text, BiasMode.EDITINFINITY));
        out.put("out.sos_cond_BD", condition.sos());
        out.put("out.text_proj_for_ca", condition.tokens());
        out.put("out.cond_gss", condition.gss());
        out.put("out.logits", Observer.observing(taps, () -> model.forward(x, condition, layout, new Cancellation())));
        put(out, taps, "text_norm", "out.text_normed");
        put(out, taps, "block_chunks.0.module.0", "out.hidden_after_block0");
        put(out, taps, last, "out.hidden_after_last_block");

        Rope2d.Rotation rotation = new Rope2d(config.ropeMode(), config.headDim())
                .rotation(layout, 0, layout.schedule().size(), 1);
        out.put("out.rope_cos", rotation.cos());
        out.put("out.rope_sin", rotation.sin());

        for (Rope2d.Mode mode : Rope2d.Mode.values()) {
            String key = "out.logits_rope" + mode.number();
            if (file.expects(key)) {
                InfinityTransformer variant = transformer(file, config.withRopeMode(mode));
                out.put(key, logits(variant, x, text, BiasMode.EDITINFINITY, layout));
            }
        }
        if (file.expects("out.logits_lvl_every_chunk")) {
            InfinityTransformer variant = transformer(file, config.withLevelEmbeddingOnce(false));
            out.put("out.logits_lvl_every_chunk", logits(variant, x, text, BiasMode.EDITINFINITY, layout));
        }
        if (file.expects("out.logits_original_infinity_with_qv_bias")) {
            out.put("out.logits_original_infinity_with_qv_bias", logits(model, x, text, BiasMode.ORIGINAL, layout));
        }
        if (file.expects("out.logits_cond_dropped")) {
            boolean[] every = new boolean[condition.samples()];
            Arrays.fill(every, true);
            TextFeatures none = model.dropping(text, every);
            out.put("out.logits_cond_dropped", logits(model, x, none, BiasMode.EDITINFINITY, layout));
        }
        out.put(
                "out.sos_original_infinity_with_v_bias",
                model.condition(text, BiasMode.ORIGINAL).sos());
        out.replaceAll((key, tensor) -> leading(file, key, tensor));
        return out;
    }

    private static Tensor logits(
            InfinityTransformer model, Tensor x, TextFeatures text, BiasMode biases, PictureLayout layout) {
        return Scope.run(() -> model.forward(x, model.condition(text, biases), layout, new Cancellation()));
    }

    /// Several runs with settings of their own, or a single one without a name.
    private static Map<String, Tensor> autoregressive(GoldenFile file) {
        InfinityTransformer model = transformer(file);
        Map<String, Tensor> out = new LinkedHashMap<>();
        if (file.config().has("runs")) {
            JsonObject runs = file.config().object("runs");
            for (String name : runs.names()) {
                run(file, model, runs.object(name), name + ".", out);
            }
        } else {
            run(file, model, file.config(), "", out);
        }
        return out;
    }

    private static void run(
            GoldenFile file, InfinityTransformer model, JsonObject run, String prefix, Map<String, Tensor> out) {
        JsonObject c = file.config();
        ScaleSchedule schedule = schedule(run.has("schedule_thw") ? run : c, "schedule_thw");
        List<Tensor> forced = new ArrayList<>();
        int leaked = Math.min(run.int32("gt_leak", 0), schedule.size());
        for (int k = 0; k < leaked; k++) {
            forced.add(file.input(prefix + "forced_bits_" + k));
        }
        TextFeatures negative = run.has("neg_lens")
                ? new TextFeatures(file.input(prefix + "neg_kv_compact"), run.int32s("neg_lens"))
                : null;
        BitSampling sampling = BitSampling.defaults()
                .withGuidance(numbers(run, "cfg"))
                .withTemperature(numbers(run, "tau"))
                .withGuidanceLayers(layers(run))
                .withTopK(run.int32("top_k", 0))
                .withTopP(run.number("top_p", 0));
        Scope outer = Scope.current();
        Tensor sum = new InfinityGenerator(model)
                .generate(GenerationRequest.of(
                                new TextFeatures(file.input(prefix + "kv_compact"), run.int32s("lens")),
                                layout(c, schedule),
                                (k, p) -> race(file, prefix + "exp_noise_" + k, p))
                        .withBiases(BiasMode.EDITINFINITY)
                        .withNegative(negative)
                        .withSampling(sampling)
                        .withForcedBits(forced)
                        .withListener(step -> {
                            String key = "out." + prefix;
                            out.put(key + "logits_" + step.scale(), outer.keep(step.scores()));
                            out.put(key + "probs_" + step.scale(), outer.keep(step.probabilities()));
                            out.put(key + "bits_" + step.scale(), outer.keep(step.drawn()));
                            if (step.nextInput() != null) {
                                out.put(key + "next_input_" + step.scale(), outer.keep(step.nextInput()));
                            }
                        }));
        out.put("out." + prefix + "summed_codes", sum);
    }

    /// An exponential race with stored numbers, or the likelier value if there are none.
    private static int[] race(GoldenFile file, String noise, float[] probabilities) {
        float[] race = file.hasInput(noise) ? file.input(noise).toFloatArray() : new float[0];
        int[] bits = new int[probabilities.length / 2];
        for (int i = 0; i < bits.length; i++) {
            float zero = probabilities[2 * i];
            float one = probabilities[2 * i + 1];
            if (race.length > 0) {
                zero /= race[2 * i];
                one /= race[2 * i + 1];
            }
            bits[i] = one > zero ? 1 : 0;
        }
        return bits;
    }

    private static List<Double> numbers(JsonObject run, String name) {
        return run.value(name) instanceof Number n
                ? List.of(n.doubleValue())
                : Arrays.stream(run.numbers(name)).boxed().toList();
    }

    private static List<Integer> layers(JsonObject run) {
        return run.has("cfg_insertion_layer")
                ? Arrays.stream(run.int32s("cfg_insertion_layer")).boxed().toList()
                : List.of(BitSampling.ON_SCORES);
    }

    private static void put(Map<String, Tensor> out, Taps taps, String path, String key) {
        Tensor seen = taps.tensors().get(path);
        if (seen != null) {
            out.put(key, seen);
        }
    }

    /// Files hold the first samples or the first tokens of some outputs only.
    private static Tensor leading(GoldenFile file, String key, Tensor tensor) {
        if (!file.expects(key) || file.expectedShape(key).rank() != tensor.rank()) {
            return tensor;
        }
        Tensor part = tensor;
        for (int axis = 0; axis < Math.min(2, tensor.rank() - 1); axis++) {
            int extent = file.expectedShape(key).dim(axis);
            if (extent < part.dim(axis)) {
                part = part.slice(axis, 0, extent);
            }
        }
        return part;
    }
}
