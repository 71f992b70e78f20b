package dev.palimpsest.weights;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/// A whole file mapped into memory, read-only, with checked little-endian reads and the errors that speak of it.
///
/// Mapping costs no reading: the operating system fetches pages when they are touched. The mapping belongs to a shared
/// arena, so any thread may read, and [#close] unmaps at once.
final class MappedFile implements AutoCloseable {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LITTLE_ENDIAN);

    private final Path path;
    private final Arena arena;
    private final MemorySegment mapping;
    private final MemorySegment memory;

    private MappedFile(Path path, Arena arena, MemorySegment mapping) {
        this.path = path;
        this.arena = arena;
        this.mapping = mapping;
        this.memory = asPlainMemory(mapping, arena);
    }

    /// Maps a regular file.
    ///
    /// @throws CheckpointException if it does not exist, is no regular file, or cannot be read
    static MappedFile open(Path path) {
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw new CheckpointException(path, "is not a regular file");
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            return new MappedFile(path, arena, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
        } catch (NoSuchFileException e) {
            arena.close();
            throw new CheckpointException(path, "does not exist", e);
        } catch (IOException e) {
            arena.close();
            throw new CheckpointException(path, "cannot be read: " + CheckpointException.describe(e), e);
        }
    }

    /// The same memory without the knowledge that it is a mapping.
    ///
    /// The JDK has a class of its own for mapped segments. Once a kernel's loop has seen both classes, the
    /// just-in-time compiler no longer specialises it, for any operand: a dot product over arrays in the first-level
    /// cache was seen to take twice as long from then on. Where native access is not enabled the mapping is used as it
    /// is, slower and without a warning of the JVM.
    @SuppressWarnings("restricted")
    private static MemorySegment asPlainMemory(MemorySegment mapped, Arena arena) {
        return MappedFile.class.getModule().isNativeAccessEnabled()
                ? MemorySegment.ofAddress(mapped.address())
                        .reinterpret(mapped.byteSize(), arena, null)
                        .asReadOnly()
                : mapped;
    }

    Path path() {
        return path;
    }

    long size() {
        return memory.byteSize();
    }

    /// Owns the mapping, and whatever else has to live as long.
    Arena arena() {
        return arena;
    }

    /// Unmaps the file; later reads fail. Closing twice is fine.
    @Override
    public void close() {
        synchronized (arena) {
            if (arena.scope().isAlive()) {
                arena.close();
            }
        }
    }

    /// @throws IllegalStateException if the file has been closed
    void requireOpen() {
        if (!arena.scope().isAlive()) {
            throw new IllegalStateException("checkpoint " + path + " is closed");
        }
    }

    int u8(long at) {
        return Byte.toUnsignedInt(memory.get(ValueLayout.JAVA_BYTE, checked(at, 1)));
    }

    int u16(long at) {
        return Short.toUnsignedInt(memory.get(SHORT, checked(at, 2)));
    }

    int i32(long at) {
        return memory.get(INT, checked(at, 4));
    }

    long u32(long at) {
        return Integer.toUnsignedLong(i32(at));
    }

    long i64(long at) {
        return memory.get(LONG, checked(at, 8));
    }

    /// The memory of a range of bytes.
    MemorySegment slice(long at, long length) {
        return memory.asSlice(checked(at, length), length);
    }

    /// Lets the pages of a part of this file leave the process until they are touched again; anything else is left
    /// alone.
    void unload(MemorySegment part) {
        long at = part.address() - mapping.address();
        if (part.byteSize() > 0 && at >= 0 && at <= mapping.byteSize() - part.byteSize()) {
            mapping.asSlice(at, part.byteSize()).unload();
        }
    }

    /// A copy of a range of bytes, which the caller has found to be small.
    byte[] bytes(long at, int length) {
        return slice(at, length).toArray(ValueLayout.JAVA_BYTE);
    }

    /// An error at a byte of this file, or of the file as a whole if the offset is negative.
    CheckpointException broken(long at, String reason) {
        return broken(at, reason, null);
    }

    CheckpointException broken(long at, String reason, @Nullable Throwable cause) {
        return new CheckpointException(path, at, reason, cause);
    }

    private long checked(long at, long length) {
        if (at < 0 || length < 0 || at > memory.byteSize() - length) {
            throw broken(
                    at, "the file has " + memory.byteSize() + " bytes, but " + length + " are needed from here on");
        }
        return at;
    }
}
