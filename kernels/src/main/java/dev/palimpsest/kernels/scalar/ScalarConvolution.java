package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import java.util.Arrays;

/// Convolution, one row of the output for all output channels at a time.
final class ScalarConvolution {
    private ScalarConvolution() {}

    /// `out[n, o, t, h, w] = epilogue(sum over c, i, j, k of input[n, c, t*strideT + i - front, h*strideH + j - top,
    /// w*strideW + k - left] * weight[o, c, i, j, k])`
    ///
    /// in [Arithmetic#BF16] of the input and the weight rounded.
    static void run(Convolution op, NdArray input, NdArray weight, NdArray out, Epilogue epilogue) {
        int channels = out.dim(1);
        double[] bias = new double[channels];
        if (epilogue.bias() != null) {
            Rows.read(epilogue.bias(), new int[0], bias);
        }
        ScalarEpilogue finish = new ScalarEpilogue(epilogue, out);
        double[][] sums = new double[channels][out.dim(4)];
        // The input row between its zero padding; the padding is never written.
        double[] padded = new double[op.left() + input.dim(4) + op.right()];
        double[] taps = new double[weight.dim(4)];

        for (int n = 0; n < out.dim(0); n++) {
            for (int t = 0; t < out.dim(2); t++) {
                for (int h = 0; h < out.dim(3); h++) {
                    for (int o = 0; o < channels; o++) {
                        Arrays.fill(sums[o], bias[o]);
                    }
                    for (int i = 0; i < weight.dim(2); i++) {
                        int frame = t * op.strideT() + i - op.front();
                        if (frame < 0 && op.replicateFront()) {
                            frame = 0;
                        }
                        for (int j = 0; j < weight.dim(3); j++) {
                            int line = h * op.strideH() + j - op.top();
                            if (frame < 0 || frame >= input.dim(2) || line < 0 || line >= input.dim(3)) {
                                continue;
                            }
                            for (int c = 0; c < input.dim(1); c++) {
                                readRow(input, new int[] {n, c, frame, line}, op.left(), padded);
                                round(op.arithmetic(), padded);
                                for (int o = 0; o < channels; o++) {
                                    Rows.read(weight, new int[] {o, c, i, j}, taps);
                                    round(op.arithmetic(), taps);
                                    correlate(padded, taps, op.strideW(), sums[o]);
                                }
                            }
                        }
                    }
                    for (int o = 0; o < channels; o++) {
                        finish.write(sums[o], n, o, t, h);
                    }
                }
            }
        }
    }

    private static void readRow(NdArray input, int[] index, int left, double[] padded) {
        double[] row = new double[input.dim(4)];
        Rows.read(input, index, row);
        System.arraycopy(row, 0, padded, left, row.length);
    }

    private static void round(Arithmetic arithmetic, double[] row) {
        if (arithmetic == Arithmetic.BF16) {
            for (int i = 0; i < row.length; i++) {
                row[i] = BFloat16.toFloat(BFloat16.fromFloat((float) row[i]));
            }
        }
    }

    private static void correlate(double[] row, double[] taps, int stride, double[] sums) {
        for (int k = 0; k < taps.length; k++) {
            double tap = taps[k];
            for (int w = 0; w < sums.length; w++) {
                sums[w] += tap * row[w * stride + k];
            }
        }
    }
}
