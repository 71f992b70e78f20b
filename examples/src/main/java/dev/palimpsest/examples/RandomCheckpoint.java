package dev.palimpsest.examples;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.weights.SafeTensorsWriter;
import dev.palimpsest.weights.TensorInfo;
import dev.palimpsest.weights.TorchFileWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// A checkpoint of given names and shapes with random elements, see [RandomTensors].
///
/// @param shapes of all tensors by name
/// @param dtype of all elements: f32, bf16 or f16
/// @param format of the files
/// @param wrapper key under which the tensors lie in a PyTorch file, null for none
/// @param ties names of tensors that share the elements of another one, with that one's name
record RandomCheckpoint(
        Map<String, Shape> shapes,
        DType dtype,
        Format format,
        @Nullable String wrapper,
        Map<String, String> ties,
        long seed) {
    /// A format of files, with the names that their shards have by custom.
    enum Format {
        TORCH("pytorch_model", ".bin"),
        SAFETENSORS("model", ".safetensors");

        private final String stem;
        private final String extension;

        Format(String stem, String extension) {
            this.stem = stem;
            this.extension = extension;
        }

        private String index() {
            return stem + extension + ".index.json";
        }

        private String shard(int i, int n) {
            return "%s-%05d-of-%05d%s".formatted(stem, i + 1, n, extension);
        }
    }

    /// Checks that every tie is between tensors of one shape.
    ///
    /// @throws UserException naming one that is not, or that the format cannot have a wrapper
    RandomCheckpoint {
        ties.forEach((name, other) -> {
            Shape shape = shapes.get(name);
            if (shape == null
                    || !Objects.equals(shape, shapes.get(other))
                    || name.equals(other)
                    || ties.containsKey(other)) {
                throw new UserException("--tie " + name + "=" + other
                        + ": the list of keys must have both, in one shape, and the second must not be tied itself");
            }
        });
        if (wrapper != null && format == Format.SAFETENSORS) {
            throw new UserException("--under: safetensors has names only and no dictionaries; leave it out");
        }
    }

    /// Bytes of all elements.
    long bytes() {
        return bytes(shapes.keySet().stream().toList());
    }

    private long bytes(List<String> names) {
        long bytes = 0;
        for (String name : names) {
            bytes = Math.addExact(bytes, ties.containsKey(name) ? 0 : info(name).bytes());
        }
        return bytes;
    }

    private TensorInfo info(String name) {
        Shape shape = shapes.get(name);
        if (shape == null) {
            throw new IllegalArgumentException("there is no tensor called " + name);
        }
        return new TensorInfo(dtype, shape);
    }

    /// Writes one file.
    ///
    /// @param listener is told how many bytes have been written so far
    void write(Path file, LongConsumer listener) {
        write(file, shapes.keySet().stream().toList(), listener);
    }

    /// Writes a folder of shards with their index.
    ///
    /// @param listener is told how many bytes have been written so far
    /// @throws UserException if there are fewer tensors than shards
    void writeShards(Path folder, int shards, LongConsumer listener) throws IOException {
        List<List<String>> parts = parts(shards);
        Files.createDirectories(folder);
        Map<String, String> files = new LinkedHashMap<>();
        long before = 0;
        for (int i = 0; i < shards; i++) {
            String file = format.shard(i, shards);
            long start = before;
            write(folder.resolve(file), parts.get(i), written -> listener.accept(start + written));
            before += bytes(parts.get(i));
            for (String name : parts.get(i)) {
                if (isWritten(name)) {
                    files.put(name, file);
                }
            }
        }
        try (var out = Files.newBufferedWriter(folder.resolve(format.index()));
                var text = new PrintWriter(out)) {
            JsonOutput.write(text, g -> {
                g.writeObjectPropertyStart("metadata");
                g.writeNumberProperty("total_size", bytes());
                g.writeEndObject();
                g.writeObjectPropertyStart("weight_map");
                files.forEach(g::writeStringProperty);
                g.writeEndObject();
            });
        }
    }

    /// Safetensors cannot say that two tensors are one; the second one is left out there, as is the custom.
    private boolean isWritten(String name) {
        return format == Format.TORCH || !ties.containsKey(name);
    }

    private void write(Path file, List<String> names, LongConsumer listener) {
        try (var random = new RandomTensors(seed)) {
            switch (format) {
                case TORCH -> {
                    var writer = wrapper == null ? new TorchFileWriter() : TorchFileWriter.under(wrapper);
                    List<String> own =
                            names.stream().filter(n -> !ties.containsKey(n)).toList();
                    own.forEach(n -> writer.add(n, info(n), () -> random.make(n, info(n))));
                    names.stream().filter(ties::containsKey).forEach(n -> writer.alias(n, ties.getOrDefault(n, n)));
                    writer.write(file, listener);
                }
                case SAFETENSORS -> {
                    var writer = new SafeTensorsWriter().metadata("format", "pt");
                    names.stream()
                            .filter(this::isWritten)
                            .forEach(n -> writer.add(n, info(n), () -> random.make(n, info(n))));
                    writer.write(file, listener);
                }
            }
        }
    }

    /// The names in as many consecutive parts, of about as many bytes each; tied tensors go where their elements are.
    private List<List<String>> parts(int shards) {
        List<String> own =
                shapes.keySet().stream().filter(n -> !ties.containsKey(n)).toList();
        if (own.size() < shards) {
            throw new UserException("--shards: there are only " + Text.count(own.size(), "tensor"));
        }
        List<List<String>> parts = new ArrayList<>();
        long left = bytes();
        int next = 0;
        for (int i = 0; i < shards; i++) {
            int others = shards - i - 1;
            long share = left / (others + 1);
            List<String> part = new ArrayList<>();
            long bytes = 0;
            while (own.size() - next > others && (part.isEmpty() || others == 0 || bytes < share)) {
                String name = own.get(next++);
                part.add(name);
                bytes += info(name).bytes();
            }
            left -= bytes;
            ties.forEach((name, other) -> {
                if (part.contains(other)) {
                    part.add(name);
                }
            });
            parts.add(part);
        }
        return parts;
    }
}
