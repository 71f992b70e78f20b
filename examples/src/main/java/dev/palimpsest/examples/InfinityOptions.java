package dev.palimpsest.examples;

import dev.palimpsest.models.infinity.BitSampling;
import dev.palimpsest.models.infinity.GenerateOptions;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// The options of commands that make a picture with Infinity: which model, what to wish for beside the prompt, how bits
/// are drawn, and what is shown on the way. What is not given comes from the model's `config.json`.
final class InfinityOptions extends InfinityModelOptions {
    @Option(
            names = "--negative-prompt",
            paramLabel = "TEXT",
            description = "What the picture should not show. Matters only with guidance.")
    @Nullable
    String negativePrompt;

    @Option(
            names = "--positive-prompt",
            negatable = true,
            description = "Wish for smooth faces where the prompt speaks of people.")
    @Nullable
    Boolean positivePrompt;

    @Option(
            names = "--guidance",
            paramLabel = "X",
            split = ",",
            description = "How strongly the prompt is followed; 1 is not at all pushed. One number, or one for each "
                    + "scale: 4,4,3.")
    @Nullable
    List<Double> guidance;

    @Option(
            names = "--guidance-layers",
            paramLabel = "N",
            split = ",",
            description = "Where guidance is applied: 0 for the scores, -1 behind the last block, -2 behind the one "
                    + "before. One number or several.")
    @Nullable
    List<Integer> guidanceLayers;

    @Option(
            names = "--tau",
            paramLabel = "X",
            split = ",",
            description = "Temperature; small is decided, large is varied. One number, or one for each scale.")
    @Nullable
    List<Double> tau;

    @Option(
            names = "--top-k",
            paramLabel = "N",
            description = "1 always takes the likelier value of a bit; 0 or more than 1 draws.")
    @Nullable
    Integer topK;

    @Option(
            names = "--top-p",
            paramLabel = "X",
            description = "Values of a bit at most as likely as 1 - X are not drawn; 0 draws all.")
    @Nullable
    Double topP;

    @Option(
            names = "--preview",
            paramLabel = "DIR",
            description = "Folder for the picture after every scale, as scale_01.png and so on.")
    @Nullable
    Path preview;

    @Option(
            names = "--bits",
            paramLabel = "FILE",
            description = "Safetensors file for the bits that were drawn at every scale: bits_0 and so on, (1, height "
                    + "times width, bits).")
    @Nullable
    Path bits;

    /// These options over a model's own.
    ///
    /// @throws UserException if one of them makes no sense
    GenerateOptions over(GenerateOptions model) {
        try {
            BitSampling s = model.sampling();
            s = guidance == null ? s : s.withGuidance(guidance);
            s = guidanceLayers == null ? s : s.withGuidanceLayers(guidanceLayers);
            s = tau == null ? s : s.withTemperature(tau);
            s = topK == null ? s : s.withTopK(topK);
            s = topP == null ? s : s.withTopP(topP);
            GenerateOptions o = model.withSampling(s);
            o = seed == null ? o : o.withSeed(seed);
            o = noise == null ? o : o.withNoise(noise);
            o = biases == null ? o : o.withBiases(biases);
            o = negativePrompt == null ? o : o.withNegativePrompt(negativePrompt);
            return positivePrompt == null ? o : o.withPositivePrompt(positivePrompt);
        } catch (IllegalArgumentException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }
}
