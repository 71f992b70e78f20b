package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/// Writes replacement tables as [CharsMap] reads them. Every node has a block of 256 units to itself, which wastes
/// space and leaves nothing to search for.
final class CharsMapWriter {
    private static final int BLOCK = 256;

    private final ByteArrayOutputStream replacements = new ByteArrayOutputStream();
    private int[] units = new int[BLOCK];

    private CharsMapWriter() {}

    private static final class Node {
        final Map<Integer, Node> children = new TreeMap<>();
        int value = -1;
    }

    static byte[] write(Map<String, String> entries) {
        var writer = new CharsMapWriter();
        var root = new Node();
        entries.forEach((from, to) -> {
            Node node = root;
            for (byte b : from.getBytes(UTF_8)) {
                node = node.children.computeIfAbsent(b & 0xFF, label -> new Node());
            }
            node.value = writer.replacements.size();
            writer.replacements.writeBytes(to.getBytes(UTF_8));
            writer.replacements.write(0);
        });
        writer.place(root, 0, 0);
        byte[] texts = writer.replacements.toByteArray();
        int bytes = writer.units.length * Integer.BYTES;
        var buffer = ByteBuffer.allocate(Integer.BYTES + bytes + texts.length).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(bytes);
        buffer.asIntBuffer().put(writer.units);
        buffer.position(Integer.BYTES + bytes).put(texts);
        return buffer.array();
    }

    private void place(Node node, int index, int label) {
        int base = units.length;
        units = Arrays.copyOf(units, base + BLOCK);
        units[index] = label | (node.value >= 0 ? 1 << 8 : 0) | (index ^ base) << 10;
        units[base] = 0x80000000 | Math.max(node.value, 0);
        node.children.forEach((b, child) -> place(child, base ^ b, b));
    }
}
