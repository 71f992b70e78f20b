package dev.palimpsest.models.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;

/// Reads one message of the Protocol Buffers wire format field by field. Every length is checked against what encloses
/// it before it is used, so a broken file ends in a [VocabularyException] and claims no memory.
///
/// Use: `while (reader.next()) switch (reader.field()) { case 1 -> reader.bytes(); ... default -> reader.skip(); }`;
/// each field must be read or skipped.
///
/// Source: protobuf.dev, "Encoding".
final class ProtobufReader {
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int LENGTH_DELIMITED = 2;
    private static final int FIXED32 = 5;

    private final Path path;
    private final ByteBuffer file;
    private final int end;
    private int position;
    private int field;
    private int wireType;

    ProtobufReader(Path path, byte[] content) {
        this(path, ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN), 0, content.length);
    }

    private ProtobufReader(Path path, ByteBuffer file, int start, int end) {
        this.path = path;
        this.file = file;
        this.position = start;
        this.end = end;
    }

    /// Moves to the next field.
    ///
    /// @return false at the end of the message
    boolean next() throws VocabularyException {
        if (position == end) {
            return false;
        }
        long tag = varint();
        if (tag >>> 3 == 0 || tag >>> 32 != 0) {
            throw fault("tag " + Long.toUnsignedString(tag) + " names no protobuf field");
        }
        field = (int) (tag >>> 3);
        wireType = (int) (tag & 7);
        return true;
    }

    /// The current field's number.
    int field() {
        return field;
    }

    /// Offset in the file of what is read next.
    int position() {
        return position;
    }

    boolean bool() throws VocabularyException {
        return integer() != 0;
    }

    long integer() throws VocabularyException {
        require(VARINT);
        return varint();
    }

    float float32() throws VocabularyException {
        require(FIXED32);
        return file.getFloat(advance(Float.BYTES));
    }

    byte[] bytes() throws VocabularyException {
        require(LENGTH_DELIMITED);
        int length = length();
        byte[] bytes = new byte[length];
        file.get(advance(length), bytes);
        return bytes;
    }

    /// The message inside the current field.
    ProtobufReader message() throws VocabularyException {
        require(LENGTH_DELIMITED);
        int length = length();
        int start = advance(length);
        return new ProtobufReader(path, file, start, start + length);
    }

    void skip() throws VocabularyException {
        switch (wireType) {
            case VARINT -> varint();
            case FIXED64 -> advance(Long.BYTES);
            case LENGTH_DELIMITED -> advance(length());
            case FIXED32 -> advance(Integer.BYTES);
            default -> throw fault("field " + field + " has the unsupported wire type " + wireType);
        }
    }

    VocabularyException fault(String reason) {
        return VocabularyException.atByte(path, position, reason);
    }

    private void require(int expected) throws VocabularyException {
        if (wireType != expected) {
            throw fault("field " + field + " has wire type " + wireType + ", expected " + expected);
        }
    }

    private int length() throws VocabularyException {
        long length = varint();
        if (length < 0 || length > end - position) {
            throw fault("field " + field + " claims " + Long.toUnsignedString(length) + " bytes, its message has "
                    + (end - position) + " left");
        }
        return (int) length;
    }

    private long varint() throws VocabularyException {
        long value = 0;
        for (int shift = 0; shift < Long.SIZE; shift += 7) {
            byte b = file.get(advance(1));
            value |= (long) (b & 0x7F) << shift;
            if (b >= 0) {
                return value;
            }
        }
        throw fault("a variable-length integer has more than ten bytes");
    }

    /// Moves on by `count` bytes and returns where they start.
    private int advance(int count) throws VocabularyException {
        if (count > end - position) {
            throw fault("the message ends in the middle of field " + field);
        }
        int start = position;
        position += count;
        return start;
    }
}
