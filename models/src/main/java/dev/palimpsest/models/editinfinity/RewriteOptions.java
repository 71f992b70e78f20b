package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.BitSampling;
import dev.palimpsest.models.infinity.GenerateOptions;
import dev.palimpsest.models.json.JsonObject;

/// How a picture is rewritten. Immutable; defaults are those of the original.
///
/// @param generation how bits are drawn, previews, progress and everything else that pictures from text have too; its
///     size and ratio do not matter, they are those of the inversion
/// @param threshold where between the smallest (0) and the largest attention (1) a mask from attention begins
/// @param maskMethod how a mask from attention reaches the latent; the original plots it, here it is taken directly
/// @param blocks how a given mask is cut into positions of the latent
/// @param smoothing how the source fades in around what may change
/// @param usesPrompt whether the instruction and the learned prompt follow the target prompt
/// @param usesAdapters whether the learned adapters are in the model
public record RewriteOptions(
        GenerateOptions generation,
        double threshold,
        MaskMethod maskMethod,
        Mask.Blocks blocks,
        Smoothing smoothing,
        boolean usesPrompt,
        boolean usesAdapters) {
    private static final RewriteOptions DEFAULTS = new RewriteOptions(
            GenerateOptions.defaults()
                    .withSeed(42)
                    .withSampling(BitSampling.defaults().withGuidance(4).withTemperature(0.5))
                    .withBiases(BiasMode.EDITINFINITY),
            0.5,
            MaskMethod.DIRECT,
            Mask.Blocks.ROUNDED,
            Smoothing.ORIGINAL,
            true,
            true);

    /// Options with checked numbers.
    ///
    /// @throws IllegalArgumentException naming the option that makes no sense
    public RewriteOptions {
        if (!(threshold >= 0 && threshold <= 1)) {
            throw new IllegalArgumentException("threshold: " + threshold + " does not lie between 0 and 1");
        }
    }

    /// The original's defaults.
    public static RewriteOptions defaults() {
        return DEFAULTS;
    }

    /// What a model folder asks for; where it is silent, the defaults hold.
    ///
    /// @param settings those of [GenerateOptions#of], but for the biases, and `text_bias_mode_edit`, `threshold`,
    ///     `mask_method` (`direct` or `plotted`), all of them optional
    /// @throws IllegalArgumentException if a setting is not supported
    public static RewriteOptions of(JsonObject settings) {
        BiasMode biases = BiasMode.of(settings.text(
                "text_bias_mode_edit", DEFAULTS.generation.biases().label()));
        return DEFAULTS.withGeneration(
                        GenerateOptions.of(settings, DEFAULTS.generation).withBiases(biases))
                .withThreshold(settings.number("threshold", DEFAULTS.threshold))
                .withMaskMethod(MaskMethod.of(settings.text("mask_method", DEFAULTS.maskMethod.label())));
    }

    /// These options with another way of [#generation].
    public RewriteOptions withGeneration(GenerateOptions generation) {
        return new RewriteOptions(generation, threshold, maskMethod, blocks, smoothing, usesPrompt, usesAdapters);
    }

    /// These options with another [#threshold].
    public RewriteOptions withThreshold(double threshold) {
        return new RewriteOptions(generation, threshold, maskMethod, blocks, smoothing, usesPrompt, usesAdapters);
    }

    /// These options with another [#maskMethod].
    public RewriteOptions withMaskMethod(MaskMethod maskMethod) {
        return new RewriteOptions(generation, threshold, maskMethod, blocks, smoothing, usesPrompt, usesAdapters);
    }

    /// These options with another cut of given masks.
    public RewriteOptions withBlocks(Mask.Blocks blocks) {
        return new RewriteOptions(generation, threshold, maskMethod, blocks, smoothing, usesPrompt, usesAdapters);
    }

    /// These options with another [#smoothing].
    public RewriteOptions withSmoothing(Smoothing smoothing) {
        return new RewriteOptions(generation, threshold, maskMethod, blocks, smoothing, usesPrompt, usesAdapters);
    }

    /// These options with or without what was learned.
    public RewriteOptions withLearned(boolean usesPrompt, boolean usesAdapters) {
        return new RewriteOptions(generation, threshold, maskMethod, blocks, smoothing, usesPrompt, usesAdapters);
    }
}
