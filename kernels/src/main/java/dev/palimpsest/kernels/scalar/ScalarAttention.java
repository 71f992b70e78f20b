package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Attention, one head and one query at a time, straight from its definition; in bf16 by rounding what is multiplied.
final class ScalarAttention {
    private ScalarAttention() {}

    /// `out[i, h] = sum over visible j of softmax_j(scale * q[i, h] . k[j, h] + bias[h, i, j]) * v[j, h]`
    static void run(Attention op, NdArray q, NdArray k, NdArray v, NdArray out) {
        int queries = q.dim(0);
        int keys = k.dim(0);
        int heads = q.dim(1);
        KeyRanges visible = op.visible();
        @Nullable NdArray bias = op.bias() == null ? null : op.bias().expand(Shape.of(heads, queries, keys));

        double[] query = new double[q.dim(2)];
        double[][] keyRows = new double[keys][k.dim(2)];
        double[][] valueRows = new double[keys][v.dim(2)];
        double[] biasRow = new double[keys];
        double[] scores = new double[keys];
        double[] result = new double[v.dim(2)];
        double[] weight = new double[1];

        for (int h = 0; h < heads; h++) {
            for (int j = 0; j < keys; j++) {
                Rows.read(k, new int[] {j, h}, keyRows[j]);
                Rows.read(v, new int[] {j, h}, valueRows[j]);
                round(op, keyRows[j]);
                round(op, valueRows[j]);
            }
            for (int i = 0; i < queries; i++) {
                int from = visible.from(i);
                int to = visible.to(i);
                Rows.read(q, new int[] {i, h}, query);
                round(op, query);
                if (bias != null) {
                    Rows.read(bias, new int[] {h, i}, biasRow);
                }
                Arrays.fill(scores, 0);
                double max = Double.NEGATIVE_INFINITY;
                for (int j = from; j < to; j++) {
                    scores[j] = op.scale() * dot(query, keyRows[j]) + biasRow[j];
                    max = Math.max(max, scores[j]);
                }
                // Nothing is visible: the range is empty or the bias hides all of it. Zeros then, not 0 / 0.
                boolean blind = max == Double.NEGATIVE_INFINITY;
                double sum = 0;
                for (int j = from; j < to; j++) {
                    scores[j] = blind ? 0 : Math.exp(scores[j] - max);
                    sum += scores[j];
                }
                Arrays.fill(result, 0);
                for (int j = from; j < to && !blind; j++) {
                    weight[0] = scores[j];
                    round(op, weight);
                    scores[j] /= sum;
                    for (int d = 0; d < result.length; d++) {
                        result[d] += weight[0] / sum * valueRows[j][d];
                    }
                }
                Rows.write(result, out, new int[] {i, h});
                if (op.probabilities() != null) {
                    Rows.write(scores, op.probabilities(), new int[] {h, i});
                }
                if (op.logSumExp() != null) {
                    double logSumExp = blind ? Double.NEGATIVE_INFINITY : max + Math.log(sum);
                    op.logSumExp().set(logSumExp, i, h);
                }
            }
        }
    }

    private static void round(Attention op, double[] x) {
        if (op.arithmetic() == Arithmetic.BF16) {
            for (int i = 0; i < x.length; i++) {
                x[i] = BFloat16.toFloat(BFloat16.fromFloat((float) x[i]));
            }
        }
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
