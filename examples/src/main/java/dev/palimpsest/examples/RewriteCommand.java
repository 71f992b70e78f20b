package dev.palimpsest.examples;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.editinfinity.EditArea;
import dev.palimpsest.models.editinfinity.EditInfinity;
import dev.palimpsest.models.editinfinity.Heatmap;
import dev.palimpsest.models.editinfinity.Inversion;
import dev.palimpsest.models.editinfinity.Mask;
import dev.palimpsest.models.editinfinity.MaskMethod;
import dev.palimpsest.models.editinfinity.RewriteOptions;
import dev.palimpsest.models.editinfinity.Rewritten;
import dev.palimpsest.models.editinfinity.Smoothing;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.GenerateOptions;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.awt.image.BufferedImage;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/// `palimpsest rewrite`: a picture that Infinity has learned, made again from another text.
@Command(
        name = "rewrite",
        mixinStandardHelpOptions = true,
        description = {
            "Changes a picture that 'invert' has taught Infinity, as another text says (EditInfinity): all of it, what a",
            "mask marks, or where the model looks when it reads a word of the source prompt.",
            "What is not given comes from the model's config.json, or else is as in the original."
        })
final class RewriteCommand implements Callable<Integer> {
    /// Largest relative difference of the proportions of a mask and of the picture.
    private static final double SAME_SHAPE = 0.02;

    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Main main;

    @Mixin
    private InfinityOptions options;

    @Option(
            names = "--inversion",
            paramLabel = "DIR",
            required = true,
            description = "Folder that 'invert' has written.")
    private Path folder;

    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            required = true,
            description = "What the changed picture should show.")
    private String prompt;

    @Option(
            names = "--mask",
            paramLabel = "FILE",
            description = "A picture of the source's shape: what is black in it may change, what is white stays.")
    private @Nullable Path mask;

    @Option(
            names = "--mask-blocks",
            paramLabel = "CUT",
            converter = BlocksConverter.class,
            description =
                    "How a mask whose sides do not divide is cut into positions: rounded, as the original does, or "
                            + "exact.")
    private Mask.@Nullable Blocks blocks;

    @Option(
            names = "--target-word",
            paramLabel = "WORDS",
            description =
                    "Change where the model looks when it reads this word of the source prompt, or these, given as "
                            + "they stand there.")
    private @Nullable String targetWord;

    @Option(
            names = "--attention-prompt",
            paramLabel = "TEXT",
            description = "A text in place of the source prompt that has the target word.")
    private @Nullable String attentionPrompt;

    @Option(
            names = "--threshold",
            paramLabel = "X",
            description = "How much attention means change, from 0, the least there is, to 1, the most.")
    private @Nullable Double threshold;

    @Option(
            names = "--mask-method",
            paramLabel = "METHOD",
            converter = MethodConverter.class,
            description =
                    "How attention becomes a mask: direct, or plotted, by way of a picture that does not quite fit, "
                            + "as the original does.")
    private @Nullable MaskMethod method;

    @Option(
            names = "--smoothing",
            paramLabel = "KERNEL",
            converter = SmoothingConverter.class,
            description =
                    "How the source fades in around what may change: code, as the original computes it, or paper, "
                            + "as its paper says.")
    private @Nullable Smoothing smoothing;

    @Option(
            names = "--learned-prompt",
            negatable = true,
            description = "Whether the learned prompt follows the prompt, announced by the instruction.")
    private @Nullable Boolean usesPrompt;

    @Option(names = "--lora", negatable = true, description = "Whether the learned adapters are in the model.")
    private @Nullable Boolean usesAdapters;

    @Option(
            names = "--masks",
            paramLabel = "DIR",
            description = "Folder for what decided where the picture changes: attention.png, mask.png (black changes), "
                    + "weights.png (white is the source), and their numbers in masks.safetensors.")
    private @Nullable Path masks;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            defaultValue = "output/rewritten.png",
            description = "PNG file for the picture (default: ${DEFAULT-VALUE}).")
    private Path file;

    @Override
    public Integer call() {
        requireSense();
        GenerationOutput.requirePng(file);
        RgbImage marked = mask == null ? null : ImageFiles.read(mask);
        over(RewriteOptions.defaults()); // finds options that make no sense before a model is opened
        long start = System.nanoTime();
        PrintWriter err = spec.commandLine().getErr();
        Interruption.guard(err, cancellation -> {
            try (var output = new GenerationOutput(file, options.preview, options.bits);
                    var _ = masks == null ? null : new OutputFolder("--masks", masks)) {
                Engine.kernels();
                try (EditInfinity edit = InvertCommand.load(options.model);
                        Inversion inversion = open(edit);
                        var progress = new ProgressDisplay(err, main.surroundings.terminal())) {
                    EditArea area = area(marked, inversion);
                    RewriteOptions plain = over(edit.rewriteOptions());
                    GenerateOptions generation =
                            plain.generation().withProgress(progress).withCancellation(cancellation);
                    Map<String, String> settings = settings(inversion, plain);
                    Rewritten rewritten = rewrite(
                            inversion, area, plain.withGeneration(output.watching(generation, settings, progress)));
                    progress.end();
                    RgbImage picture = RgbImage.of(rewritten.picture());
                    List<Path> shown = masks == null ? List.of() : write(rewritten, masks);
                    output.write(picture, settings);
                    report(output, picture, plain, shown, (System.nanoTime() - start) / 1e9);
                }
            }
        });
        return ExitCode.OK;
    }

    private void requireSense() {
        if (prompt.isBlank()) {
            throw new UserException("--prompt is empty; say what the picture should show");
        }
        if (mask != null && targetWord != null) {
            throw new UserException("--mask and --target-word both say what may change; give one of them");
        }
        if (targetWord != null && targetWord.isBlank()) {
            throw new UserException("--target-word is empty; give a word of the source prompt");
        }
        boolean words = targetWord != null;
        requireWith("--threshold", threshold, words, "--target-word");
        requireWith("--attention-prompt", attentionPrompt, words, "--target-word");
        requireWith("--mask-method", method, words, "--target-word");
        requireWith("--mask-blocks", blocks, mask != null, "--mask");
        requireWith("--smoothing", smoothing, words || mask != null, "--mask or --target-word");
        requireWith("--masks", masks, words || mask != null, "--mask or --target-word");
    }

    private static void requireWith(String option, @Nullable Object value, boolean other, String others) {
        if (value != null && !other) {
            throw new UserException(option + " says nothing without " + others);
        }
    }

    private RewriteOptions over(RewriteOptions model) {
        try {
            RewriteOptions o = model.withGeneration(options.over(model.generation()));
            o = threshold == null ? o : o.withThreshold(threshold);
            o = method == null ? o : o.withMaskMethod(method);
            o = blocks == null ? o : o.withBlocks(blocks);
            o = smoothing == null ? o : o.withSmoothing(smoothing);
            return o.withLearned(
                    usesPrompt == null ? o.usesPrompt() : usesPrompt,
                    usesAdapters == null ? o.usesAdapters() : usesAdapters);
        } catch (IllegalArgumentException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }

    private Inversion open(EditInfinity edit) {
        try {
            return edit.open(folder);
        } catch (IllegalArgumentException e) {
            throw new UserException(folder + ": " + e.getMessage(), e);
        }
    }

    private EditArea area(@Nullable RgbImage marked, Inversion inversion) {
        if (marked != null) {
            BufferedImage source = inversion.source();
            BufferedImage made = inversion.reconstruction();
            if (!isOfShape(marked, source) && !isOfShape(marked, made)) {
                throw new UserException(
                        "--mask: " + mask + " has " + marked + ", which is another shape than that of the "
                                + "picture, " + RgbImage.of(source) + "; draw it over the picture");
            }
            return EditArea.mask(marked.toBufferedImage());
        }
        return targetWord == null
                ? EditArea.whole()
                : EditArea.words(targetWord).withPrompt(attentionPrompt);
    }

    private static boolean isOfShape(RgbImage mask, BufferedImage picture) {
        double other = (double) picture.getWidth() / picture.getHeight();
        return Math.abs((double) mask.width() / mask.height() / other - 1) <= SAME_SHAPE;
    }

    private Rewritten rewrite(Inversion inversion, EditArea area, RewriteOptions o) {
        try {
            return inversion.rewrite(prompt, area, o);
        } catch (IllegalArgumentException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }

    /// How the picture was made, for its file to tell.
    private Map<String, String> settings(Inversion inversion, RewriteOptions o) {
        Map<String, String> text = GenerationOutput.settings(options.model, prompt, o.generation());
        text.put("Inversion", EditCommand.name(folder.toAbsolutePath().normalize()));
        text.put("Source prompt", inversion.prompt());
        text.put("Pixels", inversion.size().label());
        text.put("Height to width", Double.toString(inversion.heightToWidth()));
        text.put("Learned prompt", o.usesPrompt() ? "yes" : "no");
        text.put("Adapters", o.usesAdapters() ? "yes" : "no");
        if (mask != null) {
            text.put("Mask", EditCommand.name(mask));
            text.put("Mask blocks", Words.of(o.blocks()));
        }
        if (targetWord != null) {
            text.put("Target word", targetWord);
            if (attentionPrompt != null) {
                text.put("Attention prompt", attentionPrompt);
            }
            text.put("Threshold", Double.toString(o.threshold()));
            text.put("Mask method", Words.of(o.maskMethod()));
        }
        if (mask != null || targetWord != null) {
            text.put("Smoothing", SmoothingConverter.word(o.smoothing()));
        }
        return text;
    }

    /// Writes what decided where the picture changed.
    private static List<Path> write(Rewritten rewritten, Path masks) {
        Map<String, BufferedImage> pictures = new LinkedHashMap<>();
        try (Arena arena = Arena.ofConfined()) {
            var numbers = new SafeTensorsWriter().metadata("format", "pt");
            if (rewritten.attention() != null) {
                pictures.put("attention.png", rewritten.attention().toImage());
                numbers.add("attention_map", array(rewritten.attention(), arena));
            }
            if (rewritten.mask() != null) {
                pictures.put("mask.png", rewritten.mask().toImage());
            }
            if (rewritten.weights() != null) {
                pictures.put("weights.png", shares(rewritten.weights()));
                numbers.add("weights", array(rewritten.weights(), arena));
            }
            List<Path> written = new ArrayList<>();
            pictures.forEach((name, picture) -> {
                Path to = masks.resolve(name);
                ImageFiles.writePng(RgbImage.of(picture), to, Map.of("Software", "palimpsest"));
                written.add(to);
            });
            Path to = masks.resolve("masks.safetensors");
            numbers.write(to);
            written.add(to);
            return written;
        }
    }

    /// A grey picture of numbers from 0, black, to 1, white.
    private static BufferedImage shares(Heatmap map) {
        var image = new BufferedImage(map.width(), map.height(), BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < map.height(); y++) {
            for (int x = 0; x < map.width(); x++) {
                int level = Math.round(255 * map.get(y, x));
                image.setRGB(x, y, level << 16 | level << 8 | level);
            }
        }
        return image;
    }

    private static NdArray array(Heatmap map, Arena arena) {
        return NdArray.of(
                arena.allocateFrom(ValueLayout.JAVA_FLOAT, map.values()),
                DType.F32,
                Shape.of(map.height(), map.width()));
    }

    private void report(GenerationOutput output, RgbImage picture, RewriteOptions o, List<Path> shown, double seconds) {
        PrintWriter out = spec.commandLine().getOut();
        if (options.json) {
            JsonOutput.write(out, g -> {
                output.report(g, picture, seconds);
                g.writeNumberProperty("peak_bytes", ProcessMemory.peakBytes());
                g.writeNumberProperty("seed", o.generation().seed());
                g.writeStringProperty("prompt", prompt);
                g.writeArrayPropertyStart("masks");
                shown.forEach(p -> g.writeString(p.toString()));
                g.writeEndArray();
            });
        } else {
            shown.forEach(out::println);
            output.report(out, picture, seconds, ProcessMemory.text());
        }
    }

    /// Reads `rounded` and `exact`.
    static final class BlocksConverter implements ITypeConverter<Mask.Blocks> {
        @Override
        public Mask.Blocks convert(String value) {
            return Words.constant(Mask.Blocks.values(), value);
        }
    }

    /// Reads `direct` and `plotted`.
    static final class MethodConverter implements ITypeConverter<MaskMethod> {
        @Override
        public MaskMethod convert(String value) {
            return Words.constant(MaskMethod.values(), value);
        }
    }

    /// Reads `code` and `paper`.
    static final class SmoothingConverter implements ITypeConverter<Smoothing> {
        private enum Kernel {
            CODE,
            PAPER
        }

        @Override
        public Smoothing convert(String value) {
            return switch (Words.constant(Kernel.values(), value)) {
                case CODE -> Smoothing.ORIGINAL;
                case PAPER -> Smoothing.PAPER;
            };
        }

        /// The word for a kernel.
        static String word(Smoothing smoothing) {
            return Words.of(smoothing.equals(Smoothing.PAPER) ? Kernel.PAPER : Kernel.CODE);
        }
    }
}
