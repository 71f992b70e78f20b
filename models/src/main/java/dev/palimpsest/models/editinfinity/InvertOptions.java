package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.Noise;
import dev.palimpsest.models.api.Progress;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.PromptText;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.nn.Lora;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// How a picture is inverted. Immutable; defaults are those of the original.
///
/// Numbers of updates are those that are made. The original saves before the update that it counts, so that its "10
/// iterations" of the prompt are 9 updates, and its "50 iterations" of the adapters 49: those are the defaults here.
///
/// @param seed where random numbers start; the same seed gives the same inversion
/// @param noise whose random numbers are drawn
/// @param size about how many pixels are learned, and a rewritten picture has
/// @param heightToWidth height divided by width of what is learned; the nearest of [ScaleSchedule#ratios] is taken. The
///     original makes every picture square; see [#withShapeOf]
/// @param biases whether biases of queries and values are used
/// @param instruction what stands between the source prompt and the learned rows, and announces them
/// @param learnedRows how many rows are learned
/// @param caption what becomes of the source prompt before it is learned from
/// @param promptUpdates how many updates the learned rows have; without any, there are no rows and no instruction
/// @param prompt how the rows are learned
/// @param adapterUpdates how many updates the adapters have; without any, there are no adapters
/// @param adapters how adapters are learned
/// @param lora rank, strength and dropout of the adapters
/// @param adapterStart file of the numbers that adapters start from, or null to draw them
/// @param checkpointEvery after how many updates the state is written, where there is a folder for it; the last update
///     of each stage counts too
/// @param listener hears of every update
/// @param progress told about every update
/// @param cancellation looked at before every block
public record InvertOptions(
        long seed,
        Noise noise,
        PictureSize size,
        double heightToWidth,
        BiasMode biases,
        String instruction,
        int learnedRows,
        CaptionRule caption,
        int promptUpdates,
        LearningSettings prompt,
        int adapterUpdates,
        LearningSettings adapters,
        Lora.Settings lora,
        @Nullable Path adapterStart,
        int checkpointEvery,
        Listener listener,
        Progress progress,
        Cancellation cancellation) {

    private static final InvertOptions DEFAULTS = new InvertOptions(
            42,
            Noise.TORCH_CUDA,
            PictureSize.P_1M,
            1,
            BiasMode.EDITINFINITY,
            PromptText.LEARNED_STYLE_INSTRUCTION,
            LearnedPrompt.USED,
            CaptionRule.ORIGINAL,
            9,
            LearningSettings.PROMPT,
            49,
            LearningSettings.ADAPTERS,
            Lora.Settings.DEFAULTS,
            null,
            1,
            Listener.NONE,
            Progress.NONE,
            Cancellation.NONE);

    /// What is learned, in this order.
    public enum Stage {
        /// Rows behind the prompt.
        PROMPT,
        /// Low-rank adapters of the feed-forward layers.
        ADAPTERS
    }

    /// Hears of every update. Called on the working thread.
    @FunctionalInterface
    public interface Listener {
        /// Hears nothing.
        Listener NONE = (stage, update, loss, gradientNorm) -> {};

        /// Called after an update, and after the state was written if it was its turn; before progress is told.
        ///
        /// @param update its number in the stage, from 1
        /// @param loss before the update
        /// @param gradientNorm of all gradients together, before they are bounded
        void updated(Stage stage, int update, double loss, double gradientNorm);
    }

    /// Options with checked numbers.
    ///
    /// @throws IllegalArgumentException naming the option that makes no sense
    public InvertOptions {
        if (!(heightToWidth > 0) || Double.isInfinite(heightToWidth)) {
            throw new IllegalArgumentException(
                    "aspect: height divided by width is " + heightToWidth + ", not a number above 0");
        }
        if (learnedRows < 1) {
            throw new IllegalArgumentException("learned rows: " + learnedRows + " is below 1");
        }
        if (promptUpdates < 0 || adapterUpdates < 0) {
            throw new IllegalArgumentException("updates: " + Math.min(promptUpdates, adapterUpdates) + " is below 0");
        }
        if (checkpointEvery < 1) {
            throw new IllegalArgumentException("checkpoint: every " + checkpointEvery + " updates is below 1");
        }
    }

    /// The original's defaults.
    public static InvertOptions defaults() {
        return DEFAULTS;
    }

    /// What a model folder asks for, in the original's own words; where it is silent, the defaults hold.
    ///
    /// @param settings fields `seed`, `pn`, `h_div_w_template`, `text_bias_mode_edit`, `instruction`, `concat_length`,
    ///     `lora_r`, `lora_alpha`, `lora_dropout`, and those of [LearningSettings#over], all of them optional
    /// @throws IllegalArgumentException if a setting is not supported
    public static InvertOptions of(JsonObject settings) {
        return DEFAULTS.withSeed(settings.integer("seed", DEFAULTS.seed))
                .withSize(PictureSize.of(settings.text("pn", DEFAULTS.size.label())))
                .withHeightToWidth(settings.number("h_div_w_template", DEFAULTS.heightToWidth))
                .withBiases(BiasMode.of(settings.text("text_bias_mode_edit", DEFAULTS.biases.label())))
                .withInstruction(settings.text("instruction", DEFAULTS.instruction))
                .withLearnedRows(settings.int32("concat_length", DEFAULTS.learnedRows))
                .withPrompt(DEFAULTS.prompt.over(settings))
                .withAdapters(DEFAULTS.adapters.over(settings))
                .withLora(new Lora.Settings(
                        settings.int32("lora_r", DEFAULTS.lora.rank()),
                        settings.number("lora_alpha", DEFAULTS.lora.alpha()),
                        settings.number("lora_dropout", DEFAULTS.lora.dropout())));
    }

    /// The scales of what is learned.
    public PictureLayout layout() {
        return PictureLayout.of(heightToWidth, size);
    }

    /// These options with another [#seed].
    public InvertOptions withSeed(long seed) {
        return with(draft -> draft.seed = seed);
    }

    /// These options with other [#noise].
    public InvertOptions withNoise(Noise noise) {
        return with(draft -> draft.noise = noise);
    }

    /// These options with another [#size].
    public InvertOptions withSize(PictureSize size) {
        return with(draft -> draft.size = size);
    }

    /// These options with another [#heightToWidth].
    public InvertOptions withHeightToWidth(double heightToWidth) {
        return with(draft -> draft.heightToWidth = heightToWidth);
    }

    /// These options with the shape of a picture, so that little of it is cut off or stretched.
    public InvertOptions withShapeOf(BufferedImage picture) {
        return withHeightToWidth(ScaleSchedule.nearestRatio((double) picture.getHeight() / picture.getWidth()));
    }

    /// These options with another use of the [#biases].
    public InvertOptions withBiases(BiasMode biases) {
        return with(draft -> draft.biases = biases);
    }

    /// These options with another [#instruction].
    public InvertOptions withInstruction(String instruction) {
        return with(draft -> draft.instruction = instruction);
    }

    /// These options with another number of [#learnedRows].
    public InvertOptions withLearnedRows(int learnedRows) {
        return with(draft -> draft.learnedRows = learnedRows);
    }

    /// These options with another rule for the [#caption].
    public InvertOptions withCaption(CaptionRule caption) {
        return with(draft -> draft.caption = caption);
    }

    /// These options with other numbers of updates.
    public InvertOptions withUpdates(int promptUpdates, int adapterUpdates) {
        return with(draft -> {
            draft.promptUpdates = promptUpdates;
            draft.adapterUpdates = adapterUpdates;
        });
    }

    /// These options with another way to learn the [#prompt].
    public InvertOptions withPrompt(LearningSettings prompt) {
        return with(draft -> draft.prompt = prompt);
    }

    /// These options with another way to learn [#adapters].
    public InvertOptions withAdapters(LearningSettings adapters) {
        return with(draft -> draft.adapters = adapters);
    }

    /// These options with other settings of the adapters.
    public InvertOptions withLora(Lora.Settings lora) {
        return with(draft -> draft.lora = lora);
    }

    /// These options with a file of the numbers that adapters start from, or null to draw them.
    public InvertOptions withAdapterStart(@Nullable Path adapterStart) {
        return with(draft -> draft.adapterStart = adapterStart);
    }

    /// These options with another distance of checkpoints.
    public InvertOptions withCheckpointEvery(int checkpointEvery) {
        return with(draft -> draft.checkpointEvery = checkpointEvery);
    }

    /// These options without anything random but the start of adapters: no wrong bits, nothing left out.
    public InvertOptions withoutRandomness() {
        return withPrompt(prompt.withoutRandomness())
                .withAdapters(adapters.withoutRandomness())
                .withLora(lora.withDropout(0))
                .withCaption(caption.withDropsSentences(false));
    }

    /// These options with a listener to updates.
    public InvertOptions withListener(Listener listener) {
        return with(draft -> draft.listener = listener);
    }

    /// These options with another listener to progress.
    public InvertOptions withProgress(Progress progress) {
        return with(draft -> draft.progress = progress);
    }

    /// These options with another switch to stop by.
    public InvertOptions withCancellation(Cancellation cancellation) {
        return with(draft -> draft.cancellation = cancellation);
    }

    private InvertOptions with(Consumer<Draft> change) {
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
        private BiasMode biases;
        private String instruction;
        private int learnedRows;
        private CaptionRule caption;
        private int promptUpdates;
        private LearningSettings prompt;
        private int adapterUpdates;
        private LearningSettings adapters;
        private Lora.Settings lora;
        private @Nullable Path adapterStart;
        private int checkpointEvery;
        private Listener listener;
        private Progress progress;
        private Cancellation cancellation;

        Draft(InvertOptions from) {
            seed = from.seed;
            noise = from.noise;
            size = from.size;
            heightToWidth = from.heightToWidth;
            biases = from.biases;
            instruction = from.instruction;
            learnedRows = from.learnedRows;
            caption = from.caption;
            promptUpdates = from.promptUpdates;
            prompt = from.prompt;
            adapterUpdates = from.adapterUpdates;
            adapters = from.adapters;
            lora = from.lora;
            adapterStart = from.adapterStart;
            checkpointEvery = from.checkpointEvery;
            listener = from.listener;
            progress = from.progress;
            cancellation = from.cancellation;
        }

        InvertOptions finish() {
            return new InvertOptions(
                    seed,
                    noise,
                    size,
                    heightToWidth,
                    biases,
                    instruction,
                    learnedRows,
                    caption,
                    promptUpdates,
                    prompt,
                    adapterUpdates,
                    adapters,
                    lora,
                    adapterStart,
                    checkpointEvery,
                    listener,
                    progress,
                    cancellation);
        }
    }
}
