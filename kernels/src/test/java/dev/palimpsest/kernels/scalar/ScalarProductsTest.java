package dev.palimpsest.kernels.scalar;

import static dev.palimpsest.kernels.cases.TestArrays.elements;
import static dev.palimpsest.kernels.cases.TestArrays.matrix;
import static dev.palimpsest.kernels.cases.TestArrays.normal;
import static dev.palimpsest.kernels.cases.TestArrays.row;
import static dev.palimpsest.kernels.cases.TestArrays.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.cases.GuardedArray;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The reference's products against values computed by hand and against the definitions, written a second time.
class ScalarProductsTest {
    private static final double ROUNDING = 1e-6;

    private final ScalarKernels kernels = new ScalarKernels();

    @Test
    void multipliesMatricesAsByHand() {
        NdArray out = zeros(2, 2);

        kernels.matmul(
                matrix(new double[] {1, 2, 3}, new double[] {4, 5, 6}),
                matrix(new double[] {1, -1}, new double[] {0, 2}, new double[] {5, 0.5}),
                out,
                Epilogue.NONE);

        assertThat(elements(out)).containsExactly(16, 4.5, 34, 9);
    }

    @Test
    void multipliesEveryBatchByItsOwnMatrix() {
        NdArray a = normal(1, 2, 3, 40, 5);
        NdArray b = normal(2, 2, 3, 5, 4);
        NdArray out = zeros(2, 3, 40, 4);

        kernels.matmul(a, b, out, Epilogue.NONE);

        check(out, i -> {
            double sum = 0;
            for (int k = 0; k < 5; k++) {
                sum += a.get(i[0], i[1], i[2], k) * b.get(i[0], i[1], k, i[3]);
            }
            return sum;
        });
    }

    @Test
    void multiplyingOverNothingGivesZeros() {
        NdArray out = normal(1, 2, 3);

        kernels.matmul(zeros(2, 0), zeros(0, 3), out, Epilogue.NONE);

        assertThat(elements(out)).containsOnly(0);
    }

    @ParameterizedTest
    @EnumSource
    void appliesTheEpilogueInItsOrder(Activation activation) {
        NdArray a = normal(1, 7, 5);
        NdArray b = normal(2, 5, 4);
        NdArray bias = normal(3, 4);
        NdArray gate = normal(4, 7, 1);
        NdArray residual = normal(5, 4);
        NdArray out = zeros(7, 4);

        kernels.matmul(a, b, out, new Epilogue(bias, activation, gate, residual));

        check(out, i -> {
            double x = bias.get(i[1]);
            for (int k = 0; k < 5; k++) {
                x += a.get(i[0], k) * b.get(k, i[1]);
            }
            return residual.get(i[1]) + gate.get(i[0], 0) * activated(activation, x);
        });
    }

    @Test
    void addsToWhatTheOutputHolds() {
        NdArray out = row(10, 20).unsqueeze(0);

        kernels.matmul(matrix(new double[] {2}), matrix(new double[] {3, 4}), out, Epilogue.NONE.withResidual(out));

        assertThat(elements(out)).containsExactly(16, 28);
    }

    private static double activated(Activation activation, double x) {
        return switch (activation) {
            case NONE -> x;
            case SILU -> x / (1 + Math.exp(-x));
            case GELU_TANH -> 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * Math.pow(x, 3))));
        };
    }

    @Test
    void correlatesWithoutTurningTheKernel() {
        NdArray out = zeros(1, 1, 1, 1, 3);

        kernels.convolution(
                Convolution.planar(1, 0),
                row(1, 2, 3, 4).reshape(Shape.of(1, 1, 1, 1, 4)),
                row(10, 1).reshape(Shape.of(1, 1, 1, 1, 2)),
                out,
                Epilogue.NONE);

        assertThat(elements(out)).containsExactly(12, 23, 34);
    }

    @Test
    void repeatsTheFirstFrameInFront() {
        NdArray out = zeros(1, 1, 3, 1, 1);
        Convolution causal = new Convolution(1, 1, 1, 2, 0, 0, 0, 0, 0, true);

        kernels.convolution(
                causal,
                row(5, 7, 11).reshape(Shape.of(1, 1, 3, 1, 1)),
                row(1, 10, 100).reshape(Shape.of(1, 1, 3, 1, 1)),
                out,
                Epilogue.NONE);

        assertThat(elements(out)).containsExactly(555, 755, 1175);
    }

    @Test
    void convolvesAsDefinedWithEveryStrideAndPadding() {
        NdArray x = normal(1, 2, 3, 4, 7, 6);
        NdArray w = normal(2, 5, 3, 2, 3, 4);
        NdArray bias = normal(3, 5);
        for (boolean replicate : new boolean[] {false, true}) {
            Convolution op = new Convolution(1, 2, 3, 3, 1, 2, 0, 1, 3, replicate);
            NdArray out = zeros(op.outputShape(x.shape(), w.shape()).dims());

            kernels.convolution(op, x, w, out, new Epilogue(bias, Activation.SILU, null, null));

            check(out, i -> {
                double sum = bias.get(i[1]);
                for (int c = 0; c < 3; c++) {
                    for (int t = 0; t < 2; t++) {
                        for (int h = 0; h < 3; h++) {
                            for (int v = 0; v < 4; v++) {
                                sum += w.get(i[1], c, t, h, v)
                                        * padded(
                                                x,
                                                replicate,
                                                i[0],
                                                c,
                                                i[2] + t - 3,
                                                2 * i[3] + h - 2,
                                                3 * i[4] + v - 1);
                            }
                        }
                    }
                }
                return activated(Activation.SILU, sum);
            });
        }
    }

    private static double padded(NdArray x, boolean replicate, int... i) {
        if (replicate && i[2] < 0) {
            i[2] = 0;
        }
        for (int axis = 2; axis < 5; axis++) {
            if (i[axis] < 0 || i[axis] >= x.dim(axis)) {
                return 0;
            }
        }
        return x.get(i);
    }

    @Test
    void attendsToEqualKeysEqually() {
        NdArray out = zeros(1, 1, 1);

        kernels.attention(
                Attention.of(1, KeyRanges.full(1, 4)),
                zeros(1, 1, 3),
                normal(1, 4, 1, 3),
                row(1, 2, 3, 6).reshape(Shape.of(4, 1, 1)),
                out);

        assertThat(out.get(0, 0, 0)).isEqualTo(3);
    }

    @Test
    void attendsAsDefinedAndTellsProbabilitiesAndLogSumExp() {
        int queries = 6;
        int keys = 9;
        NdArray q = normal(1, queries, 2, 5);
        NdArray k = normal(2, keys, 2, 5);
        NdArray v = normal(3, keys, 2, 3);
        NdArray bias = normal(4, 2, 1, keys);
        KeyRanges visible = KeyRanges.of(new int[] {0, 0, 2, 5, 8, 4}, new int[] {9, 1, 7, 9, 9, 4}, keys);
        NdArray out = zeros(queries, 2, 3);
        NdArray probabilities = normal(5, 2, queries, keys);
        NdArray logSumExp = zeros(queries, 2);

        kernels.attention(new Attention(0.7f, visible, bias, probabilities, logSumExp), q, k, v, out);

        double[][][] weights = new double[2][queries][keys];
        for (int h = 0; h < 2; h++) {
            for (int i = 0; i < queries; i++) {
                for (int j = visible.from(i); j < visible.to(i); j++) {
                    double score = 0;
                    for (int d = 0; d < 5; d++) {
                        score += q.get(i, h, d) * k.get(j, h, d);
                    }
                    weights[h][i][j] = Math.exp((double) 0.7f * score + bias.get(h, 0, j));
                }
            }
        }
        check(logSumExp, i -> Math.log(sum(weights[i[1]][i[0]])));
        check(probabilities, i -> ratio(weights[i[0]][i[1]][i[2]], sum(weights[i[0]][i[1]])));
        check(out, i -> {
            double result = 0;
            for (int j = 0; j < keys; j++) {
                result += ratio(weights[i[1]][i[0]][j], sum(weights[i[1]][i[0]])) * v.get(j, i[1], i[2]);
            }
            return result;
        });
        assertThat(elements(out.select(0, 5))).as("a query that sees nothing").containsOnly(0);
    }

    @Test
    void aBiasCanHideAllKeys() {
        NdArray out = normal(1, 1, 1, 2);
        NdArray logSumExp = zeros(1, 1);
        NdArray probabilities = normal(2, 1, 1, 3);

        kernels.attention(
                new Attention(1, KeyRanges.full(1, 3), row(Double.NEGATIVE_INFINITY), probabilities, logSumExp),
                normal(3, 1, 1, 2),
                normal(4, 3, 1, 2),
                normal(5, 3, 1, 2),
                out);

        assertThat(elements(out)).containsOnly(0);
        assertThat(elements(probabilities)).containsOnly(0);
        assertThat(logSumExp.get(0, 0)).isEqualTo(Double.NEGATIVE_INFINITY);
    }

    private static double sum(double[] x) {
        double sum = 0;
        for (double v : x) {
            sum += v;
        }
        return sum;
    }

    private static double ratio(double a, double sum) {
        return sum == 0 ? 0 : a / sum;
    }

    private static void check(NdArray actual, ToDoubleFunction<int[]> expected) {
        GuardedArray.forEachIndex(actual.shape(), index -> {
            double e = expected.applyAsDouble(index);
            if (Double.isInfinite(e)) {
                assertThat(actual.get(index)).isEqualTo(e);
            } else {
                assertThat(actual.get(index)).isCloseTo(e, within(ROUNDING * Math.max(1, Math.abs(e))));
            }
        });
    }
}
