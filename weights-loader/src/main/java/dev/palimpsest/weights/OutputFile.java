package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import java.util.function.LongConsumer;
import java.util.zip.CRC32;

/// A file that is being written from its beginning to its end, and appears under its name only when it is complete and
/// on disk: until then it is a temporary file in the same folder, which a failure removes.
///
/// Elements of tensors are streamed: a buffer stands before the channel for what comes in small pieces, and nothing as
/// large as a tensor is allocated.
final class OutputFile {
    private static final System.Logger LOG = System.getLogger(OutputFile.class.getName());
    private static final int BUFFER_BYTES = 1 << 18;

    /// How much of a dense tensor is handed to the operating system at a time.
    private static final long PIECE_BYTES = 1L << 26;

    private final FileChannel channel;
    private final LongConsumer listener;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
    private final MemorySegment target = MemorySegment.ofBuffer(buffer);
    private final CRC32 crc = new CRC32();
    private boolean summing;
    private long written;

    /// What is to be in a file.
    @FunctionalInterface
    interface Content {
        void writeTo(OutputFile out) throws IOException;
    }

    private OutputFile(FileChannel channel, LongConsumer listener) {
        this.channel = channel;
        this.listener = listener;
    }

    /// Writes a file, replacing one that exists.
    ///
    /// @param listener is told how many bytes have been written so far, each time that some were; what it throws ends
    ///     the writing
    /// @throws CheckpointException if that fails, after which the folder is as it was before
    static void write(Path path, LongConsumer listener, Content content) {
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
                OutputFile out = new OutputFile(channel, listener);
                content.writeTo(out);
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

    /// Where the next byte goes, counted from the beginning of the file.
    long position() {
        return written + buffer.position();
    }

    /// Writes what `content` does and returns its CRC-32.
    int summed(Content content) throws IOException {
        crc.reset();
        summing = true;
        try {
            content.writeTo(this);
        } finally {
            summing = false;
        }
        return (int) crc.getValue();
    }

    void write(byte[] bytes) throws IOException {
        write(MemorySegment.ofArray(bytes), 0, bytes.length);
    }

    /// Writes what has been put into a buffer.
    void write(ByteBuffer filled) throws IOException {
        MemorySegment bytes = MemorySegment.ofBuffer(filled.flip());
        write(bytes, 0, bytes.byteSize());
    }

    void write(TensorSource tensor) throws IOException {
        if (tensor.info().shape().elements() > 0) {
            write(tensor.array());
        }
    }

    /// Writes the elements in row-major order, the dense inner axes as one run.
    private void write(NdArray tensor) throws IOException {
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
            int at = buffer.position();
            MemorySegment.copy(source, ValueLayout.JAVA_BYTE, from, target, ValueLayout.JAVA_BYTE, at, length);
            if (summing) {
                crc.update(buffer.slice(at, (int) length));
            }
            buffer.position(at + (int) length);
            return;
        }
        flush();
        if (length <= buffer.remaining()) {
            write(source, from, length);
            return;
        }
        for (long at = 0; at < length; at += PIECE_BYTES) {
            ByteBuffer piece = source.asSlice(from + at, Math.min(PIECE_BYTES, length - at))
                    .asByteBuffer();
            if (summing) {
                crc.update(piece.duplicate());
            }
            send(piece);
        }
    }

    private void flush() throws IOException {
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
