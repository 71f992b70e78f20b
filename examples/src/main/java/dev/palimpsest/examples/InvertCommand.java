package dev.palimpsest.examples;

import dev.palimpsest.models.api.Progress;
import dev.palimpsest.models.editinfinity.EditArea;
import dev.palimpsest.models.editinfinity.EditInfinity;
import dev.palimpsest.models.editinfinity.Inversion;
import dev.palimpsest.models.editinfinity.InvertOptions;
import dev.palimpsest.models.editinfinity.InvertOptions.Stage;
import dev.palimpsest.models.editinfinity.RewriteOptions;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.GenerateOptions;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.weights.CheckpointException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/// `palimpsest invert`: Infinity learns a picture, so that `rewrite` can change it.
@Command(
        name = "invert",
        mixinStandardHelpOptions = true,
        description = {
            "Teaches Infinity a picture, for 'rewrite' to change it (EditInfinity): first rows behind the source prompt,",
            "then low-rank adapters. What is not given comes from the model's config.json, or else is as in the original.",
            "If it is stopped, the same command goes on from the last saved update."
        })
final class InvertCommand implements Callable<Integer> {
    private static final String OF_THE_PICTURE = "picture";

    /// Files that every inversion begins with; those of one that is under way, and of one that is finished.
    private static final String DESCRIPTION = "inversion.json";

    private static final List<String> BEGINNING = List.of("source.safetensors", "source.png", DESCRIPTION);
    private static final String CHECKPOINT = "checkpoint.safetensors";
    private static final String LEARNED = "learned.safetensors";

    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Main main;

    @Mixin
    private InfinityModelOptions options;

    @Mixin
    private LearningOptions learning;

    @Option(
            names = "--image",
            paramLabel = "FILE",
            required = true,
            description = "The picture to learn: PNG, JPEG, GIF, BMP or WebP.")
    private Path image;

    @Option(names = "--prompt", paramLabel = "TEXT", required = true, description = "What the picture shows, in words.")
    private String prompt;

    @Option(
            names = "--pixels",
            paramLabel = "SIZE",
            converter = GenerateCommand.SizeConverter.class,
            description = "About how many pixels are learned: 0.06M, 0.25M, 0.60M or 1M.")
    private @Nullable PictureSize size;

    @Option(
            names = "--aspect",
            paramLabel = "W:H",
            description = "Width to height of what is learned, such as 3:2; the nearest of fifteen ratios is taken. "
                    + "'picture' takes that of the picture, which otherwise is cut to a square as in the original.")
    private @Nullable String aspect;

    @Option(
            names = "--adopt-prompt",
            paramLabel = "FILE",
            description = "Learn nothing, but take this learned prompt, perhaps one of the original's.")
    private @Nullable Path adoptedPrompt;

    @Option(
            names = "--adopt-lora",
            paramLabel = "FILE",
            description = "Learn nothing, but take these learned adapters, perhaps some of the original's.")
    private @Nullable Path adoptedLora;

    @Option(
            names = "--save-every",
            paramLabel = "N",
            description = "Save after every N updates; what is not saved is lost when the work is stopped.")
    private @Nullable Integer saveEvery;

    @Option(
            names = "--preview",
            paramLabel = "DIR",
            description = "Folder for pictures that show what was learned: reconstruction.png, what the picture's bits "
                    + "say, and scale_01.png and so on, what the model makes of the source prompt.")
    private @Nullable Path preview;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "output/inversion",
            description = "Folder for the inversion (default: ${DEFAULT-VALUE}).")
    private Path out;

    /// An update that was made.
    private record Update(Stage stage, int number, double loss, double gradientNorm) {}

    @Override
    public Integer call() {
        if (prompt.isBlank()) {
            throw new UserException("--prompt is empty; say what the picture shows");
        }
        LearningOptions.require("--save-every", saveEvery, 1);
        LearningOptions.requireFile("--adopt-prompt", adoptedPrompt);
        LearningOptions.requireFile("--adopt-lora", adoptedLora);
        RgbImage picture = ImageFiles.read(image);
        over(InvertOptions.defaults(), picture); // finds options that make no sense before a model is opened
        long start = System.nanoTime();
        PrintWriter err = spec.commandLine().getErr();
        List<Update> updates = new ArrayList<>();
        Interruption.guard(err, this::left, cancellation -> {
            try (var _ = new OutputFolder("--out", out);
                    var _ = preview == null ? null : new OutputFolder("--preview", preview)) {
                Engine.kernels();
                try (EditInfinity edit = load(options.model);
                        var progress = new ProgressDisplay(err, main.surroundings.terminal())) {
                    boolean finished = Files.exists(out.resolve(LEARNED));
                    boolean begun = Files.exists(out.resolve(CHECKPOINT));
                    InvertOptions invert = over(edit.invertOptions(), picture)
                            .withProgress(begun ? resuming(progress, err) : progress)
                            .withCancellation(cancellation)
                            .withListener((stage, update, loss, norm) -> {
                                updates.add(new Update(stage, update, loss, norm));
                                progress.note(String.format(Locale.ROOT, "loss %.4f", loss));
                            });
                    try (Inversion inversion = invert(edit, picture, invert)) {
                        if (finished) {
                            err.println(out + ": this inversion is finished already.");
                            err.flush();
                        }
                        RewriteOptions rewrite = edit.rewriteOptions();
                        GenerateOptions shown =
                                rewrite.generation().withProgress(progress).withCancellation(cancellation);
                        List<Path> previews = preview == null
                                ? List.of()
                                : previews(preview, inversion, rewrite.withGeneration(shown));
                        progress.end();
                        report(invert, updates, previews, (System.nanoTime() - start) / 1e9);
                    }
                }
            }
        });
        return ExitCode.OK;
    }

    private boolean isAdopting() {
        return adoptedPrompt != null || adoptedLora != null;
    }

    private InvertOptions over(InvertOptions model, RgbImage picture) {
        InvertOptions o = learning.over(model);
        try {
            o = options.seed == null ? o : o.withSeed(options.seed);
            o = options.noise == null ? o : o.withNoise(options.noise);
            o = options.biases == null ? o : o.withBiases(options.biases);
            o = size == null ? o : o.withSize(size);
            o = saveEvery == null ? o : o.withCheckpointEvery(saveEvery);
            if (aspect == null) {
                return o;
            }
            return aspect.equals(OF_THE_PICTURE)
                    ? o.withShapeOf(picture.toBufferedImage())
                    : o.withHeightToWidth(new GenerateCommand.AspectConverter().convert(aspect));
        } catch (TypeConversionException e) {
            throw new UserException("--aspect: " + e.getMessage() + ", nor '" + OF_THE_PICTURE + "'", e);
        } catch (IllegalArgumentException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }

    /// Tells with the first progress that an inversion goes on, so that nobody takes it for a new one.
    private Progress resuming(Progress progress, PrintWriter err) {
        var told = new AtomicBoolean();
        return (stage, done, total) -> {
            if (!told.getAndSet(true)) {
                err.println(out + ": an inversion was begun here and goes on from the last saved update.");
                err.flush();
            }
            progress.update(stage, done, total);
        };
    }

    /// What there is when the work was stopped.
    private String left() {
        return Files.exists(out.resolve(CHECKPOINT))
                ? "the same command goes on from the last saved update in " + out
                : Files.exists(out.resolve(LEARNED))
                        ? "the inversion in " + out + " is finished"
                        : "no update was saved yet, the same command begins anew";
    }

    private Inversion invert(EditInfinity edit, RgbImage picture, InvertOptions o) {
        boolean fresh = !Files.exists(out.resolve(DESCRIPTION));
        try {
            if (!isAdopting()) {
                return edit.invert(picture.toBufferedImage(), prompt, o, out);
            }
            try (Inversion adopted = edit.adopt(picture.toBufferedImage(), prompt, o, adoptedPrompt, adoptedLora)) {
                adopted.save(out);
            }
            return edit.open(out);
        } catch (IllegalArgumentException | CheckpointException e) {
            if (fresh && !Files.exists(out.resolve(CHECKPOINT))) {
                discard(e);
            }
            throw e instanceof CheckpointException ? e : new UserException(String.valueOf(e.getMessage()), e);
        }
    }

    /// Removes the beginning of an inversion that cannot be made.
    private void discard(RuntimeException reason) {
        for (String name : BEGINNING) {
            try {
                Files.deleteIfExists(out.resolve(name));
            } catch (IOException e) {
                reason.addSuppressed(e);
            }
        }
    }

    /// Shows what was learned.
    ///
    /// @param rewrite how the model makes the source prompt's picture
    private static List<Path> previews(Path folder, Inversion inversion, RewriteOptions rewrite) {
        List<Path> written = new ArrayList<>();
        Map<String, String> text = new LinkedHashMap<>();
        text.put("Software", "palimpsest");
        text.put("Prompt", inversion.prompt());
        Path reconstruction = folder.resolve("reconstruction.png");
        ImageFiles.writePng(RgbImage.of(inversion.reconstruction()), reconstruction, text);
        written.add(reconstruction);
        inversion.rewrite(
                inversion.prompt(),
                EditArea.whole(),
                rewrite.withGeneration(rewrite.generation().withPreviews(shown -> {
                    Path to = folder.resolve(GenerationOutput.previewName(shown));
                    ImageFiles.writePng(RgbImage.of(shown.picture()), to, text);
                    written.add(to);
                })));
        return written;
    }

    private void report(InvertOptions o, List<Update> updates, List<Path> previews, double seconds) {
        PrintWriter to = spec.commandLine().getOut();
        if (options.json) {
            JsonOutput.write(to, g -> {
                g.writeStringProperty("folder", out.toString());
                g.writeStringProperty("prompt", prompt);
                g.writeNumberProperty("seed", o.seed());
                g.writeNumberProperty("seconds", seconds);
                g.writeNumberProperty("peak_bytes", ProcessMemory.peakBytes());
                g.writeBooleanProperty("adopted", isAdopting());
                g.writeNumberProperty("prompt_updates", isAdopting() ? 0 : o.promptUpdates());
                g.writeNumberProperty("lora_updates", isAdopting() ? 0 : o.adapterUpdates());
                g.writeArrayPropertyStart("updates"); // those that were made now
                for (Update u : updates) {
                    g.writeStartObject();
                    g.writeStringProperty("stage", u.stage() == Stage.PROMPT ? "prompt" : "lora");
                    g.writeNumberProperty("update", u.number());
                    JsonOutput.number(g, "loss", u.loss());
                    JsonOutput.number(g, "gradient_norm", u.gradientNorm());
                    g.writeEndObject();
                }
                g.writeEndArray();
                g.writeArrayPropertyStart("previews");
                previews.forEach(p -> g.writeString(p.toString()));
                g.writeEndArray();
            });
            return;
        }
        previews.forEach(to::println);
        to.println(out);
        if (isAdopting()) {
            to.printf(Locale.ROOT, "what was learned elsewhere, adopted after %.1f s%n", seconds);
            to.flush();
            return;
        }
        to.printf(
                Locale.ROOT,
                "%s of the prompt, %s of the adapters%s after %.1f s%s%n",
                Text.count(o.promptUpdates(), "update"),
                Text.count(o.adapterUpdates(), "update"),
                updates.isEmpty()
                        ? ""
                        : String.format(
                                Locale.ROOT,
                                ", last loss %.4f,",
                                updates.getLast().loss()),
                seconds,
                ProcessMemory.text());
        to.flush();
    }

    /// Opens a model for editing.
    ///
    /// @throws UserException if its settings do not fit its files
    static EditInfinity load(Path folder) {
        try {
            return EditInfinity.load(folder);
        } catch (IllegalArgumentException e) {
            throw new UserException(folder + ": " + e.getMessage(), e);
        }
    }
}
