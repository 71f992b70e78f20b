package dev.palimpsest.examples;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.GenerateOptions;
import dev.palimpsest.models.infinity.GenerateOptions.Preview;
import dev.palimpsest.models.infinity.GenerationRequest.Step;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;

/// Where a picture that Infinity makes goes, and the pictures and bits of every scale if they are asked for. Every
/// picture tells how it was made.
final class GenerationOutput implements AutoCloseable {
    private static final String PNG = ".png";

    private final Path file;
    private final @Nullable Path preview;
    private final @Nullable Path bits;
    private final SafeTensorsWriter drawn = new SafeTensorsWriter().metadata("format", "pt");
    private final List<Path> previews = new ArrayList<>();
    private final List<OutputFolder> folders = new ArrayList<>();

    /// Checks that the files can be written, and makes their folders.
    ///
    /// @param file for the picture
    /// @param preview folder for the pictures after every scale, or null
    /// @param bits file for the bits of every scale, or null
    /// @throws UserException if they cannot
    GenerationOutput(Path file, @Nullable Path preview, @Nullable Path bits) {
        this.file = file;
        this.preview = preview;
        this.bits = bits;
        try {
            folders.add(new OutputFolder("--out", parent(file)));
            if (bits != null) {
                if (Files.isDirectory(bits)) {
                    throw new UserException("--bits: " + bits + " is a folder; give the name of a file");
                }
                folders.add(new OutputFolder("--bits", parent(bits)));
            }
            if (preview != null) {
                folders.add(new OutputFolder("--preview", preview));
            }
        } catch (UserException e) {
            close();
            throw e;
        }
    }

    private static Path parent(Path file) {
        return Objects.requireNonNull(file.toAbsolutePath().normalize().getParent());
    }

    /// Checks the name of a picture's file.
    ///
    /// @throws UserException if it does not end in `.png` or is a folder
    static void requirePng(Path file) {
        if (!EditCommand.name(file).toLowerCase(Locale.ROOT).endsWith(PNG) || Files.isDirectory(file)) {
            throw new UserException("--out: " + file + " is not the name of a PNG file; let it end in " + PNG);
        }
    }

    /// How a picture is made, as far as every picture of Infinity has it, in the order in which `inspect` prints it.
    static Map<String, String> settings(Path model, String prompt, GenerateOptions o) {
        Map<String, String> text = new LinkedHashMap<>();
        text.put("Software", "palimpsest");
        text.put("Model", "Infinity, " + EditCommand.name(model.toAbsolutePath().normalize()));
        text.put("Prompt", prompt);
        text.put("Negative prompt", o.negativePrompt());
        text.put("Seed", Long.toString(o.seed()));
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

    /// What the picture after a scale is called.
    static String previewName(Preview shown) {
        return String.format(Locale.ROOT, "scale_%02d" + PNG, shown.scale() + 1);
    }

    /// The options with previews and bits that are written if they are asked for.
    ///
    /// @param settings what every preview says of how it was made
    GenerateOptions watching(GenerateOptions plain, Map<String, String> settings, ProgressDisplay progress) {
        GenerateOptions options = bits == null ? plain : plain.withSteps(this::keep);
        if (preview == null) {
            return options;
        }
        return options.withPreviews(shown -> {
            progress.end();
            Path to = preview.resolve(previewName(shown));
            Map<String, String> text = new LinkedHashMap<>(settings);
            text.put("Scale", (shown.scale() + 1) + " of " + shown.scales());
            ImageFiles.writePng(RgbImage.of(shown.picture()), to, text);
            previews.add(to);
        });
    }

    /// Remembers the bits of a scale.
    private void keep(Step step) {
        long[] values = step.drawn().toLongArray();
        MemorySegment copy = Arena.ofAuto().allocate(values.length);
        for (int i = 0; i < values.length; i++) {
            copy.set(ValueLayout.JAVA_BYTE, i, (byte) values[i]);
        }
        drawn.add(
                "bits_" + step.scale(), NdArray.of(copy, DType.U8, step.drawn().shape()));
    }

    /// Writes the picture and the bits.
    void write(RgbImage picture, Map<String, String> settings) {
        if (bits != null) {
            drawn.write(bits);
        }
        ImageFiles.writePng(picture, file, settings);
    }

    /// Says where everything is.
    ///
    /// @param more what else there is to say of the work, behind a comma
    void report(PrintWriter out, RgbImage picture, double seconds, String more) {
        previews.forEach(out::println);
        if (bits != null) {
            out.println(bits);
        }
        out.println(file);
        out.printf(Locale.ROOT, "%s after %.1f s%s%n", picture, seconds, more);
        out.flush();
    }

    /// Says where everything is, for a program.
    void report(JsonGenerator g, RgbImage picture, double seconds) {
        g.writeStringProperty("file", file.toString());
        if (bits != null) {
            g.writeStringProperty("bits", bits.toString());
        }
        g.writeNumberProperty("width", picture.width());
        g.writeNumberProperty("height", picture.height());
        g.writeNumberProperty("seconds", seconds);
        g.writeArrayPropertyStart("previews");
        previews.forEach(p -> g.writeString(p.toString()));
        g.writeEndArray();
    }

    /// Removes folders that were made and are still empty.
    @Override
    public void close() {
        folders.forEach(OutputFolder::close);
    }
}
