package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.models.json.JsonException;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.Checkpoint;
import java.lang.foreign.MemorySegment;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Compares tensors as they are stored, bit for bit.
final class StoredNumbers {
    private StoredNumbers() {}

    /// What the first difference of two tensors is; nothing if type, shape and all bits are equal.
    static Optional<String> difference(NdArray actual, NdArray expected) {
        if (actual.dtype() != expected.dtype() || !actual.shape().equals(expected.shape())) {
            return Optional.of("is " + actual.dtype().label() + " " + actual.shape() + " instead of "
                    + expected.dtype().label() + " " + expected.shape());
        }
        if (actual.elements() == 0) {
            return Optional.empty();
        }
        // Inner axes that lie densely in both tensors are compared as one run of bytes.
        int outer = actual.rank();
        while (outer > 0 && actual.isContiguousFrom(outer - 1) && expected.isContiguousFrom(outer - 1)) {
            outer--;
        }
        long run = actual.dtype().bytes();
        for (int axis = outer; axis < actual.rank(); axis++) {
            run *= actual.dim(axis);
        }
        int[] index = new int[actual.rank()];
        int axis;
        do {
            long a = actual.byteOffset(index);
            long b = expected.byteOffset(index);
            long at = MemorySegment.mismatch(actual.memory(), a, a + run, expected.memory(), b, b + run);
            if (at >= 0) {
                return Optional.of(
                        "differs " + at / actual.dtype().bytes() + " elements after " + Arrays.toString(index));
            }
            axis = outer - 1;
            while (axis >= 0 && ++index[axis] == actual.dim(axis)) {
                index[axis] = 0;
                axis--;
            }
        } while (axis >= 0);
        return Optional.empty();
    }

    /// Compares all tensors with a table of their types, shapes and values.
    ///
    /// @param table `dtype`, `shape` and `values` by name; values that JSON cannot write are texts
    static void compare(JsonObject table, Checkpoint actual, List<String> problems) {
        if (!new TreeSet<>(table.names()).equals(new TreeSet<>(actual.names()))) {
            problems.add("has the tensors " + actual.names() + " instead of " + table.names());
            return;
        }
        for (String name : table.names()) {
            JsonObject expected = table.object(name);
            NdArray tensor = actual.tensor(name);
            List<?> values = expected.list("values");
            if (!tensor.dtype().name().equals(expected.text("dtype"))
                    || !Arrays.equals(tensor.shape().dims(), expected.int32s("shape"))
                    || tensor.elements() != values.size()) {
                problems.add(name + " is " + tensor.dtype().label() + " " + tensor.shape() + " instead of "
                        + expected.text("dtype") + " " + expected.list("shape"));
                continue;
            }
            int[] index = new int[tensor.rank()];
            for (int i = 0; i < values.size(); i++) {
                if (!isSame(values.get(i), tensor, index)) {
                    problems.add(name + " " + Arrays.toString(index) + " is not " + values.get(i));
                    break;
                }
                for (int axis = index.length - 1; axis >= 0 && ++index[axis] == tensor.dim(axis); axis--) {
                    index[axis] = 0;
                }
            }
        }
    }

    /// Every value of every type that can be stored has its own double or 64-bit integer, so comparing those compares
    /// bits, but for the many NaN.
    private static boolean isSame(@Nullable Object expected, NdArray tensor, int[] index) {
        if (tensor.dtype().isFloating()) {
            double value = switch (expected) {
                case Number n -> n.doubleValue();
                case String text -> parse(text);
                case null, default -> throw unreadable(expected);
            };
            return Double.compare(tensor.get(index), value) == 0;
        }
        long value = switch (expected) {
            case Boolean b -> b ? 1 : 0;
            case Long n -> n;
            case String digits -> integer(digits, tensor.dtype());
            case null, default -> throw unreadable(expected);
        };
        return tensor.getLong(index) == value;
    }

    private static long integer(String digits, DType type) {
        BigInteger value = new BigInteger(digits);
        if (value.bitLength() > (type == DType.U64 ? 64 : 63)) {
            throw unreadable(digits);
        }
        return value.longValue();
    }

    /// A floating-point number as Python's `repr` writes it.
    static double parse(String text) {
        return switch (text) {
            case "inf" -> Double.POSITIVE_INFINITY;
            case "-inf" -> Double.NEGATIVE_INFINITY;
            case "nan" -> Double.NaN;
            default -> Double.parseDouble(text);
        };
    }

    private static JsonException unreadable(@Nullable Object value) {
        return new JsonException("table of values: " + value + " is not a number of the tensor's type", null);
    }
}
