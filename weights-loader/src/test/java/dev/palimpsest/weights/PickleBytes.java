package dev.palimpsest.weights;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/// Writes pickle instructions one after the other without checking anything.
final class PickleBytes {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /// A pickle of protocol 2, as torch writes.
    static PickleBytes protocol2() {
        return new PickleBytes().raw(0x80, 2);
    }

    /// Bytes as they are.
    PickleBytes raw(int... bytes) {
        for (int b : bytes) {
            out.write(b);
        }
        return this;
    }

    /// Instructions without operands, by their letters.
    PickleBytes op(String letters) {
        out.writeBytes(letters.getBytes(StandardCharsets.ISO_8859_1));
        return this;
    }

    PickleBytes text(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return op("X").int32(utf8.length).raw(utf8);
    }

    PickleBytes raw(byte[] bytes) {
        out.writeBytes(bytes);
        return this;
    }

    /// An integer of at most 64 bits.
    PickleBytes integer(long value) {
        if (value == (int) value) {
            return op("J").int32((int) value);
        }
        return raw(0x8a, 8)
                .raw(ByteBuffer.allocate(8)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(value)
                        .array());
    }

    PickleBytes int32(int value) {
        return raw(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array());
    }

    PickleBytes global(String module, String name) {
        return op("c" + module + "\n" + name + "\n");
    }

    PickleBytes tuple(long... items) {
        op("(");
        for (long i : items) {
            integer(i);
        }
        return op("t");
    }

    /// A reference to a storage.
    PickleBytes storage(String type, String key, long elements) {
        return op("(").text("storage")
                .global("torch", type)
                .text(key)
                .text("cpu")
                .integer(elements)
                .op("tQ");
    }

    /// A call of `_rebuild_tensor_v2`.
    PickleBytes tensor(String type, String key, long elements, long offset, long[] size, long[] stride) {
        return global("torch._utils", "_rebuild_tensor_v2")
                .op("(")
                .storage(type, key, elements)
                .integer(offset)
                .tuple(size)
                .tuple(stride)
                .raw(0x89)
                .global("collections", "OrderedDict")
                .op(")RtR");
    }

    /// The instructions so far, and a STOP.
    byte[] stop() {
        return op(".").bytes();
    }

    byte[] bytes() {
        return out.toByteArray();
    }

    /// The pickle of `{name: tensor}`.
    static byte[] stateDict(
            String name, String type, String key, long elements, long offset, long[] size, long[] stride) {
        return protocol2()
                .op("}")
                .text(name)
                .tensor(type, key, elements, offset, size, stride)
                .op("s")
                .stop();
    }
}
