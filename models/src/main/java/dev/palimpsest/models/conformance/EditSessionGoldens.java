package dev.palimpsest.models.conformance;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.editinfinity.AttentionMap;
import dev.palimpsest.models.editinfinity.InversionTrainer;
import dev.palimpsest.models.editinfinity.LearnedPrompt;
import dev.palimpsest.models.editinfinity.Mask;
import dev.palimpsest.models.editinfinity.Smoothing;
import dev.palimpsest.models.editinfinity.SourceCodes;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.BsqVae;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.Pictures;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.T5Encoder;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Golden files about whole runs of EditInfinity, from a picture to the edited one: `editinfinity.session`.
public final class EditSessionGoldens implements GoldenEvaluator {
    private static final String IMAGE = "out.edit.image_u8";

    /// The evaluator.
    public EditSessionGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("editinfinity.session");
    }

    @Override
    public Tolerance tolerance(GoldenFile file, String key, boolean floating) {
        return key.startsWith(IMAGE) ? Tolerance.PICTURE : GoldenEvaluator.super.tolerance(file, key, floating);
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        JsonObject config = file.config();
        Map<String, Tensor> out = new LinkedHashMap<>();
        Checkpoint weights = file.weightCheckpoint();
        BsqVae vae = file.attached(BsqVae.load(weights.under("vae")));
        T5Encoder encoder = file.attachedWithoutCopies(T5Encoder.load(weights.under("t5"), config.object("t5")));
        InfinityTransformer model =
                file.attached(EditInfinityGoldens.transformer(WeightTree.of(weights.under("infinity"))));
        PictureLayout layout = PictureLayout.of(EditInfinityGoldens.schedule(config, "schedule_thw"), 1);
        ScaleSchedule schedule = layout.schedule();

        // the picture, for learning and for its codes
        RgbImage image = RgbImage.of(file.input("image_u8"));
        int side = config.int32("image_hw");
        Tensor pixels = Pictures.covering(image, side, side).unsqueeze(0); // (1, 3, side, side)
        out.put("out.x_train", thinned(pixels, file.expectedShape("out.x_train").dim(-1)));
        Tensor features = vae.encode(pixels); // (1, channels, H, W)
        out.put("out.raw_features", features);
        Tensor stretched = Pictures.stretched(image, side, side).unsqueeze(0); // (1, 3, side, side)
        MultiScaleBsq.Quantised quantised = vae.quantiser().quantise(vae.encode(stretched), schedule);
        SourceCodes source = SourceCodes.of(vae.quantiser(), quantised.bits(), schedule.last());
        for (int k = 0; k < schedule.size(); k++) {
            out.put("out.source_bits_" + k, quantised.bits().get(k));
            out.put("out.each_scale_code_" + k, source.codes().get(k));
        }

        // the texts
        Map<String, TextFeatures> texts = new HashMap<>();
        for (String input : file.inputs()) {
            if (input.startsWith("ids.")) {
                String name = input.substring("ids.".length());
                TextFeatures text = encoder.encode(List.of(TextGoldens.ints(file.input(input))), new Cancellation());
                texts.put(name, text);
                out.put("out.kv." + name, text.rows());
            }
        }

        // where the model looks, before it has learned anything
        JsonObject attention = config.object("attention");
        int[] span = attention.int32s("span");
        TextFeatures looking = text(texts, attention.text("prompt"));
        AttentionMap map = new AttentionMap(layout, looking.rows().dim(0), span[0], span[1]);
        JsonObject edit = config.object("edit");
        Observer.observing(
                map,
                () -> EditInfinityGoldens.generate(
                        model,
                        EditInfinityGoldens.request(edit, layout, looking, source.replacing()),
                        "attention.",
                        new HashMap<>()));
        out.put("out.attention_map64", map.mean());
        Mask mask = Mask.above(map.mean(), attention.number("threshold"));
        out.put("out.mask64", mask.toGrey());
        int grid = config.int32("final_grid");
        Tensor kept = Smoothing.ORIGINAL.weights(mask, grid, grid); // (H, W)
        out.put("out.weight" + grid, kept);

        // learning
        InversionTrainer trainer =
                new InversionTrainer(model, layout, features, BiasMode.EDITINFINITY, new TorchCpuRandom(0));
        LearnedPrompt prompt = LearnedPrompt.create(model.config().textChannels());
        TextFeatures described = text(texts, "ids.source_ins");
        JsonObject first = config.object("stage1");
        try (var journal = new EditInfinityGoldens.Journal("s1", "grad_norms", prompt, out)) {
            trainer.learnPrompt(
                    prompt,
                    described,
                    first.int32("steps"),
                    EditInfinityGoldens.settings(first, false),
                    journal,
                    new Cancellation());
        }
        JsonObject second = config.object("stage2");
        Lora lora = EditInfinityGoldens.adapters(file, "lora0", model, second);
        try (var journal = new EditInfinityGoldens.Journal("s2", "lora_grad_norms", lora, out)) {
            trainer.learnAdapters(
                    lora,
                    prompt.appendedTo(described),
                    second.int32("steps"),
                    EditInfinityGoldens.settings(second, true),
                    journal,
                    new Cancellation());
        }

        // editing
        TextFeatures target = prompt.appendedTo(text(texts, edit.text("prompt")));
        Tensor latent = EditInfinityGoldens.generate(
                model, EditInfinityGoldens.request(edit, layout, target, source.blending(kept)), "out.edit.", out);
        for (String key : file.expected()) {
            if (key.startsWith(IMAGE)) {
                out.put(key, PictureGoldens.bytes(vae.decode(latent), key.endsWith("_bgr")));
            }
        }
        return out;
    }

    /// The text that a config calls `ids.<name>`, whatever it says behind it.
    private static TextFeatures text(Map<String, TextFeatures> texts, String reference) {
        String name = reference.replaceFirst("^ids\\.(\\w+).*$", "$1");
        TextFeatures text = texts.get(name);
        if (text == null) {
            throw new IllegalArgumentException(
                    "golden session: there is no text " + reference + ", only " + texts.keySet());
        }
        return text;
    }

    /// The first pixel of every block, so many to each side.
    ///
    /// @param x `(B, C, H, W)`
    private static Tensor thinned(Tensor x, int side) {
        return x.reshape(x.dim(0), x.dim(1), side, x.dim(2) / side, side, x.dim(3) / side)
                .select(5, 0)
                .select(3, 0);
    }
}
