package dev.palimpsest.models.vincie;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.Noise;
import dev.palimpsest.models.api.Progress;
import dev.palimpsest.models.diffusion.Guidance;
import java.util.function.Consumer;

/// How VINCIE edits. Immutable; defaults are those of the original.
///
/// @param seed where random numbers start; every turn of a session starts there again
/// @param steps denoising steps, at least 1; more are slower and finer
/// @param shift how strongly the steps crowd at the noisy end, above 0; 1 spaces them evenly
/// @param guidance how strongly the prompt is followed
/// @param resolution side of a square with the picture's area, in pixels, at least 16; a model works best at the one
///     it was trained at
/// @param aspectRatio what becomes of the picture's proportions
/// @param noise whose random numbers are drawn
/// @param posterior how a picture's latent is taken from the encoder's distribution
/// @param negativePrompt what the picture should not look like
/// @param imagePlaceholders whether a prompt is wrapped as `Based on <IMGi>, ... Output <IMGi+1>: `, as multi-turn
///     editing was trained; compositions of several pictures write this themselves
/// @param progress told about every step
/// @param cancellation looked at before every step and block
public record EditOptions(
        long seed,
        int steps,
        double shift,
        Guidance guidance,
        int resolution,
        AspectRatio aspectRatio,
        Noise noise,
        PosteriorUse posterior,
        String negativePrompt,
        boolean imagePlaceholders,
        Progress progress,
        Cancellation cancellation) {

    /// How a picture's latent is taken from the encoder's distribution.
    public enum PosteriorUse {
        /// Its mean.
        MEAN,
        /// A sample. Its noise continues the random stream of the turn, behind the noise that is denoised.
        SAMPLE
    }

    /// The original's list of what no picture should look like.
    public static final String DEFAULT_NEGATIVE_PROMPT =
            "Worst quality, Normal quality, Low quality, Low res, Blurry, Jpeg artifacts, Grainy, text, logo, watermark, "
                    + "banner, extra digits, signature, subtitling, Bad anatomy, Bad proportions, Deformed, Disconnected "
                    + "limbs, Disfigured, Extra arms, Extra limbs, Extra hands, Fused fingers, Gross proportions, Long "
                    + "neck, Malformed limbs, Mutated, Mutated hands, Mutated limbs, Missing arms, Missing fingers, Poorly "
                    + "drawn hands, Poorly drawn face, Nsfw, Uncensored, Cleavage, Nude, Nipples, Overexposed, Plain "
                    + "background, Grainy, Underexposed, Deformed structures";

    private static final EditOptions DEFAULTS = new EditOptions(
            1,
            50,
            12,
            Guidance.of(7.5),
            256,
            new AspectRatio.Keep(),
            Noise.TORCH_CUDA,
            PosteriorUse.SAMPLE,
            DEFAULT_NEGATIVE_PROMPT,
            true,
            Progress.NONE,
            Cancellation.NONE);

    /// Options with checked numbers.
    ///
    /// @throws IllegalArgumentException naming the option that makes no sense
    public EditOptions {
        if (steps < 1 || steps > 10_000) {
            throw new IllegalArgumentException("steps: " + steps + " does not lie between 1 and 10000");
        }
        if (!(shift > 0) || Double.isInfinite(shift)) {
            throw new IllegalArgumentException("shift: " + shift + " is not a number above 0");
        }
        if (resolution < 16 || resolution > 8192) {
            throw new IllegalArgumentException(
                    "resolution: " + resolution + " does not lie between 16 and 8192 pixels");
        }
    }

    /// The original's defaults.
    public static EditOptions defaults() {
        return DEFAULTS;
    }

    /// These options with another [#seed].
    public EditOptions withSeed(long seed) {
        return with(draft -> draft.seed = seed);
    }

    /// These options with another number of [#steps].
    public EditOptions withSteps(int steps) {
        return with(draft -> draft.steps = steps);
    }

    /// These options with another [#shift].
    public EditOptions withShift(double shift) {
        return with(draft -> draft.shift = shift);
    }

    /// These options with another [#guidance].
    public EditOptions withGuidance(Guidance guidance) {
        return with(draft -> draft.guidance = guidance);
    }

    /// These options with another [#resolution].
    public EditOptions withResolution(int resolution) {
        return with(draft -> draft.resolution = resolution);
    }

    /// These options with another [#aspectRatio].
    public EditOptions withAspectRatio(AspectRatio aspectRatio) {
        return with(draft -> draft.aspectRatio = aspectRatio);
    }

    /// These options with other [#noise].
    public EditOptions withNoise(Noise noise) {
        return with(draft -> draft.noise = noise);
    }

    /// These options with another use of the [#posterior].
    public EditOptions withPosterior(PosteriorUse posterior) {
        return with(draft -> draft.posterior = posterior);
    }

    /// These options with another [#negativePrompt].
    public EditOptions withNegativePrompt(String negativePrompt) {
        return with(draft -> draft.negativePrompt = negativePrompt);
    }

    /// These options with or without [#imagePlaceholders].
    public EditOptions withImagePlaceholders(boolean imagePlaceholders) {
        return with(draft -> draft.imagePlaceholders = imagePlaceholders);
    }

    /// These options with another listener.
    public EditOptions withProgress(Progress progress) {
        return with(draft -> draft.progress = progress);
    }

    /// These options with another switch to stop by.
    public EditOptions withCancellation(Cancellation cancellation) {
        return with(draft -> draft.cancellation = cancellation);
    }

    private EditOptions with(Consumer<Draft> change) {
        Draft draft = new Draft(this);
        change.accept(draft);
        return draft.finish();
    }

    /// The same fields, open to one change.
    private static final class Draft {
        private long seed;
        private int steps;
        private double shift;
        private Guidance guidance;
        private int resolution;
        private AspectRatio aspectRatio;
        private Noise noise;
        private PosteriorUse posterior;
        private String negativePrompt;
        private boolean imagePlaceholders;
        private Progress progress;
        private Cancellation cancellation;

        Draft(EditOptions from) {
            seed = from.seed;
            steps = from.steps;
            shift = from.shift;
            guidance = from.guidance;
            resolution = from.resolution;
            aspectRatio = from.aspectRatio;
            noise = from.noise;
            posterior = from.posterior;
            negativePrompt = from.negativePrompt;
            imagePlaceholders = from.imagePlaceholders;
            progress = from.progress;
            cancellation = from.cancellation;
        }

        EditOptions finish() {
            return new EditOptions(
                    seed,
                    steps,
                    shift,
                    guidance,
                    resolution,
                    aspectRatio,
                    noise,
                    posterior,
                    negativePrompt,
                    imagePlaceholders,
                    progress,
                    cancellation);
        }
    }
}
