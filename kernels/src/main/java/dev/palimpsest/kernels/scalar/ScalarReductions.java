package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Reduction;
import dev.palimpsest.kernels.Shape;

/// Many elements into one.
final class ScalarReductions {
    private ScalarReductions() {}

    static void reduce(Reduction op, NdArray input, NdArray result) {
        NdArray x = Rows.atLeastOneAxis(input);
        NdArray out = Rows.atLeastOneAxis(result);
        Rows.forEach(out.shape().dims(), index -> {
            NdArray part = x;
            for (int i = 0; i < index.length; i++) {
                if (out.dim(i) == x.dim(i)) {
                    part = part.slice(i, index[i], index[i] + 1);
                }
            }
            if (x.dtype() == DType.I64) {
                long[] one = {integers(op, part)};
                Rows.write(one, out, Rows.position(out, index), 1, 1);
            } else {
                out.set(numbers(op, part), index);
            }
        });
    }

    private static double numbers(Reduction op, NdArray x) {
        double[] row = new double[x.dim(-1)];
        double[] total = {
            switch (op) {
                case SUM, MEAN -> 0;
                case MAX -> Double.NEGATIVE_INFINITY;
                case MIN -> Double.POSITIVE_INFINITY;
            }
        };
        Rows.forEach(x.shape(), index -> {
            Rows.read(x, index, row);
            for (double v : row) {
                total[0] = switch (op) {
                    case SUM, MEAN -> total[0] + v;
                    case MAX -> Math.max(total[0], v);
                    case MIN -> Math.min(total[0], v);
                };
            }
        });
        return op == Reduction.MEAN ? total[0] / x.elements() : total[0];
    }

    private static long integers(Reduction op, NdArray x) {
        int n = x.dim(-1);
        long[] row = new long[n];
        long[] total = {
            switch (op) {
                case SUM, MEAN -> 0;
                case MAX -> Long.MIN_VALUE;
                case MIN -> Long.MAX_VALUE;
            }
        };
        Rows.forEach(x.shape(), index -> {
            Rows.read(x, Rows.position(x, index), x.stride(-1), n, row);
            for (long v : row) {
                total[0] = switch (op) {
                    case SUM, MEAN -> total[0] + v;
                    case MAX -> Math.max(total[0], v);
                    case MIN -> Math.min(total[0], v);
                };
            }
        });
        return total[0];
    }

    static void argmax(NdArray x, NdArray out) {
        double[] row = new double[x.dim(-1)];
        Shape rows = x.shape().remove(-1);
        Rows.forEach(rows.dims(), index -> {
            Rows.read(x, index, row);
            int best = 0;
            for (int i = 1; i < row.length; i++) {
                // A NaN beats every number but not an earlier NaN.
                if (row[i] > row[best] || (Double.isNaN(row[i]) && !Double.isNaN(row[best]))) {
                    best = i;
                }
            }
            out.set(best, index);
        });
    }
}
