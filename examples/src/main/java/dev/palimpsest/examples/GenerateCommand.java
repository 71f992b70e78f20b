package dev.palimpsest.examples;

import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.GenerateOptions;
import dev.palimpsest.models.infinity.Infinity;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.ScaleSchedule;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/// `palimpsest generate`: a picture from words. What can be wrong is found before anything is computed; every picture
/// is written whole or not at all.
@Command(name = "generate", mixinStandardHelpOptions = true, description = "Makes a picture from words with Infinity.")
final class GenerateCommand implements Callable<Integer> {
    private static final String PNG = ".png";

    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Main main;

    @Mixin
    private InfinityOptions options;

    @Option(names = "--prompt", paramLabel = "TEXT", required = true, description = "What the picture should show.")
    private String prompt;

    @Option(
            names = "--negative-prompt",
            paramLabel = "TEXT",
            description = "What the picture should not show. Matters only with guidance.")
    private @Nullable String negativePrompt;

    @Option(
            names = "--pixels",
            paramLabel = "SIZE",
            converter = SizeConverter.class,
            description = "About how many pixels: 0.06M, 0.25M, 0.60M or 1M.")
    private @Nullable PictureSize size;

    @Option(
            names = "--aspect",
            paramLabel = "W:H",
            converter = AspectConverter.class,
            description =
                    "Width to height, such as 3:2 or 1:1.5; the nearest of fifteen ratios from 3:1 to 1:3 is taken.")
    private @Nullable Double heightToWidth;

    @Option(
            names = "--positive-prompt",
            negatable = true,
            description = "Wish for smooth faces where the prompt speaks of people.")
    private @Nullable Boolean positivePrompt;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            defaultValue = "output/picture.png",
            description = "PNG file for the picture (default: ${DEFAULT-VALUE}).")
    private Path file;

    @Override
    public Integer call() {
        if (prompt.isBlank()) {
            throw new UserException("--prompt is empty; say what the picture should show");
        }
        if (!EditCommand.name(file).toLowerCase(Locale.ROOT).endsWith(PNG) || Files.isDirectory(file)) {
            throw new UserException("--out: " + file + " is not the name of a PNG file; let it end in " + PNG);
        }
        over(GenerateOptions.defaults()); // finds options that make no sense before a model is opened
        Path folder = Objects.requireNonNull(file.toAbsolutePath().normalize().getParent());
        Path preview = options.preview;
        long start = System.nanoTime();
        List<Path> previews = new ArrayList<>();
        Interruption.guard(spec.commandLine().getErr(), cancellation -> {
            try (var _ = new OutputFolder("--out", folder);
                    var _ = preview == null ? null : new OutputFolder("--preview", preview)) {
                Engine.kernels();
                try (Infinity infinity = load(options.model);
                        var progress = new ProgressDisplay(spec.commandLine().getErr(), main.surroundings.terminal())) {
                    GenerateOptions plain =
                            over(infinity.options()).withProgress(progress).withCancellation(cancellation);
                    check(infinity, plain);
                    GenerateOptions generate = preview == null
                            ? plain
                            : plain.withPreviews(shown -> {
                                progress.end();
                                Path to = preview.resolve(
                                        String.format(Locale.ROOT, "scale_%02d" + PNG, shown.scale() + 1));
                                Map<String, String> text = settings(plain);
                                text.put("Scale", (shown.scale() + 1) + " of " + shown.scales());
                                ImageFiles.writePng(RgbImage.of(shown.picture()), to, text);
                                previews.add(to);
                            });
                    RgbImage picture = RgbImage.of(infinity.generate(prompt, generate));
                    progress.end();
                    ImageFiles.writePng(picture, file, settings(plain));
                    report(picture, plain, previews, (System.nanoTime() - start) / 1e9);
                }
            }
        });
        return ExitCode.OK;
    }

    private GenerateOptions over(GenerateOptions model) {
        GenerateOptions o = options.over(model);
        o = negativePrompt == null ? o : o.withNegativePrompt(negativePrompt);
        o = size == null ? o : o.withSize(size);
        o = heightToWidth == null ? o : o.withHeightToWidth(heightToWidth);
        return positivePrompt == null ? o : o.withPositivePrompt(positivePrompt);
    }

    /// Opens a model.
    ///
    /// @throws UserException if its settings do not fit its files
    static Infinity load(Path folder) {
        try {
            return Infinity.load(folder);
        } catch (IllegalArgumentException e) {
            throw new UserException(folder + ": " + e.getMessage(), e);
        }
    }

    private static void check(Infinity infinity, GenerateOptions options) {
        try {
            infinity.check(options);
        } catch (IllegalArgumentException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }

    /// How the picture was made, for its file to tell.
    private Map<String, String> settings(GenerateOptions o) {
        Map<String, String> text = new LinkedHashMap<>();
        text.put("Software", "palimpsest");
        text.put(
                "Model",
                "Infinity, " + EditCommand.name(options.model.toAbsolutePath().normalize()));
        text.put("Prompt", prompt);
        text.put("Negative prompt", o.negativePrompt());
        text.put("Seed", Long.toString(o.seed()));
        text.put("Pixels", o.size().label());
        text.put("Height to width", Double.toString(ScaleSchedule.nearestRatio(o.heightToWidth())));
        text.put("Guidance", words(o.sampling().guidance()));
        text.put("Guidance layers", words(o.sampling().guidanceLayers()));
        text.put("Tau", words(o.sampling().temperature()));
        text.put("Top-k", Integer.toString(o.sampling().topK()));
        text.put("Top-p", Double.toString(o.sampling().topP()));
        text.put("Noise", Words.of(o.noise()));
        text.put("Bias mode", Words.of(o.biases()));
        text.put("Positive prompt", o.positivePrompt() ? "yes" : "no");
        return text;
    }

    private static String words(List<?> values) {
        return values.stream().map(Object::toString).collect(Collectors.joining(","));
    }

    private void report(RgbImage picture, GenerateOptions o, List<Path> previews, double seconds) {
        PrintWriter out = spec.commandLine().getOut();
        if (options.json) {
            JsonOutput.write(out, g -> {
                g.writeStringProperty("file", file.toString());
                g.writeNumberProperty("width", picture.width());
                g.writeNumberProperty("height", picture.height());
                g.writeNumberProperty("seed", o.seed());
                g.writeStringProperty("prompt", prompt);
                g.writeNumberProperty("seconds", seconds);
                g.writeArrayPropertyStart("previews");
                previews.forEach(p -> g.writeString(p.toString()));
                g.writeEndArray();
            });
            return;
        }
        previews.forEach(out::println);
        out.println(file);
        out.printf("%s after %.1f s%n", picture, seconds);
        out.flush();
    }

    /// Reads `0.06M`, `0.25M`, `0.60M` and `1M`.
    static final class SizeConverter implements ITypeConverter<PictureSize> {
        @Override
        public PictureSize convert(String value) {
            try {
                return PictureSize.of(value);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(String.valueOf(e.getMessage()));
            }
        }
    }

    /// Reads a ratio of width to height as height divided by width.
    static final class AspectConverter implements ITypeConverter<Double> {
        private static final Pattern RATIO =
                Pattern.compile("([0-9]{1,6}(?:\\.[0-9]{1,6})?):([0-9]{1,6}(?:\\.[0-9]{1,6})?)");

        @Override
        public Double convert(String value) {
            Matcher ratio = RATIO.matcher(value);
            if (ratio.matches()) {
                double width = Double.parseDouble(ratio.group(1));
                double height = Double.parseDouble(ratio.group(2));
                if (width > 0 && height > 0) {
                    return height / width;
                }
            }
            throw new TypeConversionException("'" + value + "' is no ratio of width to height such as 16:9");
        }
    }
}
