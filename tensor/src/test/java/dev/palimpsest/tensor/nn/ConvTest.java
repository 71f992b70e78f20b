package dev.palimpsest.tensor.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ConvTest {
    private final Scope scope = Scope.open();
    private final Random random = new Random(7);

    @AfterEach
    void release() {
        scope.close();
    }

    private Tensor random(int... dims) {
        return scope.call(() -> {
            int n = 1;
            for (int d : dims) {
                n *= d;
            }
            float[] values = new float[n];
            for (int i = 0; i < n; i++) {
                values[i] = (float) random.nextGaussian();
            }
            return Tensor.of(values, dims);
        });
    }

    private static void assertClose(Tensor actual, Tensor expected, double tolerance) {
        assertThat(actual.shape()).isEqualTo(expected.shape());
        float[] a = actual.toFloatArray();
        float[] e = expected.toFloatArray();
        for (int i = 0; i < a.length; i++) {
            assertThat((double) a[i]).as("element %d", i).isCloseTo(e[i], Offset.offset(tolerance));
        }
    }

    /// The picture with every row and column twice, convolved as it stands.
    private static Tensor plainly(Conv conv, Tensor x) {
        Tensor doubled = x.unsqueeze(4)
                .unsqueeze(6)
                .expand(x.dim(0), x.dim(1), x.dim(2), x.dim(3), 2, x.dim(4), 2)
                .reshape(x.dim(0), x.dim(1), x.dim(2), 2 * x.dim(3), 2 * x.dim(4));
        return conv.forward(doubled);
    }

    @Test
    void convolvesADoubledPictureWithoutMakingIt() {
        for (int[] size : new int[][] {{1, 1, 1}, {5, 3, 4}, {17, 7, 19}}) {
            Conv conv = new Conv(Convolution.planar(1, 1), random(6, size[0], 3, 3), random(6));
            Tensor x = random(2, size[0], 1, size[1], size[2]);
            scope.call(() -> {
                assertClose(conv.forwardDoubled(x), plainly(conv, x), 1e-4);
                return null;
            });
        }
    }

    @Test
    void doublesOnlyWithTheGeometryThatKeepsExtents() {
        Conv conv = new Conv(Convolution.planar(2, 1), random(2, 3, 3, 3), null);
        Tensor x = random(1, 3, 1, 4, 4);

        assertThatThrownBy(() -> conv.forwardDoubled(x))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageStartingWith("conv: only a convolution with stride 1 and padding 1 can double its input");
    }

    @Test
    void packedWeightsGiveTheSameBitsUntilTheyAreClosed() {
        Conv conv = new Conv(Convolution.planar(1, 1), random(40, 20, 3, 3), random(40));
        Tensor x = random(1, 20, 1, 9, 11);
        scope.call(() -> {
            float[] expected = conv.forward(x).toFloatArray();
            float[] doubled = conv.forwardDoubled(x).toFloatArray();
            try (PackedWeights weights = new PackedWeights(Arithmetic.F32, 1 << 24).attach(conv)) {
                assertThat(conv.forward(x).toFloatArray()).isEqualTo(expected);
                assertThat(weights.bytes()).isBetween(4L * 40 * 20 * 9, 4L * 64 * 20 * 9);
                assertThat(conv.forwardDoubled(x).toFloatArray()).isEqualTo(doubled);
                assertThat(weights.bytes()).isGreaterThanOrEqualTo(4L * 40 * 20 * (9 + 16));
            }
            assertThat(conv.forward(x).toFloatArray()).isEqualTo(expected);
            return null;
        });
    }

    @Test
    void packedWeightsInBfloat16AreRoundedWeights() {
        Conv conv = new Conv(Convolution.planar(1, 1), random(5, 8, 3, 3), null);
        Tensor x = random(1, 8, 1, 6, 6);
        scope.call(() -> {
            Tensor expected = Functional.convolution(
                    Convolution.planar(1, 1).in(Arithmetic.BF16),
                    x,
                    conv.weight().value(),
                    null,
                    null);
            Tensor exact = conv.forward(x);
            try (PackedWeights weights = new PackedWeights(Arithmetic.BF16, 1 << 20).attach(conv)) {
                Tensor y = conv.forward(x);
                assertClose(y, expected, 1e-5);
                assertThat(y.sub(exact).mul(y.sub(exact)).max().item()).isGreaterThan(1e-8);
                assertThat(weights.bytes()).isPositive();
            }
            return null;
        });
    }

    @Test
    void theArithmeticDoesNotDependOnTheBudget() {
        Conv conv = new Conv(Convolution.planar(1, 1), random(40, 20, 3, 3), random(40));
        Tensor x = random(1, 20, 1, 9, 11);
        scope.call(() -> {
            List<Tensor> kept = new ArrayList<>();
            for (long budget : new long[] {1 << 24, 0}) {
                try (PackedWeights weights = new PackedWeights(Arithmetic.BF16, budget).attach(conv)) {
                    kept.add(conv.forward(x));
                    kept.add(conv.forwardDoubled(x));
                    assertThat(weights.bytes() > 0).isEqualTo(budget > 0);
                }
            }
            assertClose(kept.get(2), kept.get(0), 1e-5);
            assertClose(kept.get(3), kept.get(1), 1e-5);
            return null;
        });
    }

    @Test
    void whatExceedsTheBudgetStaysAsItIs() {
        Conv conv = new Conv(Convolution.planar(1, 1), random(5, 8, 3, 3), null);
        Tensor x = random(1, 8, 1, 6, 6);
        scope.call(() -> {
            float[] expected = conv.forward(x).toFloatArray();
            try (PackedWeights weights = new PackedWeights(Arithmetic.F32, 100).attach(conv)) {
                assertThat(conv.forward(x).toFloatArray()).isEqualTo(expected);
                assertThat(weights.bytes()).isZero();
            }
            return null;
        });
    }
}
