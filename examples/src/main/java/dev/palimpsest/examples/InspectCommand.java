package dev.palimpsest.examples;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.SafeTensors;
import dev.palimpsest.weights.ShardedCheckpoint;
import dev.palimpsest.weights.TensorInfo;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.core.JsonGenerator;

/// `palimpsest inspect`: what is in a checkpoint, or how one of our pictures or inversions was made.
@Command(
        name = "inspect",
        mixinStandardHelpOptions = true,
        description = {
            "Lists the tensors of a checkpoint: a safetensors file, a PyTorch file, or a folder of either.",
            "For a PNG that palimpsest wrote: the settings that made it. For the folder of an inversion: its settings",
            "and what was learned."
        })
final class InspectCommand implements Callable<Integer> {
    private static final String INVERSION = "inversion.json";
    private static final String LEARNED = "learned.safetensors";
    private static final byte[] PNG = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

    @Spec
    private CommandSpec spec;

    @Parameters(
            paramLabel = "FILE",
            description = "A checkpoint (file or folder), a PNG, or the folder of an inversion.")
    private Path file;

    @Option(names = "--json", description = "Write JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        if (isPng()) {
            picture(out);
        } else if (Files.isRegularFile(file.resolve(INVERSION))) {
            inversion(out);
        } else {
            try (Checkpoint checkpoint = Checkpoint.open(file)) {
                var table = Table.of(checkpoint);
                if (json) {
                    JsonOutput.write(out, table::write);
                } else {
                    table.print(out);
                }
            }
        }
        out.flush();
        return ExitCode.OK;
    }

    private boolean isPng() throws IOException {
        if (!Files.isRegularFile(file)) {
            return false;
        }
        try (var in = Files.newInputStream(file)) {
            return Arrays.equals(in.readNBytes(PNG.length), PNG);
        }
    }

    private void picture(PrintWriter out) {
        RgbImage image = ImageFiles.read(file);
        Map<String, String> settings = ImageFiles.readText(file);
        if (json) {
            JsonOutput.write(out, g -> {
                g.writeStringProperty("file", file.toString());
                g.writeStringProperty("format", "png");
                g.writeNumberProperty("width", image.width());
                g.writeNumberProperty("height", image.height());
                g.writeObjectPropertyStart("settings");
                settings.forEach(g::writeStringProperty);
                g.writeEndObject();
            });
            return;
        }
        out.println(file + ": a picture of " + image);
        if (settings.isEmpty()) {
            out.println("It does not say how it was made.");
        }
        lines(out, settings);
    }

    private static void lines(PrintWriter out, Map<String, String> settings) {
        int width = settings.keySet().stream().mapToInt(String::length).max().orElse(0);
        settings.forEach((key, value) ->
                out.println(("  " + pad(Text.printable(key), width) + "  " + Text.printable(value)).stripTrailing()));
    }

    /// The settings of an inversion, and what it has learned if it is finished.
    private void inversion(PrintWriter out) {
        JsonObject description = JsonObject.read(file.resolve(INVERSION));
        Map<String, String> settings = new LinkedHashMap<>();
        description.names().forEach(name -> settings.put(name, String.valueOf(description.value(name))));
        Path learned = file.resolve(LEARNED);
        boolean finished = Files.isRegularFile(learned);
        if (!json) {
            out.println(file + ": an inversion, " + (finished ? "finished" : "not finished yet"));
            lines(out, settings);
        }
        if (!finished) {
            if (json) {
                JsonOutput.write(out, g -> describe(g, settings, false));
            }
            return;
        }
        try (Checkpoint checkpoint = Checkpoint.open(learned)) {
            var table = Table.of(checkpoint);
            if (json) {
                JsonOutput.write(out, g -> {
                    describe(g, settings, true);
                    g.writeObjectPropertyStart("learned");
                    table.write(g);
                    g.writeEndObject();
                });
            } else {
                out.println();
                table.print(out);
            }
        }
    }

    private void describe(JsonGenerator g, Map<String, String> settings, boolean finished) {
        g.writeStringProperty("file", file.toString());
        g.writeStringProperty("format", "inversion");
        g.writeBooleanProperty("finished", finished);
        g.writeObjectPropertyStart("settings");
        settings.forEach(g::writeStringProperty);
        g.writeEndObject();
    }

    private static String pad(String text, int width) {
        return text + " ".repeat(Math.max(0, width - text.codePointCount(0, text.length())));
    }

    /// What `inspect` says of a checkpoint.
    ///
    /// @param format what kind of file it is
    /// @param tensors by name, in the file's order
    private record Table(
            Path path,
            String format,
            Map<String, String> metadata,
            Map<String, TensorInfo> tensors,
            Map<DType, Long> bytesOfType) {

        static Table of(Checkpoint checkpoint) {
            String format = switch (checkpoint) {
                case SafeTensors c -> "safetensors";
                case ShardedCheckpoint c -> Text.count(c.shards().size(), "shard");
                default -> "PyTorch";
            };
            Map<String, TensorInfo> tensors = new LinkedHashMap<>();
            Map<DType, Long> bytes = new EnumMap<>(DType.class);
            for (String name : checkpoint.names()) {
                TensorInfo info = checkpoint.info(name);
                tensors.put(name, info);
                bytes.merge(info.dtype(), info.bytes(), Long::sum);
            }
            return new Table(checkpoint.path(), format, checkpoint.metadata(), tensors, bytes);
        }

        private long elements() {
            return tensors.values().stream()
                    .mapToLong(t -> t.shape().elements())
                    .sum();
        }

        private long bytes() {
            return tensors.values().stream().mapToLong(TensorInfo::bytes).sum();
        }

        void print(PrintWriter out) {
            int nameWidth = "name".length();
            int shapeWidth = "shape".length();
            for (var e : tensors.entrySet()) {
                String name = Text.printable(e.getKey());
                nameWidth = Math.max(nameWidth, name.codePointCount(0, name.length()));
                shapeWidth =
                        Math.max(shapeWidth, e.getValue().shape().toString().length());
            }
            if (!tensors.isEmpty()) {
                out.println(row("name", nameWidth, "dtype", "shape", shapeWidth, "bytes"));
            }
            for (var e : tensors.entrySet()) {
                TensorInfo info = e.getValue();
                out.println(row(
                        Text.printable(e.getKey()),
                        nameWidth,
                        info.dtype().label(),
                        info.shape().toString(),
                        shapeWidth,
                        Long.toString(info.bytes())));
            }
            if (!metadata.isEmpty()) {
                int width = metadata.keySet().stream()
                        .mapToInt(String::length)
                        .max()
                        .orElse(0);
                out.println();
                out.println("metadata");
                metadata.forEach((key, value) ->
                        out.println("  " + pad(Text.printable(key), width) + "  " + Text.printable(value)));
            }
            if (!tensors.isEmpty() || !metadata.isEmpty()) {
                out.println();
            }
            String types = bytesOfType.entrySet().stream()
                    .map(e -> e.getKey().label() + " " + Text.bytes(e.getValue()))
                    .collect(Collectors.joining(", "));
            out.println(path + ": " + format + ", " + Text.count(tensors.size(), "tensor") + ", "
                    + Text.count(elements(), "number") + ", " + Text.bytes(bytes())
                    + (bytesOfType.size() > 1 ? " (" + types + ")" : ""));
        }

        private static String row(String name, int nameWidth, String type, String shape, int shapeWidth, String bytes) {
            return pad(name, nameWidth) + "  " + pad(type, 7) + "  " + pad(shape, shapeWidth) + "  "
                    + " ".repeat(Math.max(0, 13 - bytes.length())) + bytes;
        }

        void write(JsonGenerator g) {
            g.writeStringProperty("file", path.toString());
            g.writeStringProperty("format", format);
            g.writeObjectPropertyStart("metadata");
            metadata.forEach(g::writeStringProperty);
            g.writeEndObject();
            g.writeArrayPropertyStart("tensors");
            tensors.forEach((name, info) -> {
                g.writeStartObject();
                g.writeStringProperty("name", name);
                g.writeStringProperty("dtype", info.dtype().label());
                g.writeName("shape");
                g.writeArray(info.shape().dims(), 0, info.shape().rank());
                g.writeNumberProperty("bytes", info.bytes());
                g.writeEndObject();
            });
            g.writeEndArray();
            g.writeObjectPropertyStart("totals");
            g.writeNumberProperty("tensors", tensors.size());
            g.writeNumberProperty("elements", elements());
            g.writeNumberProperty("bytes", bytes());
            g.writeObjectPropertyStart("bytes_by_dtype");
            bytesOfType.forEach((type, n) -> g.writeNumberProperty(type.label(), n));
            g.writeEndObject();
            g.writeEndObject();
        }
    }
}
