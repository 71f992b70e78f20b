package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.Progress;
import dev.palimpsest.models.editinfinity.EditInfinityPipeline.Source;
import dev.palimpsest.models.editinfinity.Inversion.Learned;
import dev.palimpsest.models.editinfinity.InvertOptions.Stage;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.BitSampling;
import dev.palimpsest.models.infinity.GenerateOptions;
import dev.palimpsest.models.infinity.GenerationRequest;
import dev.palimpsest.models.infinity.Infinity;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.PromptText;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.models.layers.LoraFiles;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.random.RandomSource;
import dev.palimpsest.weights.CheckpointException;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// EditInfinity, pictures changed by words (arXiv 2510.20217): Infinity learns what makes it say the bits of a
/// picture, and then says them again from another prompt.
///
/// ```java
/// try (EditInfinity edit = EditInfinity.load(Path.of("ckpt/Infinity-2B"));
///         Inversion inversion = edit.invert(
///                 photo, "a glass of red drink on the beach", edit.invertOptions(), Path.of("glass"))) {
///     Rewritten wine = inversion.rewrite(
///             "a glass of red wine on the beach", EditArea.words("drink"), edit.rewriteOptions());
/// }
/// ```
///
/// Several threads may use one editor; they take turns. Adapters are in the model while it learns or rewrites, so
/// nobody else may use the same [Infinity] meanwhile.
public final class EditInfinity implements AutoCloseable {
    private final Infinity infinity;
    private final boolean owns;
    private final EditInfinityPipeline pipeline;
    private final ReentrantLock turn = new ReentrantLock();
    private @Nullable String fingerprint;

    private EditInfinity(Infinity infinity, boolean owns) {
        this.infinity = infinity;
        this.owns = owns;
        this.pipeline = new EditInfinityPipeline(infinity.pipeline());
    }

    /// Opens a model folder, see [Infinity#load].
    ///
    /// @throws CheckpointException if a part is missing, damaged or of another model
    /// @throws IllegalArgumentException if a setting is not supported, or the parts do not fit together
    public static EditInfinity load(Path folder) {
        return new EditInfinity(Infinity.load(folder), true);
    }

    /// An editor with a model that is open already. Closing the editor leaves it open.
    public static EditInfinity of(Infinity infinity) {
        return new EditInfinity(infinity, false);
    }

    /// The model.
    public Infinity infinity() {
        return infinity;
    }

    /// The steps one by one, for those who want to look inside.
    public EditInfinityPipeline pipeline() {
        return pipeline;
    }

    /// What this model inverts with unless asked otherwise: the settings of its folder.
    public InvertOptions invertOptions() {
        return InvertOptions.of(infinity.settings());
    }

    /// What this model rewrites with unless asked otherwise: the settings of its folder.
    public RewriteOptions rewriteOptions() {
        return RewriteOptions.of(infinity.settings());
    }

    // ---- inverting

    /// Learns a picture.
    ///
    /// @param image at least one pixel; alpha is dropped. It is brought to the size and shape that the options say
    /// @param prompt what it shows, in words
    /// @throws IllegalArgumentException if the prompt is blank or too long, or an option does not fit the model
    /// @throws CheckpointException if the file of the adapters' start cannot be read or does not fit the model
    /// @throws java.util.concurrent.CancellationException if the options' cancellation was used
    public Inversion invert(BufferedImage image, String prompt, InvertOptions options) {
        return invert(RgbImage.of(image), prompt, options, null);
    }

    /// Learns a picture and keeps what was learned in a folder, finished or not: after an interruption of any kind,
    /// the same call goes on with the last update that was kept, and ends in the same numbers as without interruption.
    /// A folder that is finished is opened.
    ///
    /// @param image at least one pixel; alpha is dropped. It is brought to the size and shape that the options say
    /// @param prompt what it shows, in words
    /// @param folder a new or empty one, or one that an equal call has begun
    /// @throws IllegalArgumentException if the prompt is blank or too long, an option does not fit the model, or the
    ///     folder holds something else
    /// @throws CheckpointException if the folder cannot be written or is damaged, or the file of the adapters' start
    ///     cannot be read or does not fit the model
    /// @throws java.util.concurrent.CancellationException if the options' cancellation was used
    public Inversion invert(BufferedImage image, String prompt, InvertOptions options, Path folder) {
        return invert(RgbImage.of(image), prompt, options, folder);
    }

    private Inversion invert(RgbImage picture, String prompt, InvertOptions options, @Nullable Path folder) {
        turn.lock();
        try {
            check(prompt, options);
            InversionDescription description = InversionDescription.of(fingerprint(), picture, prompt, options);
            InversionFolder files = folder == null ? null : InversionFolder.begin(folder, description, picture);
            if (files != null && files.isFinished()) {
                return open(files);
            }
            return inScope(description, picture, () -> {
                Learned learned = learn(picture, prompt, options, files);
                if (files != null) {
                    files.finish(learned.prompt(), learned.adapters());
                }
                return learned;
            });
        } finally {
            turn.unlock();
        }
    }

    /// Finds what cannot work before hours are spent and anything is written.
    private void check(String prompt, InvertOptions options) {
        if (prompt.isBlank()) {
            throw new IllegalArgumentException("the prompt is empty; say what the picture shows");
        }
        infinity.check(GenerateOptions.defaults().withSize(options.size()).withHeightToWidth(options.heightToWidth()));
        if (options.promptUpdates() > 0) {
            CaptionRule rule = options.caption();
            for (String text : rule.variants(rule.caption(prompt))) {
                pipeline.requireLength(text + options.instruction(), options.learnedRows());
            }
        }
        Path start = options.adapterStart();
        if (start != null && options.adapterUpdates() > 0) {
            Scope.run(() -> LoraFiles.load(infinity.pipeline().transformer(), start, options.lora())
                    .settings());
        }
    }

    /// An inversion whose tensors live in a scope of its own.
    private Inversion inScope(InversionDescription description, RgbImage picture, Supplier<Learned> make) {
        Scope scope = Scope.open();
        try {
            return new Inversion(this, description, picture, scope, scope.call(make::get));
        } catch (RuntimeException | Error e) {
            scope.close();
            throw e;
        }
    }

    private Learned learn(RgbImage picture, String prompt, InvertOptions options, @Nullable InversionFolder files) {
        Progress progress = options.progress();
        Cancellation cancellation = options.cancellation();
        PictureLayout layout = options.layout();
        String caption = options.caption().caption(prompt);

        progress.update("encode picture", 0, 1);
        Source source = pipeline.source(bits(picture, layout, files), layout);
        cancellation.check();
        Tensor features = pipeline.features(picture, layout); // (1, channels, H, W)
        progress.update("encode picture", 1, 1);

        progress.update("encode prompt", 0, 1);
        boolean instructed = options.promptUpdates() > 0;
        List<TextFeatures> texts = options.caption().variants(caption).stream()
                .map(text -> instructed
                        ? pipeline.text(text + options.instruction(), options.learnedRows(), cancellation)
                        : pipeline.text(text, cancellation))
                .toList(); // each (N, width)
        progress.update("encode prompt", 1, 1);

        RandomSource random = options.noise().from(options.seed());
        InversionTrainer trainer = pipeline.trainer(features, layout, options.biases(), random);
        Supplier<TextFeatures> drawn = () -> texts.get(texts.size() == 1 ? 0 : index(random, texts.size()));
        TrainingState state = files == null ? null : new TrainingState(files.state(), random);
        Stage interrupted = state == null ? null : state.stage();

        LearnedPrompt learned = null;
        if (instructed) {
            learned = LearnedPrompt.create(
                    infinity.pipeline().transformer().config().textChannels(), options.learnedRows());
            if (state != null && interrupted == Stage.ADAPTERS) {
                state.restore(learned);
            } else {
                StageKeeper keeper = new StageKeeper(options, Stage.PROMPT, state, interrupted, learned, null);
                trainer.learnPrompt(
                        learned, drawn, options.promptUpdates(), options.prompt(), keeper, keeper, cancellation);
            }
        }
        if (options.adapterUpdates() == 0) {
            return new Learned(source, learned, null);
        }
        LearnedPrompt frozen = learned;
        Supplier<TextFeatures> followed = () -> frozen == null ? drawn.get() : frozen.appendedTo(drawn.get());
        Lora adapters = adapters(options, random).attach();
        try {
            StageKeeper keeper = new StageKeeper(options, Stage.ADAPTERS, state, interrupted, learned, adapters);
            trainer.learnAdapters(
                    adapters, followed, options.adapterUpdates(), options.adapters(), keeper, keeper, cancellation);
        } finally {
            adapters.detach();
        }
        return new Learned(source, learned, adapters);
    }

    /// The picture's bits, which are computed only once for a folder: a resumed inversion has the same to the last
    /// one, whatever computes it.
    private List<Tensor> bits(RgbImage picture, PictureLayout layout, @Nullable InversionFolder files) {
        if (files != null && files.hasBits()) {
            return files.bits();
        }
        List<Tensor> bits = pipeline.bits(picture, layout);
        if (files != null) {
            files.keepBits(bits);
        }
        return bits;
    }

    private static int index(RandomSource random, int count) {
        float[] uniform = new float[1];
        random.rand(uniform);
        return (int) (uniform[0] * count);
    }

    /// Adapters that have not learned anything.
    private Lora adapters(InvertOptions options, RandomSource random) {
        Path start = options.adapterStart();
        return start == null
                ? Lora.create(
                        infinity.pipeline().transformer(),
                        options.lora(),
                        random,
                        InversionTrainer.ADAPTED_LAYERS.toArray(String[]::new))
                : LoraFiles.load(infinity.pipeline().transformer(), start, options.lora());
    }

    // ---- opening

    /// An inversion from what was learned elsewhere, such as files that the original has written. It can be rewritten
    /// and saved like one that was learned here.
    ///
    /// @param image the picture that was learned
    /// @param prompt what it shows, in words
    /// @param options those with which it was learned, as far as they say size, shape, instruction, number of rows and
    ///     strength of adapters
    /// @param learnedPrompt file of the learned rows, see [LearnedPromptFiles], or null if there are none
    /// @param adapters file of the adapters, see [LoraFiles], or null if there are none
    /// @throws IllegalArgumentException if the prompt is blank or too long, or an option does not fit the model
    /// @throws CheckpointException if a file cannot be read or does not fit the model
    public Inversion adopt(
            BufferedImage image,
            String prompt,
            InvertOptions options,
            @Nullable Path learnedPrompt,
            @Nullable Path adapters) {
        InvertOptions adopted = options.withAdapterStart(null)
                .withUpdates(
                        learnedPrompt == null ? 0 : Math.max(1, options.promptUpdates()),
                        adapters == null ? 0 : Math.max(1, options.adapterUpdates()));
        RgbImage picture = RgbImage.of(image);
        turn.lock();
        try {
            check(prompt, adopted);
            InversionDescription description = InversionDescription.of(fingerprint(), picture, prompt, adopted)
                    .with("adopted_prompt", learnedPrompt == null ? "" : Fingerprints.of(learnedPrompt))
                    .with("adopted_lora", adapters == null ? "" : Fingerprints.of(adapters));
            InfinityTransformer model = infinity.pipeline().transformer();
            return inScope(description, picture, () -> {
                LearnedPrompt rows = learnedPrompt == null
                        ? null
                        : InversionFolder.prompt(
                                learnedPrompt,
                                adopted.learnedRows(),
                                model.config().textChannels());
                Lora lora = adapters == null ? null : InversionFolder.adapters(adapters, adopted.lora(), model);
                PictureLayout layout = adopted.layout();
                return new Learned(pipeline.source(pipeline.bits(picture, layout), layout), rows, lora);
            });
        } finally {
            turn.unlock();
        }
    }

    /// Opens an inversion that this model has made.
    ///
    /// @throws CheckpointException if the folder holds no finished inversion, is damaged, or belongs to another model
    /// @throws IllegalArgumentException if its description makes no sense
    /// @throws dev.palimpsest.models.json.JsonException if its description is damaged
    public Inversion open(Path folder) {
        turn.lock();
        try {
            InversionFolder files = InversionFolder.open(folder);
            if (!files.description().model().equals(fingerprint())) {
                throw new CheckpointException(
                        folder, "was inverted with another model; use that one, or invert the picture with this one");
            }
            return open(files);
        } finally {
            turn.unlock();
        }
    }

    private Inversion open(InversionFolder files) {
        InversionDescription description = files.description();
        return inScope(
                description,
                files.picture(),
                () -> new Learned(
                        pipeline.source(files.bits(), description.layout()),
                        files.prompt(infinity.pipeline().transformer().config().textChannels()),
                        files.adapters(infinity.pipeline().transformer())));
    }

    private String fingerprint() {
        String known = fingerprint;
        if (known == null) {
            known = Fingerprints.of(infinity.pipeline());
            fingerprint = known;
        }
        return known;
    }

    // ---- rewriting

    Rewritten rewrite(Inversion inversion, String prompt, EditArea area, RewriteOptions options) {
        if (prompt.isBlank()) {
            throw new IllegalArgumentException("the prompt is empty; say what the rewritten picture should show");
        }
        InversionDescription description = inversion.description();
        GenerateOptions generation =
                options.generation().withSize(description.size()).withHeightToWidth(description.heightToWidth());
        infinity.check(generation);
        turn.lock();
        try {
            return Scope.run(() -> {
                Source source = inversion.bits();
                Heatmap attention = null;
                Mask mask = null;
                Tensor weights = null; // (H, W)
                Scale full = pipeline.latentSchedule(source.layout()).last();
                switch (area) {
                    case EditArea.Whole() -> {}
                    case EditArea.Masked(Mask given) -> {
                        mask = given;
                        weights = options.smoothing().weights(given, full.height(), full.width(), options.blocks());
                    }
                    case EditArea.Words(String words, String looked) -> {
                        Tensor map =
                                attention(source, looked == null ? description.prompt() : looked, words, generation);
                        attention = Heatmap.of(map);
                        mask = Mask.above(map, options.threshold());
                        MaskMethod method = options.maskMethod();
                        weights = options.smoothing()
                                .weights(method.drawn(mask), full.height(), full.width(), method.blocks());
                    }
                }
                GenerationRequest request = request(inversion, prompt, options, generation);
                GenerationRequest steered = weights == null
                        ? request
                        : request.withSteering(source.codes().blending(weights));
                RgbImage picture = adapted(
                        options.usesAdapters() ? inversion.adapters() : null, () -> infinity.make(steered, generation));
                return new Rewritten(
                        picture.toBufferedImage(), attention, mask, weights == null ? null : Heatmap.of(weights));
            });
        } finally {
            turn.unlock();
        }
    }

    /// What the new picture is made from.
    private GenerationRequest request(
            Inversion inversion, String prompt, RewriteOptions options, GenerateOptions generation) {
        LearnedPrompt learned = options.usesPrompt() ? inversion.learnedPrompt() : null;
        if (learned == null) {
            return infinity.request(prompt, generation);
        }
        String wished = generation.positivePrompt() ? PromptText.withPositivePrompt(prompt) : prompt;
        generation.progress().update("encode prompt", 0, 1);
        TextFeatures text = pipeline.text(
                wished + inversion.description().instruction(),
                learned.used(),
                generation.cancellation()); // (N, width)
        generation.progress().update("encode prompt", 1, 1);
        return infinity.request(learned.appendedTo(text), generation);
    }

    /// Where the model looks, without adapters. What guidance on the scores decides is replaced by the picture's own
    /// bits at every scale, so it is left out.
    private Tensor attention(Source source, String prompt, String words, GenerateOptions generation) {
        BitSampling sampling = generation.sampling();
        boolean inner = sampling.guidanceLayers().stream().anyMatch(layer -> layer < BitSampling.ON_SCORES);
        GenerateOptions unguided =
                generation.withSampling(sampling.withGuidance(1)).withNegativePrompt("");
        GenerateOptions looking = (inner ? generation : unguided).withPositivePrompt(false);
        ScaleSchedule schedule = source.layout().schedule();
        GenerationRequest request = infinity.request(prompt, looking)
                .withListener(step -> generation
                        .progress()
                        .update("look at the picture", schedule.start(step.scale() + 1), schedule.length()));
        generation.progress().update("look at the picture", 0, schedule.length());
        return pipeline.attention(source, prompt, words, request);
    }

    private static <T> T adapted(@Nullable Lora adapters, Supplier<T> work) {
        if (adapters == null) {
            return work.get();
        }
        adapters.attach();
        try {
            return work.get();
        } finally {
            adapters.detach();
        }
    }

    /// Closes the model if this editor has opened it. Inversions must be closed before.
    @Override
    public void close() {
        if (owns) {
            infinity.close();
        }
    }
}
