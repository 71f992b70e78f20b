package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/// Writes a `.safetensors` file.
///
/// ```java
/// new SafeTensorsWriter().metadata("format", "pt").add("weight", array).write(Path.of("out.safetensors"));
/// ```
///
/// The same tensors and metadata in the same order give the same bytes. The header lists tensors as they were added;
/// their data is ordered by element size, widest first, so that every element is aligned. The file appears under its
/// name only when it is complete and on disk: until then it is a temporary file in the same folder, which a failure
/// removes. Elements are streamed, so nothing as large as a tensor is allocated.
public final class SafeTensorsWriter {
    private static final JsonFactory FACTORY = JsonFactory.builder().build();

    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final Map<String, TensorSource> tensors = new LinkedHashMap<>();

    /// A writer without tensors.
    public SafeTensorsWriter() {}

    /// Writes all tensors and the metadata of a checkpoint, with their names, types and bits. What was not a single
    /// safetensors file becomes one whose metadata say `format: pt`, without which PyTorch's model libraries refuse it.
    ///
    /// @throws CheckpointException if the checkpoint is damaged or the file cannot be written
    public static void convert(Checkpoint from, Path to) {
        convert(from, to, written -> {});
    }

    /// Writes all tensors and the metadata of a checkpoint as [#convert(Checkpoint, Path)] does.
    ///
    /// @param listener is told how many bytes have been written so far, each time that some were; what it throws ends
    ///     the writing
    /// @throws CheckpointException if the checkpoint is damaged or the file cannot be written
    public static void convert(Checkpoint from, Path to, LongConsumer listener) {
        SafeTensorsWriter writer = new SafeTensorsWriter();
        if (!(from instanceof SafeTensors)) {
            writer.metadata("format", "pt");
        }
        from.metadata().forEach(writer::metadata);
        for (String name : from.names()) {
            writer.add(name, from.tensor(name));
        }
        writer.write(to, listener);
    }

    /// Adds a line of metadata, replacing an earlier one of the same key.
    ///
    /// @return this
    /// @throws IllegalArgumentException if the text is not valid Unicode
    public SafeTensorsWriter metadata(String key, String value) {
        metadata.put(unicode(key), unicode(value));
        return this;
    }

    /// Adds a tensor with any strides. Its elements are read when the file is written.
    ///
    /// @return this
    /// @throws IllegalArgumentException if there is a tensor of this name already, or the name is the format's own or
    ///     not valid Unicode
    public SafeTensorsWriter add(String name, NdArray tensor) {
        return add(name, TensorSource.of(tensor));
    }

    /// Adds a tensor whose elements are made when they are written, so that no more than one of them is in memory.
    ///
    /// @param elements gives an array of this type and shape; called once for each file, and what it gives is used
    ///     before the next one is asked for
    /// @return this
    /// @throws IllegalArgumentException if there is a tensor of this name already, or the name is the format's own or
    ///     not valid Unicode
    public SafeTensorsWriter add(String name, TensorInfo info, Supplier<NdArray> elements) {
        return add(name, new TensorSource(info, elements));
    }

    private SafeTensorsWriter add(String name, TensorSource tensor) {
        if (name.equals(SafeTensorsHeader.METADATA)) {
            throw new IllegalArgumentException("a tensor cannot be called " + name);
        }
        if (tensors.putIfAbsent(unicode(name), tensor) != null) {
            throw new IllegalArgumentException("there are two tensors called " + CheckpointException.quote(name));
        }
        return this;
    }

    /// Writes the file, replacing one that exists.
    ///
    /// @throws CheckpointException if that fails, after which the folder is as it was before
    public void write(Path path) {
        write(path, written -> {});
    }

    /// Writes the file, replacing one that exists.
    ///
    /// @param listener is told how many bytes have been written so far, each time that some were; what it throws ends
    ///     the writing
    /// @throws CheckpointException if that fails, after which the folder is as it was before
    public void write(Path path, LongConsumer listener) {
        List<TensorSource> inDataOrder = new ArrayList<>(tensors.values());
        inDataOrder.sort(Comparator.comparingInt(t -> -t.info().dtype().bytes()));
        byte[] header = header(path);
        OutputFile.write(path, listener, out -> {
            out.write(header);
            for (TensorSource tensor : inDataOrder) {
                out.write(tensor);
            }
        });
    }

    /// Length, JSON, and spaces up to a multiple of 8 bytes, so that the data begins aligned.
    private byte[] header(Path path) {
        Map<String, Long> begins = new LinkedHashMap<>();
        List<Map.Entry<String, TensorSource>> inDataOrder = new ArrayList<>(tensors.entrySet());
        inDataOrder.sort(
                Comparator.comparingInt(e -> -e.getValue().info().dtype().bytes()));
        long at = 0;
        for (Map.Entry<String, TensorSource> e : inDataOrder) {
            begins.put(e.getKey(), at);
            at = Math.addExact(at, e.getValue().info().bytes());
        }
        var json = new ByteArrayOutputStream();
        try (JsonGenerator out = FACTORY.createGenerator(ObjectWriteContext.empty(), json)) {
            out.writeStartObject();
            if (!metadata.isEmpty()) {
                out.writeName(SafeTensorsHeader.METADATA);
                out.writeStartObject();
                metadata.forEach(out::writeStringProperty);
                out.writeEndObject();
            }
            tensors.forEach((name, source) -> {
                TensorInfo tensor = source.info();
                long begin = begins.getOrDefault(name, 0L);
                out.writeName(name);
                out.writeStartObject();
                out.writeStringProperty("dtype", tensor.dtype().name());
                out.writeName("shape");
                out.writeArray(tensor.shape().dims(), 0, tensor.shape().rank());
                out.writeName("data_offsets");
                out.writeArray(new long[] {begin, begin + tensor.bytes()}, 0, 2);
                out.writeEndObject();
            });
            out.writeEndObject();
        }
        int length = Math.ceilDiv(json.size(), 8) * 8;
        if (length > SafeTensorsHeader.LONGEST) {
            throw new CheckpointException(
                    path,
                    "cannot be written: its header of " + length + " bytes is longer than the format's limit of "
                            + SafeTensorsHeader.LONGEST);
        }
        ByteBuffer header = ByteBuffer.allocate(SafeTensorsHeader.LENGTH_BYTES + length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(json.toByteArray());
        while (header.hasRemaining()) {
            header.put((byte) ' ');
        }
        return header.array();
    }

    /// Half of a surrogate pair would become a header that no reader accepts.
    static String unicode(String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new IllegalArgumentException(CheckpointException.quote(text) + " is not valid Unicode");
        }
        return text;
    }
}
