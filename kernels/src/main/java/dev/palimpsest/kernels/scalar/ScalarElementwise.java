package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Unary;

/// Functions of single elements, row by row.
///
/// Sums, differences, products, quotients and roots of f32 numbers come out correctly rounded although they are
/// computed in double precision first, because double has more than twice the digits (Figueroa 1995).
final class ScalarElementwise {
    private ScalarElementwise() {}

    static void unary(Unary op, NdArray argument, NdArray result) {
        NdArray x = Rows.atLeastOneAxis(argument);
        NdArray out = Rows.atLeastOneAxis(result);
        double[] row = new double[x.dim(-1)];
        Rows.forEach(x.shape(), index -> {
            Rows.read(x, index, row);
            for (int i = 0; i < row.length; i++) {
                row[i] = Functions.apply(op, row[i]);
            }
            Rows.write(row, out, index);
        });
    }

    static void binary(Binary op, NdArray left, NdArray right, NdArray result) {
        NdArray out = Rows.atLeastOneAxis(result);
        NdArray a = left.expand(out.shape());
        NdArray b = right.expand(out.shape());
        if (a.dtype().isFloating()) {
            numbers(op, a, b, out);
        } else {
            integers(op, a, b, out);
        }
    }

    private static void numbers(Binary op, NdArray a, NdArray b, NdArray out) {
        double[] x = new double[out.dim(-1)];
        double[] y = new double[out.dim(-1)];
        Rows.forEach(out.shape(), index -> {
            Rows.read(a, index, x);
            Rows.read(b, index, y);
            for (int i = 0; i < x.length; i++) {
                x[i] = Functions.apply(op, x[i], y[i]);
            }
            Rows.write(x, out, index);
        });
    }

    private static void integers(Binary op, NdArray a, NdArray b, NdArray out) {
        int n = out.dim(-1);
        // Only comparisons take u64; turning the top bit makes signed order the unsigned one.
        long top = a.dtype() == DType.U64 ? Long.MIN_VALUE : 0;
        long[] x = new long[n];
        long[] y = new long[n];
        Rows.forEach(out.shape(), index -> {
            Rows.read(a, Rows.position(a, index), a.stride(-1), n, x);
            Rows.read(b, Rows.position(b, index), b.stride(-1), n, y);
            for (int i = 0; i < n; i++) {
                x[i] = Functions.apply(op, x[i] ^ top, y[i] ^ top);
            }
            Rows.write(x, out, Rows.position(out, index), out.stride(-1), n);
        });
    }

    static void where(NdArray test, NdArray first, NdArray second, NdArray result) {
        NdArray out = Rows.atLeastOneAxis(result);
        NdArray condition = test.expand(out.shape());
        NdArray a = first.expand(out.shape());
        NdArray b = second.expand(out.shape());
        int n = out.dim(-1);
        long[] choice = new long[n];
        long[] x = new long[n];
        long[] y = new long[n];
        Rows.forEach(out.shape(), index -> {
            Rows.read(condition, Rows.position(condition, index), condition.stride(-1), n, choice);
            Rows.readBits(a, Rows.position(a, index), a.stride(-1), n, x);
            Rows.readBits(b, Rows.position(b, index), b.stride(-1), n, y);
            for (int i = 0; i < n; i++) {
                x[i] = choice[i] != 0 ? x[i] : y[i];
            }
            Rows.writeBits(x, out, Rows.position(out, index), out.stride(-1), n);
        });
    }
}
