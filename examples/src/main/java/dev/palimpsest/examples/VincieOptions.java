package dev.palimpsest.examples;

import dev.palimpsest.models.api.Noise;
import dev.palimpsest.models.diffusion.Guidance;
import dev.palimpsest.models.vincie.AspectRatio;
import dev.palimpsest.models.vincie.EditOptions;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The options that `edit` and `compose` share. What is not given comes from the model's `config.json`.
final class VincieOptions {
    /// Pictures are cut down to whole patches of this many pixels: 8 of the autoencoder, 2 of the transformer.
    private static final int PATCH = 16;

    @Option(
            names = "--model",
            paramLabel = "DIR",
            description =
                    "Folder with dit.pth, vae.pth, llm14b/ and perhaps config.json. Without it, a tiny random model "
                            + "is made that shows how everything works; its pictures are noise.")
    @Nullable
    Path model;

    @Mixin
    ArithmeticOption arithmetic;

    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            required = true,
            description = "What to change. Once for every turn.")
    List<String> prompts;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Where random numbers start; the same seed gives the same picture.")
    @Nullable
    Long seed;

    @Option(names = "--steps", paramLabel = "N", description = "Denoising steps; more are slower and finer.")
    @Nullable
    Integer steps;

    @Option(
            names = "--guidance",
            paramLabel = "X",
            description = "How strongly the prompt is followed; 1 is not at all pushed.")
    @Nullable
    Double guidance;

    @Option(
            names = "--resolution",
            paramLabel = "N",
            description = "Side of a square with the area of the picture, in pixels, a multiple of 16.")
    @Nullable
    Integer resolution;

    @Option(
            names = "--aspect",
            paramLabel = "A",
            description = "Crop first: keep_ratio (do not), adaptive, or a ratio such as 16:9.")
    @Nullable
    String aspect;

    @Option(
            names = "--noise",
            paramLabel = "SOURCE",
            converter = Words.NoiseConverter.class,
            description = "Whose random numbers: torch-cpu or torch-cuda.")
    @Nullable
    Noise noise;

    @Option(
            names = "--posterior",
            paramLabel = "USE",
            converter = PosteriorConverter.class,
            description = "How pictures are encoded: mean or sample.")
    EditOptions.@Nullable PosteriorUse posterior;

    @Option(names = "--negative-prompt", paramLabel = "TEXT", description = "What the picture should not look like.")
    @Nullable
    String negativePrompt;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "output",
            description = "Folder for the pictures (default: ${DEFAULT-VALUE}).")
    Path out;

    @Option(
            names = "--index",
            paramLabel = "N",
            defaultValue = "0",
            description = "Number of this job in the names of its pictures (default: ${DEFAULT-VALUE}).")
    int index;

    @Option(
            names = "--repeat",
            paramLabel = "N",
            defaultValue = "1",
            description = "Pictures a turn, with seeds from --seed on; the last is edited further (default: "
                    + "${DEFAULT-VALUE}).")
    int repeats;

    @Option(names = "--json", description = "Write JSON.")
    boolean json;

    /// These options over a model's own.
    ///
    /// @throws UserException if one of them makes no sense
    EditOptions over(EditOptions model) {
        try {
            EditOptions o = model;
            o = seed == null ? o : o.withSeed(seed);
            o = steps == null ? o : o.withSteps(steps);
            o = guidance == null
                    ? o
                    : o.withGuidance(new Guidance(
                            guidance, o.guidance().rescale(), o.guidance().partial()));
            o = resolution == null ? o : o.withResolution(multiple(resolution));
            o = aspect == null ? o : o.withAspectRatio(AspectRatio.of(aspect));
            o = noise == null ? o : o.withNoise(noise);
            o = posterior == null ? o : o.withPosterior(posterior);
            return negativePrompt == null ? o : o.withNegativePrompt(negativePrompt);
        } catch (IllegalArgumentException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }

    private static int multiple(int resolution) {
        if (resolution % PATCH != 0) {
            int below = resolution / PATCH * PATCH;
            throw new UserException("resolution: " + resolution + " is not a multiple of " + PATCH + "; use "
                    + Math.max(below, PATCH) + " or " + (below + PATCH));
        }
        return resolution;
    }

    /// Reads `mean` and `sample`.
    static final class PosteriorConverter implements ITypeConverter<EditOptions.PosteriorUse> {
        @Override
        public EditOptions.PosteriorUse convert(String value) {
            return Words.constant(EditOptions.PosteriorUse.values(), value);
        }
    }
}
