package dev.palimpsest.kernels.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.stream.IntStream;

/// Seeded random arrays in awkward layouts, and outputs that show whether a kernel wrote too little or too much.
final class Operands {
    private final Arena arena;
    private final Random random;

    Operands(Arena arena, long seed) {
        this.arena = arena;
        this.random = new Random(seed);
    }

    /// The vector widths that this machine has.
    static IntStream widths() {
        return IntStream.of(128, 256, 512).filter(bits -> bits <= Simd.FLOATS.vectorBitSize());
    }

    /// A dense array of normally distributed values.
    NdArray dense(DType type, int... dims) {
        Shape shape = Shape.of(dims);
        NdArray x = NdArray.of(arena.allocate(Math.max(shape.elements() * type.bytes(), 1), 64), type, shape);
        fill(x);
        return x;
    }

    /// A dense f32 array.
    NdArray dense(int... dims) {
        return dense(DType.F32, dims);
    }

    /// An array whose axes lie in memory in the given order, outermost first, with gaps of `gap` elements after each
    /// row and a few unused elements in front.
    NdArray strided(DType type, int gap, int[] order, int... dims) {
        long[] strides = new long[dims.length];
        long n = 1;
        for (int i = order.length - 1; i >= 0; i--) {
            strides[order[i]] = n;
            n = n * Math.max(dims[order[i]], 1) + gap;
        }
        int offset = 3;
        MemorySegment memory = arena.allocate((n + offset) * type.bytes(), 64);
        NdArray all = NdArray.of(memory, type, Shape.of((int) (n + offset)));
        fill(all);
        return NdArray.of(memory, type, Shape.of(dims), strides, offset);
    }

    private void fill(NdArray x) {
        MemorySegment m = x.memory();
        for (long i = 0; i < x.elements(); i++) {
            float v = (float) random.nextGaussian();
            switch (x.dtype()) {
                case F32 -> m.setAtIndex(ValueLayout.JAVA_FLOAT, i, v);
                case BF16 -> m.setAtIndex(ValueLayout.JAVA_SHORT, i, BFloat16.fromFloat(v));
                case F16 -> m.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(v));
                default -> throw new IllegalArgumentException(x.dtype().label());
            }
        }
    }

    /// An f32 array full of NaNs, laid out like [#strided].
    NdArray poisoned(int gap, int[] order, int... dims) {
        NdArray x = strided(DType.F32, gap, order, dims);
        for (long i = 0; i < x.memory().byteSize() / 4; i++) {
            x.memory().setAtIndex(ValueLayout.JAVA_FLOAT, i, Float.NaN);
        }
        return x;
    }

    /// A dense f32 array full of NaNs.
    NdArray poisoned(int... dims) {
        return poisoned(0, IntStream.range(0, dims.length).toArray(), dims);
    }

    /// One of the 16 combinations of bias, activation, gate and residual, for an output with this shape and its
    /// columns on `axis`.
    Epilogue epilogue(int which, Shape out, int axis) {
        int[] gate = out.dims();
        gate[0] = 1;
        return Epilogue.bias((which & 1) == 0 ? null : dense(out.dim(axis)))
                .withActivation(
                        (which & 2) == 0 ? Activation.NONE : (which & 8) == 0 ? Activation.SILU : Activation.GELU_TANH)
                .withGate((which & 4) == 0 ? null : gate(gate))
                .withResidual((which & 8) == 0 ? null : dense(out.dims()));
    }

    /// Factors around 1, so that a gate does not scale the rounding errors of the product much.
    private NdArray gate(int... dims) {
        NdArray x = dense(dims);
        for (long i = 0; i < x.elements(); i++) {
            x.memory().setAtIndex(ValueLayout.JAVA_FLOAT, i, 0.5f + random.nextFloat());
        }
        return x;
    }

    /// Asserts that two arrays agree within an absolute tolerance for every element, NaN nowhere.
    static void assertClose(NdArray actual, NdArray expected, double tolerance, String what) {
        double worst = 0;
        long at = -1;
        int[] index = new int[expected.rank()];
        for (long i = 0; i < expected.elements(); i++) {
            double difference = Math.abs(actual.get(index) - expected.get(index));
            if (!(difference <= worst)) {
                worst = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : difference;
                at = i;
            }
            for (int axis = index.length - 1; axis >= 0 && ++index[axis] == expected.dim(axis); axis--) {
                index[axis] = 0;
            }
        }
        assertThat(worst)
                .as("%s: worst difference, at element %d of %s", what, at, expected.shape())
                .isLessThanOrEqualTo(tolerance);
    }

    /// The bits of a dense f32 array.
    static byte[] bits(NdArray x) {
        return x.memory().toArray(ValueLayout.JAVA_BYTE);
    }

    /// How many elements of the memory of a poisoned array were written.
    static long written(NdArray x) {
        return IntStream.range(0, (int) (x.memory().byteSize() / 4))
                .filter(i -> !Float.isNaN(x.memory().getAtIndex(ValueLayout.JAVA_FLOAT, i)))
                .count();
    }
}
