package dev.palimpsest.kernels.cases;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;

/// Small dense arrays from and to Java numbers; their memory lives as long as they do.
public final class TestArrays {
    private TestArrays() {}

    /// A row of f32 numbers.
    public static NdArray row(double... values) {
        return array(DType.F32, Shape.of(values.length), values);
    }

    /// A matrix of f32 numbers.
    public static NdArray matrix(double[]... rows) {
        NdArray x = zeros(DType.F32, rows.length, rows[0].length);
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < rows[i].length; j++) {
                x.set(rows[i][j], i, j);
            }
        }
        return x;
    }

    /// Numbers in row-major order.
    public static NdArray array(DType dtype, Shape shape, double... values) {
        NdArray x = zeros(dtype, shape.dims());
        int[] i = {0};
        GuardedArray.forEachIndex(shape, index -> x.set(values[i[0]++], index));
        return x;
    }

    /// Zeros.
    public static NdArray zeros(DType dtype, int... dims) {
        Shape shape = Shape.of(dims);
        return NdArray.of(Arena.ofAuto().allocate(Math.max(1, shape.elements() * dtype.bytes()), 64), dtype, shape);
    }

    /// Zeros of f32.
    public static NdArray zeros(int... dims) {
        return zeros(DType.F32, dims);
    }

    /// Standard normal f32 numbers.
    public static NdArray normal(long seed, int... dims) {
        SplittableRandom random = new SplittableRandom(seed);
        NdArray x = zeros(dims);
        GuardedArray.forEachIndex(x.shape(), index -> x.set(random.nextGaussian(), index));
        return x;
    }

    /// All elements in row-major order.
    public static double[] elements(NdArray x) {
        double[] values = new double[Math.toIntExact(x.elements())];
        int[] i = {0};
        GuardedArray.forEachIndex(x.shape(), index -> values[i[0]++] = x.get(index));
        return values;
    }
}
