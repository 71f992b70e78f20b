package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Writes SentencePiece model files field by field.
final class SentencePieceFile {
    static final int NORMAL = 1;
    static final int UNKNOWN = 2;
    static final int CONTROL = 3;

    private final ByteArrayOutputStream model = new ByteArrayOutputStream();

    SentencePieceFile piece(String text, float score, int type) {
        return piece(text.getBytes(UTF_8), score, type);
    }

    SentencePieceFile piece(byte[] text, float score, int type) {
        var piece = new ByteArrayOutputStream();
        delimited(piece, 1, text);
        varint(piece, 2 << 3 | 5);
        piece.writeBytes(ByteBuffer.allocate(Float.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(score)
                .array());
        integer(piece, 3, type);
        delimited(model, 1, piece.toByteArray());
        return this;
    }

    /// A whole number of `TrainerSpec`.
    SentencePieceFile trainer(int field, long value) {
        var trainer = new ByteArrayOutputStream();
        integer(trainer, field, value);
        delimited(model, 2, trainer.toByteArray());
        return this;
    }

    SentencePieceFile charsMap(byte[] table) {
        var normalizer = new ByteArrayOutputStream();
        delimited(normalizer, 1, "small".getBytes(UTF_8));
        delimited(normalizer, 2, table);
        integer(normalizer, 3, 1);
        integer(normalizer, 4, 1);
        delimited(model, 3, normalizer.toByteArray());
        return this;
    }

    /// Bytes as they are, for files that are broken on purpose.
    SentencePieceFile raw(int... bytes) {
        for (int b : bytes) {
            model.write(b);
        }
        return this;
    }

    byte[] bytes() {
        return model.toByteArray();
    }

    private static void integer(ByteArrayOutputStream out, int field, long value) {
        varint(out, field << 3);
        varint(out, value);
    }

    private static void delimited(ByteArrayOutputStream out, int field, byte[] content) {
        varint(out, field << 3 | 2);
        varint(out, content.length);
        out.writeBytes(content);
    }

    private static void varint(ByteArrayOutputStream out, long value) {
        long rest = value;
        while ((rest & ~0x7FL) != 0) {
            out.write((int) ((rest & 0x7F) | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
    }
}
