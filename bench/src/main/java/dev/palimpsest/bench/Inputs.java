package dev.palimpsest.bench;

import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/// Arrays of seeded random numbers between -1 and 1, dense and in native memory.
public final class Inputs {
    private static final long ALIGNMENT = 64;

    private final Arena arena;
    private final SplittableRandom random = new SplittableRandom(1);

    /// Arrays that live as long as this arena.
    public Inputs(Arena arena) {
        this.arena = arena;
    }

    /// A new array of f32, f16 or bf16.
    public NdArray random(DType type, int... dims) {
        return uniform(type, -1, 1, Shape.of(dims));
    }

    /// A new array of f32, f16 or bf16 with numbers of another range.
    public NdArray uniform(DType type, double low, double high, Shape shape) {
        MemorySegment memory = arena.allocate(shape.elements() * type.bytes(), ALIGNMENT);
        for (long i = 0; i < shape.elements(); i++) {
            float value = (float) random.nextDouble(low, high);
            switch (type) {
                case F32 -> memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
                case F16 -> memory.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
                case BF16 -> memory.setAtIndex(ValueLayout.JAVA_SHORT, i, BFloat16.fromFloat(value));
                default -> throw new IllegalArgumentException("no random numbers of type " + type.label());
            }
        }
        return NdArray.of(memory, type, shape);
    }

    /// A new array of zeros of any type.
    public NdArray zeros(DType type, int... dims) {
        Shape shape = Shape.of(dims);
        return NdArray.of(arena.allocate(shape.elements() * type.bytes(), ALIGNMENT), type, shape);
    }
}
