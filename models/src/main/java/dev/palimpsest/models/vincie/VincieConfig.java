package dev.palimpsest.models.vincie;

import dev.palimpsest.models.diffusion.EulerSampler;
import dev.palimpsest.models.diffusion.Guidance;
import dev.palimpsest.models.diffusion.Prediction;
import dev.palimpsest.models.diffusion.Schedule;
import dev.palimpsest.models.diffusion.Timesteps;
import dev.palimpsest.models.json.JsonObject;
import java.util.Locale;

/// What the weights of a VINCIE model do not tell: how it was trained to be sampled, and the settings to edit with by
/// default.
///
/// @param dit settings of the transformer, perhaps empty; see [NaDitConfig#of]
/// @param vae settings of the autoencoder, perhaps empty; see [CausalVideoVaeConfig#of]
/// @param text settings of the text encoder, perhaps empty; see [QwenConfig#from]
/// @param fusion how prompts carry their number
/// @param schedule how latents turn into noise
/// @param prediction what the transformer predicts
/// @param options what to edit with unless asked otherwise
/// @param fileName pattern for the names of pictures, with `{index}`, `{turn_index}`, `{repeat_index}` and `{seed}`
public record VincieConfig(
        JsonObject dit,
        JsonObject vae,
        JsonObject text,
        PromptFusion fusion,
        Schedule schedule,
        Prediction prediction,
        EditOptions options,
        String fileName) {
    private static final String DEFAULT_FILE_NAME = "{index}_turn{turn_index}_rep{repeat_index}_seed{seed}";

    /// Reads a configuration in the original's own words; where it is silent, VINCIE-3B's holds.
    ///
    /// @param json fields `dit`, `prompt_id_embedding`, `vae`, `text`, `diffusion`, `generation`, all of them optional
    /// @throws IllegalArgumentException if a setting is not supported
    public static VincieConfig of(JsonObject json) {
        JsonObject diffusion = json.objectOrEmpty("diffusion");
        JsonObject schedule = diffusion.objectOrEmpty("schedule");
        require(schedule, "type", "lerp");
        JsonObject sampler = diffusion.objectOrEmpty("sampler");
        require(sampler, "type", "euler");
        JsonObject vae = json.objectOrEmpty("vae");
        return new VincieConfig(
                json.objectOrEmpty("dit"),
                vae,
                json.objectOrEmpty("text"),
                PromptFusion.of(json.objectOrEmpty("prompt_id_embedding").text("fusion_strategy", "seq_concat")),
                new Schedule.Lerp(schedule.number("T", 1000)),
                prediction(sampler),
                options(diffusion, vae, json.objectOrEmpty("generation")),
                json.objectOrEmpty("generation").text("output_filename", DEFAULT_FILE_NAME));
    }

    private static Prediction prediction(JsonObject sampler) {
        String name = sampler.text("prediction_type", "v_lerp");
        for (Prediction prediction : Prediction.values()) {
            if (prediction.name().toLowerCase(Locale.ROOT).equals(name.toLowerCase(Locale.ROOT))) {
                return prediction;
            }
        }
        throw new IllegalArgumentException(
                sampler.origin() + ": prediction_type \"" + name + "\" is unknown; use v_lerp, v_cos, x_0 or x_T");
    }

    private static EditOptions options(JsonObject diffusion, JsonObject vae, JsonObject generation) {
        EditOptions defaults = EditOptions.defaults();
        JsonObject timesteps = diffusion.objectOrEmpty("timesteps").objectOrEmpty("sampling");
        require(timesteps, "type", "uniform_trailing");
        JsonObject cfg = diffusion.objectOrEmpty("cfg");
        Guidance guidance = defaults.guidance();
        return defaults.withSeed(generation.integer("seed", defaults.seed()))
                .withSteps(timesteps.int32("steps", defaults.steps()))
                .withShift(timesteps.number("shift", defaults.shift()))
                .withGuidance(new Guidance(
                        cfg.number("scale", guidance.scale()),
                        cfg.number("rescale", guidance.rescale()),
                        cfg.number("partial", guidance.partial())))
                .withResolution(generation.int32("resolution", defaults.resolution()))
                .withAspectRatio(AspectRatio.of(generation.text("aspect_ratio", "keep_ratio")))
                .withPosterior(
                        vae.bool("use_sample", true) ? EditOptions.PosteriorUse.SAMPLE : EditOptions.PosteriorUse.MEAN)
                .withNegativePrompt(generation.text("negative_prompt", defaults.negativePrompt()))
                .withImagePlaceholders(generation.bool("pad_img_placehoder", true)); // the original's spelling
    }

    private static void require(JsonObject json, String field, String only) {
        if (!json.text(field, only).equals(only)) {
            throw new IllegalArgumentException(json.origin() + ": " + field + " \"" + json.text(field)
                    + "\" is not supported, only \"" + only + "\"");
        }
    }

    /// The sampler for these options.
    public EulerSampler sampler(EditOptions options) {
        return new EulerSampler(
                schedule, Timesteps.uniformTrailing(options.steps(), options.shift(), schedule.end()), prediction);
    }

    /// The original's name for a picture, without folder.
    ///
    /// @param index number of the prompt set, 0 for a single one
    /// @param turn number of the turn, from 0
    /// @param repeat number of the picture within the turn, from 0
    /// @param seed where its random numbers started
    public String fileName(int index, int turn, int repeat, long seed) {
        return fileName.replace("{index}", Integer.toString(index))
                        .replace("{turn_index}", Integer.toString(turn))
                        .replace("{repeat_index}", Integer.toString(repeat))
                        .replace("{seed}", Long.toString(seed))
                + ".png";
    }
}
