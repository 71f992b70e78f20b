package dev.palimpsest.bench;

import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Arrays of random numbers, the same in every run, dense and in native memory.
///
/// An element is a hash of its place and of the number of its array, so that all processors can fill an array at once:
/// whole layers of large models are made here.
public final class Inputs {
    private static final long ALIGNMENT = 64;
    private static final int CHUNK = 1 << 16;

    private final Arena arena;
    private int arrays;

    /// Arrays that live as long as this arena.
    public Inputs(Arena arena) {
        this.arena = arena;
    }

    /// The random numbers of a place.
    private interface Source {
        /// Fills `values` with those from place `from` on.
        void fill(int from, float[] values);
    }

    /// A new array of f32, f16 or bf16, uniform between -1 and 1.
    public NdArray random(DType type, int... dims) {
        return uniform(type, -1, 1, Shape.of(dims));
    }

    /// A new array of f32, f16 or bf16 with numbers of another range.
    public NdArray uniform(DType type, double low, double high, Shape shape) {
        int key = nextKey();
        float step = (float) ((high - low) * 0x1p-24);
        float first = (float) low;
        return filled(type, shape, (from, values) -> {
            for (int i = 0; i < values.length; i++) {
                values[i] = first + step * (hash(from + i, key) >>> 8);
            }
        });
    }

    /// A new array of f32, f16 or bf16 with numbers of the normal distribution of mean 0 and this deviation (Box &
    /// Muller 1958).
    public NdArray normal(DType type, double deviation, int... dims) {
        int radius = nextKey();
        int angle = nextKey();
        return filled(type, Shape.of(dims), (from, values) -> {
            for (int i = 0; i < values.length; i++) {
                double u = ((hash(from + i, radius) >>> 8) + 0.5) * 0x1p-24;
                double v = (hash(from + i, angle) >>> 8) * 0x1p-24;
                values[i] = (float) (deviation * Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v));
            }
        });
    }

    /// A new array of zeros of any type.
    public NdArray zeros(DType type, int... dims) {
        Shape shape = Shape.of(dims);
        return NdArray.of(arena.allocate(shape.elements() * type.bytes(), ALIGNMENT), type, shape);
    }

    private NdArray filled(DType type, Shape shape, Source source) {
        MemorySegment memory = arena.allocate(shape.elements() * type.bytes(), ALIGNMENT);
        int chunks = Math.toIntExact((shape.elements() + CHUNK - 1) / CHUNK);
        int threads = Math.min(chunks, Runtime.getRuntime().availableProcessors());
        try (Parallel parallel = new Parallel(Math.max(1, threads))) {
            parallel.forEach(chunks, c -> {
                long from = (long) c * CHUNK;
                float[] values = new float[(int) Math.min(CHUNK, shape.elements() - from)];
                source.fill((int) from, values);
                store(values, type, memory, from);
            });
        }
        return NdArray.of(memory, type, shape);
    }

    private static void store(float[] values, DType type, MemorySegment memory, long from) {
        switch (type) {
            case F32 ->
                MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_FLOAT, from * Float.BYTES, values.length);
            case F16 -> {
                for (int i = 0; i < values.length; i++) {
                    memory.setAtIndex(ValueLayout.JAVA_SHORT, from + i, Float.floatToFloat16(values[i]));
                }
            }
            case BF16 -> {
                for (int i = 0; i < values.length; i++) {
                    memory.setAtIndex(ValueLayout.JAVA_SHORT, from + i, BFloat16.fromFloat(values[i]));
                }
            }
            default -> throw new IllegalArgumentException("no random numbers of type " + type.label());
        }
    }

    private int nextKey() {
        arrays++;
        return mixed(arrays);
    }

    private static int hash(int place, int key) {
        return mixed(mixed(place) + key);
    }

    /// The last steps of MurmurHash3, which spread every bit over all.
    private static int mixed(int bits) {
        int x = (bits ^ bits >>> 16) * 0x85ebca6b;
        x = (x ^ x >>> 13) * 0xc2b2ae35;
        return x ^ x >>> 16;
    }
}
