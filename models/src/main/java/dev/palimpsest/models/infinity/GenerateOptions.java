package dev.palimpsest.models.infinity;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.Noise;
import dev.palimpsest.models.api.Progress;
import dev.palimpsest.models.infinity.GenerationRequest.Step;
import dev.palimpsest.models.json.JsonException;
import dev.palimpsest.models.json.JsonObject;
import java.awt.image.BufferedImage;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// How Infinity makes pictures. Immutable; defaults are those of the original.
///
/// @param seed where random numbers start; the same seed gives the same picture
/// @param noise whose random numbers are drawn
/// @param size about how many pixels the picture has; the original has no default, here it is [PictureSize#P_1M]
/// @param heightToWidth height divided by width; the nearest of [ScaleSchedule#ratios] is taken
/// @param negativePrompt what the picture should not show; empty for nothing in particular. Matters only with guidance
/// @param sampling how bits are drawn and how strongly the prompt is followed
/// @param biases whether biases of queries and values are used; pictures from text want them
/// @param positivePrompt whether prompts about people get a wish for smooth faces behind them, see [PromptText]
/// @param previews shown the picture after every scale, or null; each is decoded for this
/// @param steps shown the numbers of every scale while they are there
/// @param progress told about every scale
/// @param cancellation looked at before every block
public record GenerateOptions(
        long seed,
        Noise noise,
        PictureSize size,
        double heightToWidth,
        String negativePrompt,
        BitSampling sampling,
        BiasMode biases,
        boolean positivePrompt,
        @Nullable Consumer<Preview> previews,
        Consumer<Step> steps,
        Progress progress,
        Cancellation cancellation) {

    private static final GenerateOptions DEFAULTS = new GenerateOptions(
            0,
            Noise.TORCH_CUDA,
            PictureSize.P_1M,
            1,
            "",
            BitSampling.defaults(),
            BiasMode.ORIGINAL,
            false,
            null,
            step -> {},
            Progress.NONE,
            Cancellation.NONE);

    /// The picture as far as it is known after a scale.
    ///
    /// @param scale index of the scale
    /// @param scales how many scales there are; the preview of the last one is the picture itself
    /// @param picture in its final size
    public record Preview(int scale, int scales, BufferedImage picture) {}

    /// Options with checked numbers.
    ///
    /// @throws IllegalArgumentException naming the option that makes no sense
    public GenerateOptions {
        if (!(heightToWidth > 0) || Double.isInfinite(heightToWidth)) {
            throw new IllegalArgumentException(
                    "aspect: height divided by width is " + heightToWidth + ", not a number above 0");
        }
    }

    /// The original's defaults.
    public static GenerateOptions defaults() {
        return DEFAULTS;
    }

    /// What a model folder asks for, in the original's own words; where it is silent, the defaults hold.
    ///
    /// @param settings fields `seed`, `pn`, `h_div_w_template`, `cfg` and `tau` (a number, or one for each scale),
    ///     `cfg_insertion_layer` (a number or several), `top_k`, `top_p`, `enable_positive_prompt`,
    ///     `text_bias_mode_generate`, all of them optional
    /// @throws IllegalArgumentException if a setting is not supported
    public static GenerateOptions of(JsonObject settings) {
        return of(settings, DEFAULTS);
    }

    /// What a model folder asks for, as the other [#of] says.
    ///
    /// @param absent what holds where the folder is silent
    /// @throws IllegalArgumentException if a setting is not supported
    public static GenerateOptions of(JsonObject settings, GenerateOptions absent) {
        BitSampling sampling = absent.sampling;
        return absent.withSeed(settings.integer("seed", absent.seed))
                .withSize(PictureSize.of(settings.text("pn", absent.size.label())))
                .withHeightToWidth(settings.number("h_div_w_template", absent.heightToWidth))
                .withSampling(new BitSampling(
                        list(settings, "cfg", Number::doubleValue, sampling.guidance()),
                        list(settings, "tau", Number::doubleValue, sampling.temperature()),
                        list(settings, "cfg_insertion_layer", Number::intValue, sampling.guidanceLayers()),
                        settings.int32("top_k", sampling.topK()),
                        settings.number("top_p", sampling.topP())))
                .withBiases(BiasMode.of(settings.text("text_bias_mode_generate", absent.biases.label())))
                .withPositivePrompt(InfinityConfig.flag(settings, "enable_positive_prompt", absent.positivePrompt));
    }

    /// A number, or a list of them.
    private static <T> List<T> list(JsonObject settings, String name, Function<Number, T> as, List<T> absent) {
        Object given = settings.value(name);
        if (given == null) {
            return absent;
        }
        List<?> values = given instanceof List<?> several ? several : List.of(given);
        return values.stream()
                .map(value -> {
                    if (value instanceof Number number) {
                        return as.apply(number);
                    }
                    throw new JsonException(
                            settings.origin() + ": \"" + name + "\" is " + value + ", not a number or a list of them",
                            null);
                })
                .toList();
    }

    /// The scales of the picture.
    public PictureLayout layout() {
        return PictureLayout.of(heightToWidth, size);
    }

    /// These options with another [#seed].
    public GenerateOptions withSeed(long seed) {
        return with(draft -> draft.seed = seed);
    }

    /// These options with other [#noise].
    public GenerateOptions withNoise(Noise noise) {
        return with(draft -> draft.noise = noise);
    }

    /// These options with another [#size].
    public GenerateOptions withSize(PictureSize size) {
        return with(draft -> draft.size = size);
    }

    /// These options with another [#heightToWidth].
    public GenerateOptions withHeightToWidth(double heightToWidth) {
        return with(draft -> draft.heightToWidth = heightToWidth);
    }

    /// These options with another [#negativePrompt].
    public GenerateOptions withNegativePrompt(String negativePrompt) {
        return with(draft -> draft.negativePrompt = negativePrompt);
    }

    /// These options with other [#sampling].
    public GenerateOptions withSampling(BitSampling sampling) {
        return with(draft -> draft.sampling = sampling);
    }

    /// These options with another use of the [#biases].
    public GenerateOptions withBiases(BiasMode biases) {
        return with(draft -> draft.biases = biases);
    }

    /// These options with or without the [#positivePrompt].
    public GenerateOptions withPositivePrompt(boolean positivePrompt) {
        return with(draft -> draft.positivePrompt = positivePrompt);
    }

    /// These options with a listener for [#previews], or none.
    public GenerateOptions withPreviews(@Nullable Consumer<Preview> previews) {
        return with(draft -> draft.previews = previews);
    }

    /// These options with a listener for the numbers of every scale, its bits among them. Its tensors live until it
    /// returns.
    public GenerateOptions withSteps(Consumer<Step> steps) {
        return with(draft -> draft.steps = steps);
    }

    /// These options with another listener.
    public GenerateOptions withProgress(Progress progress) {
        return with(draft -> draft.progress = progress);
    }

    /// These options with another switch to stop by.
    public GenerateOptions withCancellation(Cancellation cancellation) {
        return with(draft -> draft.cancellation = cancellation);
    }

    private GenerateOptions with(Consumer<Draft> change) {
        Draft draft = new Draft(this);
        change.accept(draft);
        return draft.finish();
    }

    /// The same fields, open to one change.
    private static final class Draft {
        private long seed;
        private Noise noise;
        private PictureSize size;
        private double heightToWidth;
        private String negativePrompt;
        private BitSampling sampling;
        private BiasMode biases;
        private boolean positivePrompt;
        private @Nullable Consumer<Preview> previews;
        private Consumer<Step> steps;
        private Progress progress;
        private Cancellation cancellation;

        Draft(GenerateOptions from) {
            seed = from.seed;
            noise = from.noise;
            size = from.size;
            heightToWidth = from.heightToWidth;
            negativePrompt = from.negativePrompt;
            sampling = from.sampling;
            biases = from.biases;
            positivePrompt = from.positivePrompt;
            previews = from.previews;
            steps = from.steps;
            progress = from.progress;
            cancellation = from.cancellation;
        }

        GenerateOptions finish() {
            return new GenerateOptions(
                    seed,
                    noise,
                    size,
                    heightToWidth,
                    negativePrompt,
                    sampling,
                    biases,
                    positivePrompt,
                    previews,
                    steps,
                    progress,
                    cancellation);
        }
    }
}
