package dev.palimpsest.kernels.scalar;

import static dev.palimpsest.kernels.cases.TestArrays.elements;
import static dev.palimpsest.kernels.cases.TestArrays.matrix;
import static dev.palimpsest.kernels.cases.TestArrays.normal;
import static dev.palimpsest.kernels.cases.TestArrays.row;
import static dev.palimpsest.kernels.cases.TestArrays.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.cases.GuardedArray;
import org.junit.jupiter.api.Test;

/// The reference's softmax and normalisations against values computed by hand.
class ScalarNormsTest {
    private static final double ROUNDING = 1e-6;

    private final ScalarKernels kernels = new ScalarKernels();

    @Test
    void softmaxSharesOneAmongExponentials() {
        NdArray out = zeros(2, 3);

        kernels.softmax(matrix(new double[] {0, Math.log(2), Math.log(5)}, new double[] {1000, 1000, -1000}), out);

        assertClose(out, 0.125, 0.25, 0.625, 0.5, 0.5, 0);
    }

    @Test
    void softmaxOfHiddenElementsIsZeroAndOfNothingElseIsNaN() {
        double hidden = Double.NEGATIVE_INFINITY;
        NdArray out = zeros(2, 2);

        kernels.softmax(matrix(new double[] {hidden, 3}, new double[] {hidden, hidden}), out);

        assertThat(elements(out)).containsExactly(0, 1, Double.NaN, Double.NaN);
    }

    @Test
    void rmsNormDividesByTheRootOfTheMeanSquare() {
        NdArray out = zeros(1, 2);

        // mean square 12.5, epsilon 3.5: divided by 4
        kernels.rmsNorm(matrix(new double[] {3, 4}), 3.5f, Affine.NONE, out);

        assertClose(out, 0.75, 1);
    }

    @Test
    void layerNormSubtractsTheMeanAndUsesTheBiasedVariance() {
        NdArray out = zeros(1, 4);

        // mean 4, variance 5, epsilon 4: divided by 3
        kernels.layerNorm(matrix(new double[] {1, 3, 5, 7}), 4, Affine.NONE, out);

        assertClose(out, -1, -1.0 / 3, 1.0 / 3, 1);
    }

    @Test
    void theAffinePartIsWeightThenBiasThenScaleThenShift() {
        NdArray x = matrix(new double[] {3, 4}, new double[] {3, 4});
        NdArray out = zeros(2, 2);

        kernels.rmsNorm(
                x,
                3.5f,
                new Affine(row(2, 10), row(1, -1), matrix(new double[] {2}, new double[] {3}), row(100, 200)),
                out);

        assertClose(out, 105, 218, 107.5, 227);
    }

    @Test
    void layerNormHoldsFarFromZero() {
        NdArray out = zeros(1, 2);

        kernels.layerNorm(matrix(new double[] {1_000_000, 1_000_002}), 0, Affine.NONE, out);

        assertClose(out, -1, 1);
    }

    @Test
    void groupNormTreatsEveryGroupOfEverySampleAlone() {
        NdArray x = normal(1, 2, 6, 3, 4);
        NdArray weight = normal(2, 6);
        NdArray bias = normal(3, 6);
        NdArray out = zeros(2, 6, 3, 4);

        kernels.groupNorm(x, 2, 0.5f, weight, bias, Activation.SILU, out);

        GuardedArray.forEachIndex(x.shape(), i -> {
            int first = i[1] / 3 * 3;
            double[] group = elements(x.select(0, i[0]).slice(0, first, first + 3));
            double mean = 0;
            for (double v : group) {
                mean += v / group.length;
            }
            double variance = 0;
            for (double v : group) {
                variance += (v - mean) * (v - mean) / group.length;
            }
            double y = (x.get(i) - mean) / Math.sqrt(variance + 0.5) * weight.get(i[1]) + bias.get(i[1]);
            assertThat(out.get(i)).isCloseTo(y / (1 + Math.exp(-y)), within(ROUNDING));
        });
    }

    @Test
    void groupNormOfOneChannelAndOnePositionIsTheBias() {
        NdArray out = zeros(1, 2);

        kernels.groupNorm(row(5, -8).reshape(Shape.of(1, 2)), 2, 1e-6f, row(3, 3), row(0.25, 4), Activation.NONE, out);

        assertClose(out, 0.25, 4);
    }

    private static void assertClose(NdArray actual, double... expected) {
        assertThat(elements(actual)).containsExactly(expected, within(ROUNDING));
    }
}
