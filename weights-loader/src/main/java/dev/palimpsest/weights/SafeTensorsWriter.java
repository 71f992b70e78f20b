package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.LongConsumer;
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
    private static final System.Logger LOG = System.getLogger(SafeTensorsWriter.class.getName());
    private static final int BUFFER_BYTES = 1 << 18;

    /// How much of a dense tensor is handed to the operating system at a time.
    private static final long PIECE_BYTES = 1L << 26;

    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final Map<String, NdArray> tensors = new LinkedHashMap<>();

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
        List<NdArray> inDataOrder = new ArrayList<>(tensors.values());
        inDataOrder.sort(Comparator.comparingInt(t -> -t.dtype().bytes()));
        byte[] header = header(path);
        Path target = path.toAbsolutePath();
        if (Files.isDirectory(target) || target.getFileName() == null) {
            throw new CheckpointException(path, "cannot be written: it is a folder");
        }
        if (target.getParent() == null || !Files.isDirectory(target.getParent())) {
            throw new CheckpointException(path, "cannot be written: its folder does not exist");
        }
        Path temporary = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                Output out = new Output(channel, listener);
                out.write(header);
                for (NdArray tensor : inDataOrder) {
                    out.write(tensor);
                }
                out.flush();
                channel.force(true);
            }
            move(temporary, target);
        } catch (IOException e) {
            throw new CheckpointException(path, "cannot be written: " + CheckpointException.describe(e), e);
        } finally {
            deleteQuietly(temporary);
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException | FileAlreadyExistsException e) {
            // Some file systems cannot replace a file in one step.
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
        syncFolder(to);
    }

    /// Makes the new name last through a power failure, where the operating system lets folders be opened; the file
    /// itself is already safe.
    private static void syncFolder(Path file) {
        Path folder = file.getParent();
        if (folder == null) {
            return;
        }
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.DEBUG, "cannot synchronise the folder {0}", folder);
        }
    }

    private static void deleteQuietly(Path temporary) {
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, "cannot remove the temporary file " + temporary, e);
        }
    }

    /// Length, JSON, and spaces up to a multiple of 8 bytes, so that the data begins aligned.
    private byte[] header(Path path) {
        Map<String, Long> begins = new LinkedHashMap<>();
        List<Map.Entry<String, NdArray>> inDataOrder = new ArrayList<>(tensors.entrySet());
        inDataOrder.sort(Comparator.comparingInt(e -> -e.getValue().dtype().bytes()));
        long at = 0;
        for (Map.Entry<String, NdArray> e : inDataOrder) {
            begins.put(e.getKey(), at);
            at = Math.addExact(at, bytes(e.getValue()));
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
            tensors.forEach((name, tensor) -> {
                long begin = begins.getOrDefault(name, 0L);
                out.writeName(name);
                out.writeStartObject();
                out.writeStringProperty("dtype", tensor.dtype().name());
                out.writeName("shape");
                out.writeArray(tensor.shape().dims(), 0, tensor.rank());
                out.writeName("data_offsets");
                out.writeArray(new long[] {begin, begin + bytes(tensor)}, 0, 2);
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
    private static String unicode(String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new IllegalArgumentException(CheckpointException.quote(text) + " is not valid Unicode");
        }
        return text;
    }

    private static long bytes(NdArray tensor) {
        return Math.multiplyExact(tensor.elements(), (long) tensor.dtype().bytes());
    }

    /// A channel with a buffer before it for what comes in small pieces.
    private static final class Output {
        private final FileChannel channel;
        private final LongConsumer listener;
        private long written;
        private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
        private final MemorySegment target = MemorySegment.ofBuffer(buffer);

        Output(FileChannel channel, LongConsumer listener) {
            this.channel = channel;
            this.listener = listener;
        }

        void write(byte[] bytes) throws IOException {
            write(MemorySegment.ofArray(bytes), 0, bytes.length);
        }

        /// Writes the elements in row-major order, the dense inner axes as one run.
        void write(NdArray tensor) throws IOException {
            if (tensor.elements() == 0) {
                return;
            }
            int outer = tensor.rank();
            while (outer > 0 && tensor.isContiguousFrom(outer - 1)) {
                outer--;
            }
            long run = tensor.dtype().bytes();
            for (int axis = outer; axis < tensor.rank(); axis++) {
                run *= tensor.dim(axis);
            }
            int[] index = new int[tensor.rank()];
            int axis;
            do {
                write(tensor.memory(), tensor.byteOffset(index), run);
                axis = outer - 1;
                while (axis >= 0 && ++index[axis] == tensor.dim(axis)) {
                    index[axis] = 0;
                    axis--;
                }
            } while (axis >= 0);
        }

        private void write(MemorySegment source, long from, long length) throws IOException {
            if (length <= buffer.remaining()) {
                MemorySegment.copy(
                        source, ValueLayout.JAVA_BYTE, from, target, ValueLayout.JAVA_BYTE, buffer.position(), length);
                buffer.position(buffer.position() + (int) length);
                return;
            }
            flush();
            if (length <= buffer.remaining()) {
                write(source, from, length);
                return;
            }
            for (long at = 0; at < length; at += PIECE_BYTES) {
                send(source.asSlice(from + at, Math.min(PIECE_BYTES, length - at))
                        .asByteBuffer());
            }
        }

        void flush() throws IOException {
            buffer.flip();
            send(buffer);
            buffer.clear();
        }

        private void send(ByteBuffer piece) throws IOException {
            while (piece.hasRemaining()) {
                written += channel.write(piece);
            }
            listener.accept(written);
        }
    }
}
