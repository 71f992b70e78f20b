package dev.palimpsest.tensor.random;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;

/// Reads the tensors of a safetensors file from the test resources; just enough of the format for flat, trusted files.
final class GoldenTensors {

    private static final Pattern ENTRY = Pattern.compile(
            "\"(out\\.[^\"]+)\":\\s*\\{\"dtype\":\\s*\"(\\w+)\",[^}]*\"data_offsets\":\\s*\\[(\\d+),\\s*(\\d+)]");

    private GoldenTensors() {}

    /// One tensor, flattened. The name is `out.FUNCTION.seedN.REST`.
    record Golden(String function, long seed, String rest, String dtype, ByteBuffer data) {

        int count() {
            return data.remaining()
                    / switch (dtype) {
                        case "F32" -> 4;
                        case "F64", "I64" -> 8;
                        case "BOOL" -> 1;
                        default -> throw new IllegalArgumentException("dtype " + dtype);
                    };
        }

        float[] floats() {
            var values = new float[count()];
            data.duplicate().order(data.order()).asFloatBuffer().get(values);
            return values;
        }

        double[] doubles() {
            var values = new double[count()];
            data.duplicate().order(data.order()).asDoubleBuffer().get(values);
            return values;
        }

        long[] longs() {
            var values = new long[count()];
            data.duplicate().order(data.order()).asLongBuffer().get(values);
            return values;
        }

        boolean[] booleans() {
            var values = new boolean[count()];
            for (int i = 0; i < values.length; i++) {
                values[i] = data.get(i) != 0;
            }
            return values;
        }

        @Override
        public String toString() {
            return function + " seed " + seed + " " + rest;
        }
    }

    static List<Golden> read(String resource) {
        byte[] bytes;
        try (var stream = Objects.requireNonNull(GoldenTensors.class.getResourceAsStream(resource), resource)) {
            bytes = stream.readAllBytes();
        } catch (IOException e) {
            throw new IllegalStateException("cannot read " + resource, e);
        }
        var buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int headerLength = Math.toIntExact(buffer.getLong(0));
        var header = new String(bytes, 8, headerLength, StandardCharsets.UTF_8);
        var tensors = new ArrayList<Golden>();
        var matcher = ENTRY.matcher(header);
        while (matcher.find()) {
            var name = matcher.group(1).split("\\.", 4);
            int begin = Integer.parseInt(matcher.group(3));
            int end = Integer.parseInt(matcher.group(4));
            var data = buffer.slice(8 + headerLength + begin, end - begin).order(ByteOrder.LITTLE_ENDIAN);
            tensors.add(new Golden(
                    name[1], Long.parseLong(name[2].substring("seed".length())), name[3], matcher.group(2), data));
        }
        return tensors;
    }
}
