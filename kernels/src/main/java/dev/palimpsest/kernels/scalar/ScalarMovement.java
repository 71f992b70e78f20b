package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.util.Arrays;

/// Copies, conversions and rows picked by index.
final class ScalarMovement {
    private ScalarMovement() {}

    static void copy(NdArray source, NdArray result) {
        NdArray out = Rows.atLeastOneAxis(result);
        NdArray x = source.expand(out.shape());
        int n = out.dim(-1);
        double[] numbers = new double[n];
        long[] integers = new long[n];
        Rows.forEach(out.shape(), index -> {
            long from = Rows.position(x, index);
            long to = Rows.position(out, index);
            if (x.dtype() == out.dtype()) {
                Rows.readBits(x, from, x.stride(-1), n, integers);
                Rows.writeBits(integers, out, to, out.stride(-1), n);
            } else if (x.dtype().isFloating()) {
                Rows.read(x, from, x.stride(-1), n, numbers);
                Rows.write(numbers, out, to, out.stride(-1), n);
            } else {
                Rows.read(x, from, x.stride(-1), n, integers);
                if (out.dtype().isFloating()) {
                    toFloating(integers, x.dtype(), out.dtype(), numbers);
                    Rows.write(numbers, out, to, out.stride(-1), n);
                } else {
                    Rows.write(integers, out, to, out.stride(-1), n);
                }
            }
        });
    }

    /// Integers as floating-point numbers, rounded once to f64 or once to f32: by way of f64 an integer could be
    /// rounded twice.
    private static void toFloating(long[] integers, DType from, DType to, double[] numbers) {
        for (int i = 0; i < integers.length; i++) {
            long v = integers[i];
            if (to == DType.F64) {
                numbers[i] = from == DType.U64 ? Rows.unsignedToDouble(v) : v;
            } else {
                numbers[i] = from == DType.U64 ? Rows.unsignedToFloat(v) : (float) v;
            }
        }
    }

    static void fill(NdArray result, double value) {
        NdArray out = Rows.atLeastOneAxis(result);
        double[] row = new double[out.dim(-1)];
        Arrays.fill(row, value);
        Rows.forEach(out.shape(), index -> Rows.write(row, out, index));
    }

    static void gather(NdArray table, NdArray indices, NdArray out) {
        for (int i = 0; i < indices.dim(0); i++) {
            copy(table.select(0, Math.toIntExact(indices.getLong(i))), out.select(0, i));
        }
    }

    static void scatterAdd(NdArray rows, NdArray indices, NdArray out) {
        for (int i = 0; i < indices.dim(0); i++) {
            NdArray from = Rows.atLeastOneAxis(rows.select(0, i));
            NdArray to = Rows.atLeastOneAxis(out.select(0, Math.toIntExact(indices.getLong(i))));
            double[] term = new double[from.dim(-1)];
            double[] sum = new double[from.dim(-1)];
            Rows.forEach(from.shape(), index -> {
                Rows.read(from, index, term);
                Rows.read(to, index, sum);
                for (int j = 0; j < sum.length; j++) {
                    sum[j] += term[j];
                }
                Rows.write(sum, to, index);
            });
        }
    }
}
