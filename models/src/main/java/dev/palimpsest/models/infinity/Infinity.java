package dev.palimpsest.models.infinity;

import dev.palimpsest.models.api.ImageGenerator;
import dev.palimpsest.models.api.LoadOptions;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.GenerateOptions.Preview;
import dev.palimpsest.models.infinity.GenerationRequest.Step;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.text.T5Tokenizer;
import dev.palimpsest.models.text.VocabularyException;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.PackedWeights;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/// Infinity, pictures from text (Han et al. 2024, arXiv 2412.04431): a transformer that predicts the bits of a picture
/// scale by scale, from one position to the whole.
///
/// ```java
/// try (Infinity infinity = Infinity.load(Path.of("ckpt/Infinity-2B"))) {
///     BufferedImage picture = infinity.generate("a lighthouse at sunset", infinity.options().withSeed(1));
/// }
/// ```
///
/// Several threads may use one model.
public final class Infinity implements ImageGenerator<GenerateOptions> {
    private final InfinityPipeline pipeline;
    private final GenerateOptions options;
    private final JsonObject settings;
    private final Scope scope;
    private final List<Checkpoint> checkpoints;
    private final PackedWeights packed;
    private final PackedWeights passing;

    private Infinity(
            InfinityPipeline pipeline,
            JsonObject settings,
            Scope scope,
            List<Checkpoint> checkpoints,
            PackedWeights packed,
            PackedWeights passing) {
        this.pipeline = pipeline;
        this.options = GenerateOptions.of(settings);
        this.settings = settings;
        this.scope = scope;
        this.checkpoints = checkpoints;
        this.packed = packed;
        this.passing = passing;
    }

    /// Opens a model folder: the transformer, the autoencoder and the text encoder with its vocabulary, found as
    /// [InfinityFolder#of] says. Each may be a PyTorch or a safetensors file or a folder of shards. Sizes are read
    /// from the tensors; an optional `config.json` says what they cannot tell.
    ///
    /// Weights are mapped, not read: this takes moments, and memory only as far as it is used.
    ///
    /// @throws CheckpointException if a part is missing, damaged or of another model
    /// @throws IllegalArgumentException if a setting is not supported, or the parts do not fit together
    public static Infinity load(Path folder) {
        return load(folder, LoadOptions.defaults());
    }

    /// Opens a model folder; see the other [#load].
    ///
    /// @throws CheckpointException if a part is missing, damaged or of another model
    /// @throws IllegalArgumentException if a setting is not supported, or the parts do not fit together
    public static Infinity load(Path folder, LoadOptions options) {
        InfinityFolder files = InfinityFolder.of(folder);
        JsonObject settings = files.settings();
        requireFloat32(settings);
        T5Tokenizer tokenizer = tokenizer(files.vocabulary());
        List<Checkpoint> opened = new ArrayList<>();
        Scope scope = Scope.open();
        try {
            InfinityPipeline pipeline = scope.call(() -> {
                BsqVae vae = BsqVae.load(open(files.vae(), opened));
                int patch = vae.config().patchSize();
                if (settings.int32("vae_patch_size", patch) != patch) {
                    throw new IllegalArgumentException(settings.origin() + ": vae_patch_size is "
                            + settings.int32("vae_patch_size") + ", but the tensors of the autoencoder say " + patch);
                }
                InfinityTransformer transformer = InfinityTransformer.load(
                        open(files.transformer(), opened),
                        settings,
                        vae.config().channels());
                T5Encoder text = T5Encoder.load(open(files.textEncoder(), opened), files.textSettings());
                return new InfinityPipeline(transformer, vae, tokenizer, text);
            });
            List<Checkpoint> checkpoints = List.copyOf(opened);
            PackedWeights packed = options.packedWeights(checkpoints)
                    .attach(pipeline.transformer())
                    .attach(pipeline.vae());
            PackedWeights passing = options.withoutCopies().attach(pipeline.textEncoder());
            return new Infinity(pipeline, settings, scope, checkpoints, packed, passing);
        } catch (RuntimeException e) {
            scope.close();
            opened.forEach(Checkpoint::close);
            throw e;
        }
    }

    private static Checkpoint open(Path path, List<Checkpoint> opened) {
        Checkpoint checkpoint = Checkpoint.open(path);
        opened.add(checkpoint);
        return checkpoint;
    }

    private static void requireFloat32(JsonObject settings) {
        if (!settings.text("compute", "float32").equals("float32")) {
            throw new IllegalArgumentException(settings.origin() + ": compute \"" + settings.text("compute")
                    + "\" is not supported, only \"float32\"");
        }
    }

    private static T5Tokenizer tokenizer(Path vocabulary) {
        try {
            return T5Tokenizer.load(vocabulary);
        } catch (VocabularyException e) {
            throw new CheckpointException(vocabulary, e.reason(), e);
        } catch (IOException e) {
            throw new CheckpointException(vocabulary, "the vocabulary cannot be read: " + e.getMessage(), e);
        }
    }

    /// What this model makes pictures with unless asked otherwise: the settings of its folder.
    public GenerateOptions options() {
        return options;
    }

    /// The folder's `config.json`, empty if it has none.
    public JsonObject settings() {
        return settings;
    }

    /// The model's parts, for those who want to look inside.
    public InfinityPipeline pipeline() {
        return pipeline;
    }

    /// Checks whether the model can do what some options ask for.
    ///
    /// @throws IllegalArgumentException naming the option that does not fit
    public void check(GenerateOptions options) {
        int scales = options.layout().schedule().size();
        InfinityConfig config = pipeline.transformer().config();
        if (scales > config.levels()) {
            throw new IllegalArgumentException("pixels: " + options.size().label() + " means " + scales
                    + " scales, but the model has been trained for " + config.levels());
        }
        options.sampling().requireScales(scales);
        options.sampling().guidedBlocks(config.depth());
    }

    @Override
    public BufferedImage generate(String prompt, GenerateOptions options) {
        return Scope.run(() -> make(request(prompt, options), options)).toBufferedImage();
    }

    /// What [#generate] asks the transformer for: the prompts are encoded, nothing is predicted yet. The request can
    /// be changed before it goes to [#make]. Its tensors live in the caller's scope.
    ///
    /// @throws IllegalArgumentException if the prompt is blank or an option does not fit the model
    /// @throws java.util.concurrent.CancellationException if the options' cancellation was used
    public GenerationRequest request(String prompt, GenerateOptions options) {
        requireText(prompt);
        check(options);
        String text = options.positivePrompt() ? PromptText.withPositivePrompt(prompt) : prompt;
        return request(encode("encode prompt", text, options), options);
    }

    /// What [#make] is asked for a text that is encoded already.
    ///
    /// @param text of one text, `(N, width)`
    /// @throws IllegalArgumentException if an option does not fit the model
    /// @throws java.util.concurrent.CancellationException if the options' cancellation was used
    public GenerationRequest request(TextFeatures text, GenerateOptions options) {
        check(options);
        TextFeatures negative = options.negativePrompt().isBlank()
                ? null
                : encode("encode negative prompt", options.negativePrompt(), options); // (N', width)
        return GenerationRequest.of(
                        text, options.layout(), BitDraw.from(options.noise().from(options.seed())))
                .withNegative(negative)
                .withBiases(options.biases())
                .withSampling(options.sampling())
                .withCancellation(options.cancellation());
    }

    private static void requireText(String prompt) {
        if (prompt.isBlank()) {
            throw new IllegalArgumentException("the prompt is empty; say what the picture should show");
        }
    }

    private TextFeatures encode(String stage, String text, GenerateOptions options) {
        options.progress().update(stage, 0, 1);
        TextFeatures features = pipeline.encodeText(text, options.cancellation()); // (N, width)
        options.progress().update(stage, 1, 1);
        return features;
    }

    /// Makes the picture of a request for a single text, with the options' progress, steps and previews.
    ///
    /// @throws IllegalArgumentException if the request does not fit the model
    /// @throws java.util.concurrent.CancellationException if the request's cancellation was used
    public RgbImage make(GenerationRequest request, GenerateOptions options) {
        ScaleSchedule schedule = request.layout().schedule();
        Consumer<Preview> previews = options.previews();
        int last = schedule.size() - 1;
        // The last scales have most of the tokens and take most of the time, so tokens are counted.
        options.progress().update("predict tokens", 0, schedule.length());
        Consumer<Step> watching = step -> {
            options.progress().update("predict tokens", schedule.start(step.scale() + 1), schedule.length());
            if (previews != null && step.scale() < last) {
                request.cancellation().check();
                RgbImage picture = pipeline.decode(step.sum());
                previews.accept(new Preview(step.scale(), schedule.size(), picture.toBufferedImage()));
            }
        };
        return Scope.run(() -> {
            Tensor latents = pipeline.generate(request.withListener(
                    request.listener().andThen(options.steps()).andThen(watching))); // (1, channels, h, w)
            request.cancellation().check();
            options.progress().update("decode picture", 0, 1);
            RgbImage picture = pipeline.decode(latents);
            options.progress().update("decode picture", 1, 1);
            if (previews != null) {
                previews.accept(new Preview(last, schedule.size(), picture.toBufferedImage()));
            }
            return picture;
        });
    }

    /// The packed weights of the transformer and the autoencoder: their arithmetic, and the memory that they take up so
    /// far.
    public PackedWeights packedWeights() {
        return packed;
    }

    /// Unmaps the weights and gives back all memory.
    @Override
    public void close() {
        scope.close();
        packed.close();
        passing.close();
        checkpoints.forEach(Checkpoint::close);
    }
}
