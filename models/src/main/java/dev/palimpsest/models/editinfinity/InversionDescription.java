package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.nn.Lora;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.PrettyPrinter;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.util.DefaultPrettyPrinter;

/// What an inversion is made of: model, picture, prompt and everything in its options that decides what is learned.
/// Two inversions with the same description learn the same.
///
/// @param fields name to text, number or truth value, in the order in which they are written
record InversionDescription(Map<String, Object> fields) {
    private static final JsonFactory FACTORY = new JsonFactory();

    private static final long FORMAT = 1;
    private static final String RANDOM = "random";

    /// Keeps the order.
    InversionDescription {
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
    }

    /// Describes an inversion that is to be made.
    ///
    /// @param model fingerprint of the model
    static InversionDescription of(String model, RgbImage picture, String prompt, InvertOptions options) {
        Map<String, Object> f = new LinkedHashMap<>();
        f.put("format", FORMAT);
        f.put("model", model);
        f.put("picture", Fingerprints.of(picture));
        f.put("prompt", prompt);
        f.put("instruction", options.instruction());
        f.put("learned_rows", (long) options.learnedRows());
        f.put("caption_cut_at_dashes", options.caption().cutsAtDashes());
        f.put("caption_drops_sentences", options.caption().dropsSentences());
        f.put("seed", options.seed());
        f.put("noise", options.noise().name());
        f.put("pn", options.size().label());
        f.put("h_div_w", options.heightToWidth());
        f.put("text_bias_mode", options.biases().label());
        putStage(f, "prompt_", options.promptUpdates(), options.prompt());
        putStage(f, "lora_", options.adapterUpdates(), options.adapters());
        f.put("lora_r", (long) options.lora().rank());
        f.put("lora_alpha", options.lora().alpha());
        f.put("lora_dropout", options.lora().dropout());
        Path start = options.adapterStart();
        f.put("lora_start", start == null ? RANDOM : Fingerprints.of(start));
        return new InversionDescription(f);
    }

    /// This description with one more field, whose value tells apart what the other fields do not.
    InversionDescription with(String name, String value) {
        Map<String, Object> more = new LinkedHashMap<>(fields);
        more.put(name, value);
        return new InversionDescription(more);
    }

    private static void putStage(Map<String, Object> f, String stage, int updates, LearningSettings settings) {
        f.put(stage + "updates", (long) updates);
        f.put(stage + "lr", settings.rate());
        f.put(stage + "beta1", settings.optimiser().beta1());
        f.put(stage + "beta2", settings.optimiser().beta2());
        f.put(stage + "eps", settings.optimiser().eps());
        f.put(stage + "weight_decay", settings.optimiser().weightDecay());
        f.put(stage + "clip_norm", settings.clipNorm());
        f.put(stage + "reweight_loss_by_scale", settings.loss().scaleWeights());
        f.put(stage + "bitloss_type", settings.loss().summed() ? "sum" : "mean");
        f.put(stage + "kl_weight", settings.loss().klWeight());
        f.put(stage + "noise_apply_strength", settings.flips());
        f.put(stage + "noise_apply_layers", (long) settings.flippedScales());
        f.put(stage + "cond_drop_rate", settings.textDropout());
        f.put(stage + "drop_path", settings.dropPath());
    }

    /// Reads a description; what [#of] writes must be there and of the right type.
    ///
    /// @throws dev.palimpsest.models.json.JsonException if it is damaged
    /// @throws IllegalArgumentException if it is of another format, or a value makes no sense
    static InversionDescription read(JsonObject json) {
        if (json.integer("format") != FORMAT) {
            throw new IllegalArgumentException(json.origin() + ": is an inversion of format " + json.integer("format")
                    + ", but this version knows only format " + FORMAT);
        }
        Map<String, Object> fields = new LinkedHashMap<>();
        for (String name : json.names()) {
            Object value = Objects.requireNonNull(json.value(name));
            if (value instanceof String || value instanceof Number || value instanceof Boolean) {
                fields.put(name, value);
            } else {
                throw new IllegalArgumentException(json.origin() + ": \"" + name + "\" is neither text nor number");
            }
        }
        InversionDescription description = new InversionDescription(fields);
        // What opening needs is read here, so that a damaged file is refused by name.
        json.text("model");
        json.text("picture");
        json.text("prompt");
        json.text("instruction");
        int rows = json.int32("learned_rows");
        if (rows < 1) {
            throw new IllegalArgumentException(json.origin() + ": \"learned_rows\" is " + rows + ", below 1");
        }
        json.bool("caption_cut_at_dashes");
        PictureSize.of(json.text("pn"));
        PictureLayout.of(json.number("h_div_w"), PictureSize.P_1M);
        BiasMode.of(json.text("text_bias_mode"));
        json.int32("prompt_updates");
        json.int32("lora_updates");
        description.lora(json);
        return description;
    }

    private Lora.Settings lora(JsonObject json) {
        return new Lora.Settings(json.int32("lora_r"), json.number("lora_alpha"), json.number("lora_dropout"));
    }

    /// As JSON, which [#read] reads.
    String toJson() {
        StringWriter text = new StringWriter();
        try (JsonGenerator out = FACTORY.createGenerator(new OneFieldPerLine(), text)) {
            out.writeStartObject();
            fields.forEach((name, value) -> {
                out.writeName(name);
                switch (value) {
                    case String s -> out.writeString(s);
                    case Long n -> out.writeNumber(n);
                    case Double d -> out.writeNumber(d);
                    case Boolean b -> out.writeBoolean(b);
                    default -> throw new IllegalStateException(name + " is " + value);
                }
            });
            out.writeEndObject();
        }
        return text + "\n";
    }

    /// For people who look into the file.
    private static final class OneFieldPerLine extends ObjectWriteContext.Base {
        @Override
        public PrettyPrinter getPrettyPrinter() {
            return new DefaultPrettyPrinter();
        }
    }

    /// In which field another description differs from this one, with both values, if in any.
    Optional<String> difference(InversionDescription other) {
        for (Map.Entry<String, Object> field : fields.entrySet()) {
            Object value = other.fields.get(field.getKey());
            if (!isSame(field.getValue(), value)) {
                return Optional.of(
                        switch (field.getKey()) {
                            case "model" -> "another model";
                            case "picture" -> "another picture";
                            case "lora_start" -> "another start of the adapters";
                            default -> field.getKey() + " " + field.getValue() + " instead of " + value;
                        });
            }
        }
        return other.fields.keySet().stream()
                .filter(name -> !fields.containsKey(name))
                .findFirst()
                .map(name -> "no " + name + " instead of " + other.fields.get(name));
    }

    private static boolean isSame(Object a, @Nullable Object b) {
        if (a instanceof Number x && b instanceof Number y) {
            return x.doubleValue() == y.doubleValue() && x.longValue() == y.longValue();
        }
        return a.equals(b);
    }

    private String text(String name) {
        return (String) Objects.requireNonNull(fields.get(name), name);
    }

    private Number number(String name) {
        return (Number) Objects.requireNonNull(fields.get(name), name);
    }

    String model() {
        return text("model");
    }

    String picture() {
        return text("picture");
    }

    String prompt() {
        return text("prompt");
    }

    String instruction() {
        return text("instruction");
    }

    int learnedRows() {
        return number("learned_rows").intValue();
    }

    int promptUpdates() {
        return number("prompt_updates").intValue();
    }

    int adapterUpdates() {
        return number("lora_updates").intValue();
    }

    Lora.Settings lora() {
        return new Lora.Settings(
                number("lora_r").intValue(),
                number("lora_alpha").doubleValue(),
                number("lora_dropout").doubleValue());
    }

    PictureSize size() {
        return PictureSize.of(text("pn"));
    }

    double heightToWidth() {
        return number("h_div_w").doubleValue();
    }

    PictureLayout layout() {
        return PictureLayout.of(heightToWidth(), size());
    }
}
