package dev.palimpsest.examples;

import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.TensorInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;

/// Random elements for tensors of given names and shapes, such as a freshly initialised network has: what flows through
/// keeps about its size. Elements are uniform around
///
/// - 1, by 0.05 at most, for the weight of a normalisation, a vector that is called `weight`,
/// - 0, by 0.05 at most, for other vectors, which are biases,
/// - 0 with a variance of one by the fan-in, the number of inputs of an output, for everything with more axes (LeCun et
///   al. 1998, "Efficient BackProp", section 4.6).
///
/// They depend on the seed, the tensor's name and the position only, not on what else is made or in which order. One
/// tensor lives at a time: making the next one overwrites the one before.
final class RandomTensors implements AutoCloseable {
    private static final double VECTOR_SPREAD = 0.05;
    private static final double TO_UNIT = 0x1p-31;

    /// Distance of the states of SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators").
    private static final long GOLDEN_GAMMA = 0x9e3779b97f4a7c15L;

    private final long seed;
    private final Arena arena = Arena.ofConfined();
    private MemorySegment memory = MemorySegment.NULL;

    RandomTensors(long seed) {
        this.seed = seed;
    }

    /// Names and shapes from a JSON object like `{"layer.weight": [512, 2048], "layer.bias": [512]}`, in its order.
    ///
    /// @throws UserException if it is not such a list
    static Map<String, Shape> shapes(Path file) {
        JsonObject json = JsonObject.read(file);
        Map<String, Shape> shapes = new LinkedHashMap<>();
        for (String name : json.names()) {
            int[] extents = json.int32s(name);
            for (int extent : extents) {
                if (extent < 0) {
                    throw new UserException(file + ": " + Text.printable(name) + " has the negative extent " + extent);
                }
            }
            shapes.put(name, Shape.of(extents));
        }
        if (shapes.isEmpty()) {
            throw new UserException(file + ": lists no tensors; it needs names with their shapes");
        }
        return shapes;
    }

    /// The elements of a tensor.
    ///
    /// @param tensor its shape, and f32, bf16 or f16
    NdArray make(String name, TensorInfo tensor) {
        long n = tensor.shape().elements();
        if (memory.byteSize() < tensor.bytes()) {
            memory = arena.allocate(tensor.bytes(), 64);
        }
        boolean vector = tensor.shape().rank() < 2;
        float centre = vector && name.endsWith("weight") ? 1 : 0;
        float spread = (float) (vector ? VECTOR_SPREAD : Math.sqrt(3.0 / fanIn(tensor.shape())));
        long start = mixed(seed) + mixed(hash(name));
        switch (tensor.dtype()) {
            case F32 -> {
                for (long i = 0; i < n; i++) {
                    memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, centre + spread * uniform(start, i));
                }
            }
            case BF16 -> {
                for (long i = 0; i < n; i++) {
                    short value = BFloat16.fromFloat(centre + spread * uniform(start, i));
                    memory.setAtIndex(ValueLayout.JAVA_SHORT, i, value);
                }
            }
            case F16 -> {
                for (long i = 0; i < n; i++) {
                    short value = Float.floatToFloat16(centre + spread * uniform(start, i));
                    memory.setAtIndex(ValueLayout.JAVA_SHORT, i, value);
                }
            }
            default -> throw new IllegalArgumentException("random elements of " + tensor.dtype() + " are not known");
        }
        return NdArray.of(memory, tensor.dtype(), tensor.shape());
    }

    private static long fanIn(Shape shape) {
        long n = 1;
        for (int axis = 1; axis < shape.rank(); axis++) {
            n *= shape.dim(axis);
        }
        return Math.max(n, 1);
    }

    private static long hash(String name) {
        CRC32 crc = new CRC32();
        crc.update(name.getBytes(StandardCharsets.UTF_8));
        return crc.getValue();
    }

    /// The i-th number of a sequence, in `[-1, 1)`.
    private static float uniform(long start, long i) {
        return (float) ((int) mixed(start + i * GOLDEN_GAMMA) * TO_UNIT);
    }

    private static long mixed(long z) {
        long a = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
        long b = (a ^ a >>> 27) * 0x94d049bb133111ebL;
        return b ^ b >>> 31;
    }

    @Override
    public void close() {
        arena.close();
    }
}
