package dev.palimpsest.bench.peers;

import dev.palimpsest.kernels.NdArray;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// Models of one operation in the format of ONNX, with weights inside, so that ONNX Runtime lays them out when it loads
/// the model. Field numbers are those of `onnx.proto`.
final class OnnxModel {
    private static final int VARINT = 0;
    private static final int BYTES = 2;
    private static final int FLOAT = 1;
    private static final int INT_ATTRIBUTE = 2;
    private static final int INTS_ATTRIBUTE = 7;

    private OnnxModel() {}

    /// `y = x w^T`.
    ///
    /// @param x `(m, k)`
    /// @param weight `(n, k)`, dense
    /// @param y `(m, n)`
    static byte[] linear(NdArray x, NdArray weight, NdArray y) {
        Message node = node("Gemm", "x", "w").message(5, attribute("transB", INT_ATTRIBUTE, 3, 1));
        return model(node, x, y, List.of(initializer("w", weight)));
    }

    /// `y = x * w + b`, planar.
    ///
    /// @param x `(1, C, H, W)`
    /// @param weight `(O, C, kH, kW)`, dense
    /// @param y `(1, O, H', W')`
    static byte[] convolution(NdArray x, NdArray weight, NdArray bias, NdArray y, long[] strides, long[] pads) {
        Message node = node("Conv", "x", "w", "b")
                .message(5, attribute("strides", INTS_ATTRIBUTE, 8, strides))
                .message(5, attribute("pads", INTS_ATTRIBUTE, 8, pads));
        return model(node, x, y, List.of(initializer("w", weight), initializer("b", bias)));
    }

    private static Message node(String type, String... inputs) {
        Message node = new Message();
        for (String input : inputs) {
            node.text(1, input);
        }
        return node.text(2, "y").text(4, type);
    }

    private static Message attribute(String name, int type, int field, long... values) {
        Message attribute = new Message().text(1, name);
        for (long value : values) {
            attribute.number(field, value);
        }
        return attribute.number(20, type);
    }

    private static Message initializer(String name, NdArray x) {
        Message tensor = new Message();
        for (int d : x.shape().dims()) {
            tensor.number(1, d);
        }
        MemorySegment memory = x.memory();
        return tensor.number(2, FLOAT).text(8, name).bytes(9, memory.toArray(ValueLayout.JAVA_BYTE));
    }

    private static Message value(String name, NdArray x) {
        Message shape = new Message();
        for (int d : x.shape().dims()) {
            shape.message(1, new Message().number(1, d));
        }
        Message tensor = new Message().number(1, FLOAT).message(2, shape);
        return new Message().text(1, name).message(2, new Message().message(1, tensor));
    }

    private static byte[] model(Message node, NdArray x, NdArray y, List<Message> initializers) {
        Message graph = new Message().message(1, node).text(2, "one");
        initializers.forEach(i -> graph.message(5, i));
        graph.message(11, value("x", x)).message(12, value("y", y));
        return new Message()
                .number(1, 8)
                .message(7, graph)
                .message(8, new Message().text(1, "").number(2, 17))
                .out
                .toByteArray();
    }

    /// A message of protocol buffers.
    private static final class Message {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        Message number(int field, long value) {
            varint((long) field << 3 | VARINT);
            varint(value);
            return this;
        }

        Message text(int field, String value) {
            return bytes(field, value.getBytes(StandardCharsets.UTF_8));
        }

        Message message(int field, Message value) {
            return bytes(field, value.out.toByteArray());
        }

        Message bytes(int field, byte[] value) {
            varint((long) field << 3 | BYTES);
            varint(value.length);
            out.writeBytes(value);
            return this;
        }

        private void varint(long value) {
            long rest = value;
            while ((rest & ~0x7fL) != 0) {
                out.write((int) ((rest & 0x7f) | 0x80));
                rest >>>= 7;
            }
            out.write((int) rest);
        }
    }
}
