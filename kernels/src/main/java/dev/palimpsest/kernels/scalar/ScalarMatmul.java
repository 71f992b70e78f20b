package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import java.util.Arrays;

/// Matrix product: one sum in double precision for every element of the output.
final class ScalarMatmul {
    /// Rows of the left side that share one pass over the right side.
    private static final int ROWS = 32;

    private ScalarMatmul() {}

    /// `out[..., m, n] = epilogue(sum over k of a[..., m, k] * b[..., k, n])`
    static void run(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
        int m = a.dim(-2);
        int k = a.dim(-1);
        int n = b.dim(-1);
        int last = out.rank() - 1;
        double[] bias = new double[n];
        if (epilogue.bias() != null) {
            Rows.read(epilogue.bias(), new int[0], bias);
        }
        ScalarEpilogue finish = new ScalarEpilogue(epilogue, out);
        double[][] left = new double[Math.min(ROWS, m)][k];
        double[][] product = new double[Math.min(ROWS, m)][n];
        double[] column = new double[k];

        Rows.forEach(Rows.leading(out.shape(), last - 1), batch -> {
            int[] row = Arrays.copyOf(batch, last);
            for (int from = 0; from < m; from += ROWS) {
                int rows = Math.min(ROWS, m - from);
                for (int i = 0; i < rows; i++) {
                    row[last - 1] = from + i;
                    Rows.read(a, row, left[i]);
                }
                for (int j = 0; j < n; j++) {
                    Rows.read(b, Rows.position(b, batch) + j * b.stride(-1), b.stride(-2), k, column);
                    for (int i = 0; i < rows; i++) {
                        product[i][j] = dot(left[i], column) + bias[j];
                    }
                }
                for (int i = 0; i < rows; i++) {
                    row[last - 1] = from + i;
                    finish.write(product[i], row);
                }
            }
        });
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
