package dev.palimpsest.models.vincie;

import dev.palimpsest.models.api.ImageEditor;
import dev.palimpsest.models.api.LoadOptions;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.text.QwenTokenizer;
import dev.palimpsest.models.text.VocabularyException;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.nn.PackedWeights;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.WeightTree;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// VINCIE, in-context image editing (Qu et al. 2025, arXiv 2506.10941): a diffusion transformer that sees all pictures
/// and prompts of a session at once and makes the next picture.
///
/// ```java
/// try (Vincie vincie = Vincie.load(Path.of("ckpt/VINCIE-3B"))) {
///     VincieSession session = vincie.edit(image, vincie.options().withSeed(1));
///     BufferedImage first = session.apply("Lower the pineapple beside her face.");
///     BufferedImage second = session.apply("Add a crown to the woman's head.");
/// }
/// ```
///
/// Several threads may use one model, each with a session of its own.
public final class Vincie implements ImageEditor<EditOptions> {
    private final VincieConfig config;
    private final VinciePipeline pipeline;
    private final QwenTokenizer tokenizer;
    private final Scope scope;
    private final List<Checkpoint> checkpoints;
    private final PackedWeights packed;
    private final PackedWeights passing;

    private Vincie(
            VincieConfig config,
            VinciePipeline pipeline,
            QwenTokenizer tokenizer,
            Scope scope,
            List<Checkpoint> checkpoints,
            PackedWeights packed,
            PackedWeights passing) {
        this.config = config;
        this.pipeline = pipeline;
        this.tokenizer = tokenizer;
        this.scope = scope;
        this.checkpoints = checkpoints;
        this.packed = packed;
        this.passing = passing;
    }

    /// Opens a model folder laid out as the original's: the transformer in `dit.pth`, the autoencoder in `vae.pth`,
    /// the text encoder in `llm14b/` (shards with their index, or one file, and `qwen.tiktoken`). Each may also be a
    /// safetensors file, as `dit.safetensors` and `vae.safetensors`. Sizes are read from the tensors; an optional
    /// `config.json` says what they cannot tell.
    ///
    /// Weights are mapped, not read: this takes moments, and memory only as far as it is used.
    ///
    /// @throws CheckpointException if a part is missing, damaged or of another model
    /// @throws IllegalArgumentException if a setting is not supported
    public static Vincie load(Path folder) {
        return load(folder, LoadOptions.defaults());
    }

    /// Opens a model folder; see the other [#load].
    ///
    /// @throws CheckpointException if a part is missing, damaged or of another model
    /// @throws IllegalArgumentException if a setting is not supported, or the parts do not fit together
    public static Vincie load(Path folder, LoadOptions options) {
        if (!Files.isDirectory(folder)) {
            throw new CheckpointException(
                    folder, Files.exists(folder) ? "is a file, not a model folder" : "there is no such model folder");
        }
        List<Checkpoint> opened = new ArrayList<>();
        Scope scope = Scope.open();
        try {
            Path llm = folder.resolve("llm14b");
            Checkpoint dit = open(folder, opened, "dit.pth", "dit.safetensors");
            Checkpoint vae = open(folder, opened, "vae.pth", "vae.safetensors");
            Checkpoint text = open(folder, opened, "llm14b");
            Path settings = folder.resolve("config.json");
            VincieConfig config = VincieConfig.of(
                    Files.exists(settings) ? JsonObject.read(settings) : JsonObject.empty(settings.toString()));
            QwenTokenizer tokenizer = tokenizer(llm.resolve("qwen.tiktoken"));
            JsonObject qwen = config.text().names().isEmpty() && Files.exists(llm.resolve("config.json"))
                    ? JsonObject.read(llm.resolve("config.json"))
                    : config.text();
            VinciePipeline pipeline = scope.call(() -> {
                WeightTree ditWeights = NaDit.weights(dit);
                NaDit transformer = new NaDit(ditWeights, NaDitConfig.of(ditWeights, config.dit()));
                PromptIdEmbedding promptIds = new PromptIdEmbedding(ditWeights.at("prompt_id_embedding"));
                ditWeights.requireComplete();
                CausalVideoVae autoencoder = CausalVideoVae.load(vae, config.vae());
                WeightTree textWeights = WeightTree.of(text);
                QwenEncoder encoder =
                        new QwenEncoder(QwenConfig.from(textWeights, qwen), textWeights, tokenizer.endOfText());
                textWeights.requireComplete();
                if (tokenizer.vocabularySize() > encoder.config().vocabulary()) {
                    throw new CheckpointException(
                            llm.resolve("qwen.tiktoken"),
                            "has " + tokenizer.vocabularySize() + " tokens with the special ones, but the text encoder "
                                    + "knows only " + encoder.config().vocabulary()
                                    + "; they belong to different models");
                }
                return new VinciePipeline(transformer, promptIds, autoencoder, encoder, config.fusion());
            });
            List<Checkpoint> checkpoints = List.copyOf(opened);
            PackedWeights packed =
                    options.packedWeights(checkpoints).attach(pipeline.dit()).attach(pipeline.vae());
            PackedWeights passing = options.withoutCopies().attach(pipeline.text());
            return new Vincie(config, pipeline, tokenizer, scope, checkpoints, packed, passing);
        } catch (RuntimeException e) {
            scope.close();
            opened.forEach(Checkpoint::close);
            throw e;
        }
    }

    private static Checkpoint open(Path folder, List<Checkpoint> opened, String... names) {
        for (String name : names) {
            Path path = folder.resolve(name);
            if (Files.exists(path)) {
                Checkpoint checkpoint = Checkpoint.open(path);
                opened.add(checkpoint);
                return checkpoint;
            }
        }
        throw new CheckpointException(
                folder, "has no " + String.join(" or ", names) + "; it is not the folder of a VINCIE model");
    }

    private static QwenTokenizer tokenizer(Path vocabulary) {
        try {
            return QwenTokenizer.load(vocabulary);
        } catch (VocabularyException e) {
            throw new CheckpointException(vocabulary, e.reason(), e);
        } catch (IOException e) {
            throw new CheckpointException(vocabulary, "the vocabulary cannot be read: " + e.getMessage(), e);
        }
    }

    /// What this model is edited with unless asked otherwise: the settings of its folder.
    public EditOptions options() {
        return config.options();
    }

    /// The model's settings.
    public VincieConfig config() {
        return config;
    }

    /// The model's parts, for those who want to look inside.
    public VinciePipeline pipeline() {
        return pipeline;
    }

    /// Splits a prompt into tokens.
    QwenTokenizer tokenizer() {
        return tokenizer;
    }

    /// Starts editing a picture turn by turn.
    @Override
    public VincieSession edit(BufferedImage image, EditOptions options) {
        return new VincieSession(this, List.of(RgbImage.of(image)), List.of(), options);
    }

    /// Starts with several pictures that become one (multi-concept composition). Each picture but the last is
    /// introduced by a prompt of its own, `<IMG1>: ` for the second and so on; the instruction goes to
    /// [VincieSession#apply(String)] and names pictures by their placeholders: `Based on <IMG0>, <IMG1>, a man in
    /// <IMG0> with the dog in <IMG1>. Output <IMG2>: `. Prompts are used as they are.
    ///
    /// @param images at least one
    public VincieSession compose(List<BufferedImage> images, EditOptions options) {
        List<String> introductions = new ArrayList<>();
        for (int i = 1; i < images.size(); i++) {
            introductions.add("<IMG" + i + ">: ");
        }
        return compose(images, introductions, options);
    }

    /// Starts with several pictures and the prompts that belong to all but the last of them; see the other [#compose].
    ///
    /// @param images at least one
    /// @param introductions one less than pictures
    /// @throws IllegalArgumentException if the numbers do not fit
    public VincieSession compose(List<BufferedImage> images, List<String> introductions, EditOptions options) {
        if (images.isEmpty() || introductions.size() != images.size() - 1) {
            throw new IllegalArgumentException(images.size() + " pictures need " + Math.max(images.size() - 1, 0)
                    + " introducing prompts, not " + introductions.size());
        }
        return new VincieSession(
                this, images.stream().map(RgbImage::of).toList(), introductions, options.withImagePlaceholders(false));
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
