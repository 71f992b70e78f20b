package dev.palimpsest.examples;

import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.GenerateOptions;
import dev.palimpsest.models.infinity.GenerateOptions.Preview;
import java.io.PrintWriter;
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

/// Where a picture that Infinity makes goes, and the pictures after every scale if they are asked for. Every one tells
/// how it was made.
final class GenerationOutput implements AutoCloseable {
    private static final String PNG = ".png";

    private final Path file;
    private final @Nullable Path preview;
    private final List<Path> previews = new ArrayList<>();
    private final List<OutputFolder> folders = new ArrayList<>();

    /// Checks that the files can be written, and makes their folders.
    ///
    /// @param file for the picture
    /// @param preview folder for the pictures after every scale, or null
    /// @throws UserException if they cannot
    GenerationOutput(Path file, @Nullable Path preview) {
        this.file = file;
        this.preview = preview;
        try {
            folders.add(new OutputFolder(
                    "--out",
                    Objects.requireNonNull(file.toAbsolutePath().normalize().getParent())));
            if (preview != null) {
                folders.add(new OutputFolder("--preview", preview));
            }
        } catch (UserException e) {
            close();
            throw e;
        }
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

    /// The options with previews that are written if they are asked for.
    ///
    /// @param settings what every preview says of how it was made
    GenerateOptions watching(GenerateOptions plain, Map<String, String> settings, ProgressDisplay progress) {
        if (preview == null) {
            return plain;
        }
        return plain.withPreviews(shown -> {
            progress.end();
            Path to = preview.resolve(previewName(shown));
            Map<String, String> text = new LinkedHashMap<>(settings);
            text.put("Scale", (shown.scale() + 1) + " of " + shown.scales());
            ImageFiles.writePng(RgbImage.of(shown.picture()), to, text);
            previews.add(to);
        });
    }

    /// Writes the picture.
    void write(RgbImage picture, Map<String, String> settings) {
        ImageFiles.writePng(picture, file, settings);
    }

    /// Says where everything is.
    ///
    /// @param more what else there is to say of the work, behind a comma
    void report(PrintWriter out, RgbImage picture, double seconds, String more) {
        previews.forEach(out::println);
        out.println(file);
        out.printf(Locale.ROOT, "%s after %.1f s%s%n", picture, seconds, more);
        out.flush();
    }

    /// Says where everything is, for a program.
    void report(JsonGenerator g, RgbImage picture, double seconds) {
        g.writeStringProperty("file", file.toString());
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
