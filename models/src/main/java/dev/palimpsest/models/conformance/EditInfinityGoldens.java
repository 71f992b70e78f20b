package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.editinfinity.AttentionMap;
import dev.palimpsest.models.editinfinity.BitLoss;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Flips;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Lesson;
import dev.palimpsest.models.editinfinity.InversionTrainer;
import dev.palimpsest.models.editinfinity.LearnedPrompt;
import dev.palimpsest.models.editinfinity.LearningSettings;
import dev.palimpsest.models.editinfinity.Mask;
import dev.palimpsest.models.editinfinity.Smoothing;
import dev.palimpsest.models.editinfinity.SourceCodes;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.BitSampling;
import dev.palimpsest.models.infinity.GenerationRequest;
import dev.palimpsest.models.infinity.InfinityConfig;
import dev.palimpsest.models.infinity.InfinityGenerator;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.optim.AdamW;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Golden files about the parts of EditInfinity: masks, lessons, the loss, learning and editing.
public final class EditInfinityGoldens implements GoldenEvaluator {
    private static final Pattern LEARNED_BEFORE = Pattern.compile("out\\.\\S+\\.embedding");
    private static final Pattern BLOCKS = Pattern.compile("out\\.(.+)\\.blocks(\\d+)");

    /// The evaluator.
    public EditInfinityGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of(
                "editinfinity.smoothing",
                "editinfinity.self_correction",
                "editinfinity.loss",
                "editinfinity.training",
                "editinfinity.inference");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        return switch (file.kind()) {
            case "editinfinity.smoothing" -> smoothing(file);
            case "editinfinity.self_correction" -> selfCorrection(file);
            case "editinfinity.loss" -> loss(file);
            case "editinfinity.training" -> training(file);
            case "editinfinity.inference" -> inference(file);
            default -> throw new IllegalArgumentException("no golden of EditInfinity has the kind " + file.kind());
        };
    }

    /// A list of scales `[[1, h, w], ...]`.
    static ScaleSchedule schedule(JsonObject config, String name) {
        List<Scale> scales = new ArrayList<>();
        for (Object entry : config.list(name)) {
            if (!(entry instanceof List<?> thw)
                    || thw.size() != 3
                    || !(thw.get(1) instanceof Long h)
                    || !(thw.get(2) instanceof Long w)) {
                throw new IllegalArgumentException(config.origin() + ": " + entry + " is no scale (t, h, w)");
            }
            scales.add(new Scale(Math.toIntExact(h), Math.toIntExact(w)));
        }
        return new ScaleSchedule(scales);
    }

    // ---- masks

    private static Map<String, Tensor> smoothing(GoldenFile file) {
        Map<String, Tensor> out = new LinkedHashMap<>();
        for (String name : file.config().names()) {
            Mask mask = Mask.ofGrey(file.input(name + ".mask"));
            String key = "out." + name + ".weight";
            int rows = file.expectedShape(key).dim(0);
            int columns = file.expectedShape(key).dim(1);
            out.put(key, Smoothing.ORIGINAL.weights(mask, rows, columns));
        }
        for (String key : file.expected()) {
            Matcher blocks = BLOCKS.matcher(key);
            if (blocks.matches()) {
                int n = Integer.parseInt(blocks.group(2));
                Mask mask = Mask.ofGrey(file.input(blocks.group(1) + ".mask"));
                out.put(key, mask.blocks(n, n).toTensor());
            }
        }
        return out;
    }

    // ---- lessons

    private static Map<String, Tensor> selfCorrection(GoldenFile file) {
        Map<String, Tensor> out = new LinkedHashMap<>();
        for (String name : file.config().names()) {
            JsonObject run = file.config().object(name);
            MultiScaleBsq quantiser = new MultiScaleBsq(run.int32("d"));
            Flips stored = (scale, bits) -> {
                String mask = name + ".flip_mask_" + scale;
                return file.hasInput(mask) ? file.input(mask) : null;
            };
            Lesson lesson = new BitwiseSelfCorrection(quantiser, run.int32("patchify") == 0 ? 1 : 2)
                    .lesson(file.input(name + ".raw_features"), schedule(run, "schedule_thw"), stored);
            out.put("out." + name + ".x_BLC_wo_prefix", lesson.inputs());
            out.put("out." + name + ".gt_bits", lesson.bits());
        }
        return out;
    }

    // ---- the loss

    private static Map<String, Tensor> loss(GoldenFile file) {
        Map<String, Tensor> out = new LinkedHashMap<>();
        ScaleSchedule all = schedule(file.config(), "schedule_thw");
        JsonObject runs = file.config().object("runs");
        for (String name : runs.names()) {
            JsonObject run = runs.object(name);
            BitLoss loss = new BitLoss(
                    run.bool("reweight_loss_by_scale"),
                    run.text("bitloss_type", "mean").equals("sum"),
                    run.bool("use_kl_loss", false) ? run.number("kl_weight") : 0);
            ScaleSchedule trained = all.first(Math.min(all.size(), run.int32("always_training_scales", all.size())));
            Tensor logits = file.input("logits").to(DType.F32); // (B, L, 2 d)
            String gradient = "grad." + name + ".logits";
            try (Tape tape = new Tape()) {
                tape.watch(logits);
                Tensor value = tape.record(() -> loss.of(logits, file.input("gt_bits"), trained));
                out.put("out." + name + ".loss", value.copy());
                Tensor by = tape.backward(value).of(logits);
                // The file may hold that of the first samples only.
                int samples =
                        file.expects(gradient) ? file.expectedShape(gradient).dim(0) : by.dim(0);
                out.put(gradient, by.slice(0, 0, samples));
            }
        }
        return out;
    }

    // ---- learning

    /// Several runs: those whose config has a rank teach adapters, after the prompt that an earlier run has learned;
    /// the others teach a prompt.
    private static Map<String, Tensor> training(GoldenFile file) {
        Map<String, Tensor> out = new LinkedHashMap<>();
        JsonObject config = file.config();
        PictureLayout layout = PictureLayout.of(schedule(config, "schedule_thw"), config.number("h_div_w_template", 1));
        TextFeatures text = new TextFeatures(file.input("kv_compact"), config.int32s("lens"));
        JsonObject runs = config.object("runs");
        for (String name : runs.names()) {
            JsonObject run = runs.object(name);
            InfinityTransformer model = file.attached(transformer(file.weights()));
            InversionTrainer trainer = new InversionTrainer(
                    model, layout, file.input("raw_features"), BiasMode.EDITINFINITY, new TorchCpuRandom(0));
            int updates = file.expectedShape("out." + name + ".losses").dim(0);
            LearningSettings settings = settings(run, run.has("r"));
            if (run.has("r")) {
                Matcher source = LEARNED_BEFORE.matcher(run.text("text"));
                if (!source.find()) {
                    throw new IllegalArgumentException(
                            run.origin() + ": names no learned prompt that follows the text");
                }
                Tensor learned = Objects.requireNonNull(out.get(source.group()), source.group());
                Lora lora = adapters(file, name, model, run);
                TextFeatures longer = new LearnedPrompt(learned).appendedTo(text);
                try (Journal journal = new Journal(name, "lora_grad_norms", lora, out)) {
                    trainer.learnAdapters(lora, longer, updates, settings, journal, new Cancellation());
                }
            } else {
                String start = name + (file.hasInput(name + ".embedding0_full") ? ".embedding0_full" : ".embedding0");
                LearnedPrompt prompt = new LearnedPrompt(file.input(start).copy());
                try (Journal journal = new Journal(name, "grad_norms", prompt, out)) {
                    trainer.learnPrompt(prompt, text, updates, settings, journal, new Cancellation());
                }
                out.put("out." + name + ".step" + updates + ".embedding_full", prompt.embedding());
            }
        }
        // The files hold the rows of prompts that count, apart from the last state of one.
        out.replaceAll((key, value) -> key.endsWith(".embedding") && value.dim(1) > LearnedPrompt.USED
                ? value.slice(1, 0, LearnedPrompt.USED)
                : value);
        return out;
    }

    static LearningSettings settings(JsonObject run, boolean adapters) {
        double[] betas = run.numbers("betas");
        return (adapters ? LearningSettings.ADAPTERS : LearningSettings.PROMPT)
                .withoutRandomness()
                .withLoss(BitLoss.PROMPT.withKlWeight(run.number("kl_weight", 0)))
                .withRate(run.number("lr"))
                .withClipNorm(run.number("clip_norm", run.number("clip", 0)))
                .withOptimiser(
                        new AdamW.Settings(betas[0], betas[1], run.number("eps", 1e-8), run.number("weight_decay")));
    }

    static Lora adapters(GoldenFile file, String name, Module model, JsonObject run) {
        Map<String, Tensor> start = new LinkedHashMap<>();
        for (String input : file.inputs()) {
            if (input.startsWith(name + ".") && (input.endsWith(Lora.DOWN) || input.endsWith(Lora.UP))) {
                start.put(input.substring(name.length() + 1), file.input(input));
            }
        }
        return Lora.of(model, new Lora.Settings(run.int32("r"), run.number("alpha"), 0), start)
                .attach();
    }

    static InfinityTransformer transformer(WeightTree weights) {
        InfinityConfig config = InfinityConfig.of(weights, JsonObject.empty("settings"));
        InfinityTransformer model = new InfinityTransformer(weights, config);
        weights.requireComplete();
        return model;
    }

    // ---- editing

    private static Map<String, Tensor> inference(GoldenFile file) {
        JsonObject config = file.config();
        InfinityTransformer model = file.attached(transformer(file.weights()));
        PictureLayout layout = PictureLayout.of(schedule(config, "schedule_thw"), config.number("h_div_w_template", 1));
        List<Tensor> bits = new ArrayList<>();
        for (int k = 0; k < layout.schedule().size(); k++) {
            bits.add(file.input("source_bits_" + k));
        }
        MultiScaleBsq quantiser = new MultiScaleBsq(model.config().latentChannels());
        SourceCodes source = SourceCodes.of(quantiser, bits, layout.schedule().last());
        Map<String, Tensor> out = new LinkedHashMap<>();
        for (int k = 0; k < bits.size(); k++) {
            out.put("out.each_scale_code_" + k, source.codes().get(k));
        }

        TextFeatures looking = oneText(file.input("f1.kv_compact"));
        JsonObject attention = config.object("f1");
        int[] span = attention.int32s("token_span");
        AttentionMap map = new AttentionMap(layout, looking.rows().dim(0), span[0], span[1]);
        Observer.observing(
                map, () -> generate(model, request(config, layout, looking, source.replacing()), "out.f1.", out));
        int last = model.config().blockChunks() - 1;
        out.put(
                "out.f1.last_block_map_sum",
                map.sum("block_chunks." + last + ".module." + (model.config().blocksInChunk() - 1)));
        out.put("out.f1.final_attention_map", map.mean());
        Mask mask = Mask.above(map.mean(), attention.number("threshold"));
        out.put("out.f1.mask01", mask.toGrey());
        int[] plot = attention.int32s("plotted_png_size");
        out.put("out.f1.weight64_from_mask01", Smoothing.ORIGINAL.weights(mask, mask.height(), mask.width()));
        out.put(
                "out.f1.weight64_via_plotted_png",
                Smoothing.ORIGINAL.weights(mask.resized(plot[0], plot[1]), mask.height(), mask.width()));

        String weights = file.inputs().stream()
                .filter(name -> name.startsWith("weight"))
                .findFirst()
                .orElseThrow();
        TextFeatures target = oneText(file.input("f2.kv_compact"));
        generate(model, request(config, layout, target, source.blending(file.input(weights))), "out.f2.", out);
        return out;
    }

    private static TextFeatures oneText(Tensor rows) {
        return new TextFeatures(rows, new int[] {rows.dim(0)});
    }

    static GenerationRequest request(
            JsonObject config, PictureLayout layout, TextFeatures text, GenerationRequest.Steering steering) {
        BitSampling sampling = BitSampling.defaults()
                .withGuidance(config.number("cfg"))
                .withTemperature(config.number("tau"))
                .withTopK(config.int32("top_k"));
        return GenerationRequest.of(text, layout, EditInfinityGoldens::likelier)
                .withBiases(BiasMode.EDITINFINITY)
                .withSampling(sampling)
                .withSteering(steering);
    }

    /// The likelier value of every bit; where the sampling leaves one value only, there is nothing to draw.
    private static int[] likelier(int scale, float[] probabilities) {
        int[] bits = new int[probabilities.length / 2];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = probabilities[2 * i + 1] > probabilities[2 * i] ? 1 : 0;
        }
        return bits;
    }

    static Tensor generate(InfinityTransformer model, GenerationRequest request, String key, Map<String, Tensor> out) {
        Scope scope = Scope.current();
        Tensor sum = new InfinityGenerator(model).generate(request.withListener(step -> {
            out.put(key + "logits_" + step.scale(), scope.keep(step.scores()));
            out.put(key + "bits_" + step.scale(), scope.keep(step.drawn()));
            Tensor next = step.nextInput();
            if (next != null) {
                out.put(key + "next_input_" + step.scale(), scope.keep(next));
            }
        }));
        out.put(key + "summed_codes", sum);
        return sum;
    }

    /// Writes down what every update does.
    static final class Journal implements InversionTrainer.Listener, AutoCloseable {
        private final String run;
        private final String norms;
        private final Map<String, Tensor> learned;
        private final Map<String, Tensor> out;
        private final Scope scope = Scope.current();
        private final List<Float> losses = new ArrayList<>();
        private final List<Float> gradientNorms = new ArrayList<>();

        /// A journal of a prompt.
        Journal(String run, String norms, LearnedPrompt prompt, Map<String, Tensor> out) {
            this(run, norms, Map.of("embedding", prompt.embedding()), out);
        }

        /// A journal of adapters.
        Journal(String run, String norms, Lora lora, Map<String, Tensor> out) {
            this(run, norms, new LinkedHashMap<>(), out);
            lora.parameters().forEach((path, p) -> learned.put(path, p.value()));
        }

        private Journal(String run, String norms, Map<String, Tensor> learned, Map<String, Tensor> out) {
            this.run = run;
            this.norms = norms;
            this.learned = learned;
            this.out = out;
        }

        @Override
        public void differentiated(int update, Gradients gradients) {
            learned.forEach((name, value) -> out.put(
                    "grad." + run + ".step" + update + "." + name,
                    scope.keep(gradients.of(value).copy())));
        }

        @Override
        public void updated(int update, double loss, double gradientNorm) {
            learned.forEach(
                    (name, value) -> out.put("out." + run + ".step" + update + "." + name, scope.keep(value.copy())));
            losses.add((float) loss);
            gradientNorms.add((float) gradientNorm);
        }

        /// Adds what was listed on the way.
        @Override
        public void close() {
            out.put("out." + run + ".losses", list(losses));
            out.put("out." + run + "." + norms, list(gradientNorms));
        }

        private static Tensor list(List<Float> values) {
            return Tensor.stack(values.stream().map(Tensor::scalar).toList(), 0);
        }
    }
}
