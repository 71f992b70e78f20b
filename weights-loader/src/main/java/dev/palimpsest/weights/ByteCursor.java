package dev.palimpsest.weights;

import static java.nio.ByteOrder.BIG_ENDIAN;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// Reads part of a file from front to back; whatever runs past its end is a [CheckpointException].
final class ByteCursor {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(BIG_ENDIAN);

    private final MappedFile file;
    private final MemorySegment memory;
    private final long fileOffset;
    private final String what;
    private long at;

    /// @param memory what to read: a part of the file, or what was unpacked from it
    /// @param fileOffset where the memory lies in the file, or a negative number if it was unpacked
    /// @param what name of the part, for errors
    ByteCursor(MappedFile file, MemorySegment memory, long fileOffset, String what) {
        this.file = file;
        this.memory = memory;
        this.fileOffset = fileOffset;
        this.what = what;
    }

    long position() {
        return at;
    }

    long remaining() {
        return memory.byteSize() - at;
    }

    int u8() {
        return Byte.toUnsignedInt(memory.get(ValueLayout.JAVA_BYTE, take(1)));
    }

    int u16() {
        return Short.toUnsignedInt(memory.get(SHORT, take(2)));
    }

    int i32() {
        return memory.get(INT, take(4));
    }

    long u32() {
        return Integer.toUnsignedLong(i32());
    }

    long i64() {
        return memory.get(LONG, take(8));
    }

    /// The one number that pickle stores with its high byte first.
    double bigEndianDouble() {
        return memory.get(DOUBLE, take(8));
    }

    /// The next bytes; the length is believed only if the file has as many.
    byte[] bytes(long length) {
        long from = take(length);
        if (length > Integer.MAX_VALUE - 8) {
            throw fault(from, "a string of " + length + " bytes is too long");
        }
        return memory.asSlice(from, length).toArray(ValueLayout.JAVA_BYTE);
    }

    /// The next bytes as text.
    String utf8(long length) {
        long from = at;
        return utf8(bytes(length), from);
    }

    /// Bytes as text.
    ///
    /// @param from where they began, for the error if they are not UTF-8
    String utf8(byte[] bytes, long from) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw fault(from, "a string is not valid UTF-8");
        }
    }

    /// The bytes up to the next line feed, which is skipped.
    byte[] line() {
        long end = at;
        while (end < memory.byteSize() && memory.get(ValueLayout.JAVA_BYTE, end) != '\n') {
            end++;
        }
        byte[] bytes = bytes(end - at);
        take(1);
        return bytes;
    }

    /// Passes over bytes and tells where they began.
    long take(long length) {
        if (length < 0 || length > remaining()) {
            throw fault(
                    at,
                    "it ends in the middle: " + Long.toUnsignedString(length) + " bytes are needed and " + remaining()
                            + " are left");
        }
        long from = at;
        at += length;
        return from;
    }

    /// An error at a position of this cursor.
    CheckpointException fault(long position, String reason) {
        return file.broken(fileOffset < 0 ? -1 : fileOffset + position, what + ": " + reason);
    }
}
