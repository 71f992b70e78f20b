package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Quantization;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.util.Arrays;

/// Packed matrices of the scalar kernels and products with them.
///
/// @param weights `(N, K)` in the type that the arithmetic keeps
/// @param scales `(N, groups)`, empty unless the weights are integers
/// @param arithmetic how products are computed
/// @param groupSize elements that share a scale, 0 for all
record ScalarPacked(NdArray weights, NdArray scales, Arithmetic arithmetic, int groupSize) implements PackedMatrix {

    /// Packs a matrix `(K, N)`.
    static ScalarPacked of(NdArray b, Arithmetic arithmetic, int groupSize, Arena arena) {
        int k = b.dim(0);
        int n = b.dim(1);
        DType type = switch (arithmetic) {
            case F32 -> b.dtype();
            case BF16 -> DType.BF16;
            case INT8, INT8_WEIGHT_ONLY -> DType.I8;
        };
        int group = groupSize == 0 ? Math.max(k, 1) : groupSize;
        int groups = type == DType.I8 ? Math.max(1, Math.ceilDiv(k, group)) : 0;
        NdArray weights = allocate(arena, type, n, k);
        NdArray scales = allocate(arena, DType.F32, n, groups);
        double[] column = new double[k];
        for (int j = 0; j < n; j++) {
            Rows.read(b, b.offset() + j * b.stride(1), b.stride(0), k, column);
            for (int g = 0; g < groups; g++) {
                int from = g * group;
                int to = Math.min(k, from + group);
                float largest = 0;
                for (int i = from; i < to; i++) {
                    if (!Double.isFinite(column[i])) {
                        throw new IllegalArgumentException("pack: " + b.shape() + ": element (" + i + ", " + j + ") is "
                                + column[i] + ", which no integer can stand for");
                    }
                    largest = Math.max(largest, (float) Math.abs(column[i]));
                }
                float inverse = Quantization.weightInverse(largest);
                for (int i = from; i < to; i++) {
                    column[i] = Quantization.weight((float) column[i], inverse);
                }
                scales.set(Quantization.weightScale(largest), j, g);
            }
            for (int i = 0; i < k; i++) {
                weights.set(column[i], j, i);
            }
        }
        return new ScalarPacked(weights, scales, arithmetic, groupSize);
    }

    private static NdArray allocate(Arena arena, DType type, int rows, int columns) {
        Shape shape = Shape.of(rows, columns);
        return NdArray.of(arena.allocate(Math.max(1, shape.elements() * type.bytes()), 64), type, shape);
    }

    @Override
    public Shape shape() {
        return Shape.of(weights.dim(1), weights.dim(0));
    }

    @Override
    public DType weightType() {
        return weights.dtype();
    }

    @Override
    public long bytes() {
        return weights.memory().byteSize() + scales.memory().byteSize();
    }

    /// `out[..., m, n] = epilogue(sum over k of a[..., m, k] * b[k, n])`
    void multiply(NdArray a, NdArray out, Epilogue epilogue) {
        int k = weights.dim(1);
        int n = weights.dim(0);
        double[] bias = new double[n];
        if (epilogue.bias() != null) {
            Rows.read(epilogue.bias(), new int[0], bias);
        }
        ScalarEpilogue finish = new ScalarEpilogue(epilogue, out);
        double[] left = new double[k];
        double[] column = new double[k];
        double[] product = new double[n];
        Rows.forEach(out.shape(), row -> {
            int[] at = Arrays.copyOf(row, row.length);
            Rows.read(a, at, left);
            double scale = prepare(left);
            for (int j = 0; j < n; j++) {
                Rows.read(weights, new int[] {j}, column);
                product[j] = scale * dot(left, column, j) + bias[j];
            }
            finish.write(product, at);
        });
    }

    /// Rounds a row of the left side to what the arithmetic multiplies.
    ///
    /// @return what the products are to be multiplied with
    private double prepare(double[] row) {
        return switch (arithmetic) {
            case F32, INT8_WEIGHT_ONLY -> 1;
            case BF16 -> {
                for (int i = 0; i < row.length; i++) {
                    row[i] = BFloat16.toFloat(BFloat16.fromFloat((float) row[i]));
                }
                yield 1;
            }
            case INT8 -> quantize(row);
        };
    }

    private static double quantize(double[] row) {
        float smallest = 0;
        float largest = 0;
        for (double x : row) {
            smallest = Math.min(smallest, (float) x);
            largest = Math.max(largest, (float) x);
        }
        Quantization.Row quantization = Quantization.row(smallest, largest);
        for (int i = 0; i < row.length; i++) {
            row[i] = quantization.quantize((float) row[i]) - quantization.zero();
        }
        return quantization.scale();
    }

    private double dot(double[] row, double[] column, int j) {
        if (weightType() != DType.I8) {
            return sum(row, column, 0, row.length);
        }
        int group = groupSize == 0 ? Math.max(row.length, 1) : groupSize;
        double sum = 0;
        for (int g = 0; g < scales.dim(1); g++) {
            sum += scales.get(j, g) * sum(row, column, g * group, Math.min(row.length, (g + 1) * group));
        }
        return sum;
    }

    private static double sum(double[] a, double[] b, int from, int to) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
