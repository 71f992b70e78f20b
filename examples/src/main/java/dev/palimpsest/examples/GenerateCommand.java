package dev.palimpsest.examples;

import dev.palimpsest.models.api.LoadOptions;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.GenerateOptions;
import dev.palimpsest.models.infinity.Infinity;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.ScaleSchedule;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
@Command(
        name = "generate",
        mixinStandardHelpOptions = true,
        description = {
            "Makes a picture from words with Infinity.",
            "What is not given comes from the model's config.json, or else is as in the original."
        })
final class GenerateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Main main;

    @Mixin
    private InfinityOptions options;

    @Mixin
    private ArithmeticOption arithmetic;

    @Option(names = "--prompt", paramLabel = "TEXT", required = true, description = "What the picture should show.")
    private String prompt;

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
        GenerationOutput.requirePng(file);
        over(GenerateOptions.defaults()); // finds options that make no sense before a model is opened
        long start = System.nanoTime();
        PrintWriter err = spec.commandLine().getErr();
        Interruption.guard(err, cancellation -> {
            try (var output = new GenerationOutput(file, options.preview, options.bits)) {
                Engine.kernels();
                long opening = System.nanoTime();
                try (Infinity infinity = load(options.model, arithmetic.load());
                        var progress = new ProgressDisplay(err, main.surroundings.terminal())) {
                    double loaded = (System.nanoTime() - opening) / 1e9;
                    GenerateOptions plain =
                            over(infinity.options()).withProgress(progress).withCancellation(cancellation);
                    check(infinity, plain);
                    Map<String, String> settings = settings(plain);
                    RgbImage picture =
                            RgbImage.of(infinity.generate(prompt, output.watching(plain, settings, progress)));
                    progress.end();
                    output.write(picture, settings);
                    report(output, picture, plain, loaded, (System.nanoTime() - start) / 1e9);
                }
            }
        });
        return ExitCode.OK;
    }

    private GenerateOptions over(GenerateOptions model) {
        GenerateOptions o = options.over(model);
        o = size == null ? o : o.withSize(size);
        return heightToWidth == null ? o : o.withHeightToWidth(heightToWidth);
    }

    /// Opens a model.
    ///
    /// @throws UserException if its settings do not fit its files
    static Infinity load(Path folder, LoadOptions options) {
        try {
            return Infinity.load(folder, options);
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
        Map<String, String> text = GenerationOutput.settings(options.model, prompt, o);
        arithmetic.describe(text);
        text.put("Pixels", o.size().label());
        text.put("Height to width", Double.toString(ScaleSchedule.nearestRatio(o.heightToWidth())));
        return text;
    }

    private void report(GenerationOutput output, RgbImage picture, GenerateOptions o, double loaded, double seconds) {
        PrintWriter out = spec.commandLine().getOut();
        if (options.json) {
            JsonOutput.write(out, g -> {
                output.report(g, picture, seconds);
                g.writeNumberProperty("load_seconds", loaded);
                g.writeNumberProperty("peak_bytes", ProcessMemory.peakBytes());
                g.writeNumberProperty("seed", o.seed());
                g.writeStringProperty("prompt", prompt);
            });
        } else {
            String opening = String.format(Locale.ROOT, ", %.1f s of them to open the model", loaded);
            output.report(out, picture, seconds, opening + ProcessMemory.text());
        }
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
