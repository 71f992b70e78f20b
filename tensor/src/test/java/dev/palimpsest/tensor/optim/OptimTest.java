package dev.palimpsest.tensor.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;
import dev.palimpsest.tensor.autograd.Tape;
import java.util.List;
import org.junit.jupiter.api.Test;

class OptimTest {
    private static void scoped(Runnable body) {
        Scope.run(() -> {
            body.run();
            return null;
        });
    }

    /// Gradients with these values.
    private static Gradients gradients(Tensor parameter, float... values) {
        try (Tape tape = new Tape()) {
            tape.watch(parameter);
            return tape.backward(tape.record(() -> parameter.add(0)), Tensor.of(values));
        }
    }

    @Test
    void adamWFollowsItsFormula() {
        scoped(() -> {
            // By hand, with rate 0.1, betas (0.9, 0.97), eps 1e-8, decay 0.005:
            // t = 1, g = (0.5, -2): m/(1-0.9) = g, sqrt(v/(1-0.97)) = |g|, so p = (1, 2) (1 - 0.0005) -+ 0.1
            // t = 2, g = (1, 0): m = 0.9 0.1 g1 + 0.1 g2, v = 0.97 0.03 g1^2 + 0.03 g2^2, and so on
            Tensor p = Tensor.of(new float[] {1, 2});
            AdamW adam = new AdamW(
                    List.of(p), AdamW.Settings.DEFAULTS.withBetas(0.9, 0.97).withWeightDecay(0.005));
            adam.step(gradients(p, 0.5f, -2), 0.1);
            assertThat(p.get(0)).isCloseTo(0.8995, within(1e-6));
            assertThat(p.get(1)).isCloseTo(2.099, within(1e-6));
            adam.step(gradients(p, 1, 0), 0.1);
            // m = (0.145, -0.18), v = (0.037275, 0.1164), 1 - 0.9^2 = 0.19, 1 - 0.97^2 = 0.0591
            assertThat(p.get(0))
                    .isCloseTo(0.8995 * 0.9995 - 0.1 * (0.145 / 0.19) / Math.sqrt(0.037275 / 0.0591), within(1e-6));
            assertThat(p.get(1))
                    .isCloseTo(2.099 * 0.9995 + 0.1 * (0.18 / 0.19) / Math.sqrt(0.1164 / 0.0591), within(1e-6));
            assertThat(adam.updates()).isEqualTo(2);
        });
    }

    @Test
    void epsBoundsTheStepOfTinyGradients() {
        scoped(() -> {
            Tensor p = Tensor.of(new float[] {0});
            new AdamW(List.of(p), new AdamW.Settings(0.9, 0.99, 1e-2, 0)).step(gradients(p, 1e-2f), 1);
            assertThat(p.get(0)).isCloseTo(-0.5, within(1e-6));
        });
    }

    @Test
    void adamWContinuesFromASavedState() {
        scoped(() -> {
            Tensor p = Tensor.of(new float[] {1, 2});
            AdamW adam = new AdamW(List.of(p), AdamW.Settings.DEFAULTS);
            adam.step(gradients(p, 1, -1), 0.1);
            Tensor q = p.copy();
            AdamW resumed = new AdamW(List.of(q), AdamW.Settings.DEFAULTS);
            resumed.restore(adam.updates(), adam.firstMoments(), adam.secondMoments());
            adam.step(gradients(p, 3, 0.5f), 0.1);
            resumed.step(gradients(q, 3, 0.5f), 0.1);
            assertThat(q.toFloatArray()).isEqualTo(p.toFloatArray());
            assertThatThrownBy(() -> resumed.restore(1, List.of(), List.of()))
                    .hasMessage("adamw: 0 first moments do not fit 1 parameters");
            assertThatThrownBy(() -> resumed.restore(1, List.of(Tensor.zeros(3)), adam.secondMoments()))
                    .hasMessage("adamw: the first moment f32(3) does not fit its parameter f32(2)");
        });
    }

    @Test
    void narrowParametersAreRefused() {
        scoped(() -> assertThatThrownBy(
                        () -> new AdamW(List.of(Tensor.ones(2).to(DType.BF16)), AdamW.Settings.DEFAULTS))
                .hasMessageStartingWith("adamw: the parameter bf16(2) is not f32"));
    }

    @Test
    void clippingScalesAllGradientsAlike() {
        scoped(() -> {
            Tensor a = Tensor.ones(1);
            Tensor b = Tensor.ones(2);
            try (Tape tape = new Tape()) {
                tape.watch(a);
                tape.watch(b);
                Tensor loss = tape.record(() -> a.mul(3.0)
                        .sum()
                        .add(b.mul(Tensor.of(new float[] {4, 12})).sum())
                        .sum());
                Gradients g = tape.backward(loss);
                assertThat(GradientClipping.byGlobalNorm(g, 20)).isCloseTo(13, within(1e-9));
                assertThat(g.of(b).toFloatArray()).containsExactly(4, 12);
                assertThat(GradientClipping.byGlobalNorm(g, 6.5)).isCloseTo(13, within(1e-9));
                assertThat(g.of(a).item()).isCloseTo(3 * 6.5 / (13 + 1e-6), within(1e-6));
                assertThat(g.of(b).get(1)).isCloseTo(12 * 6.5 / (13 + 1e-6), within(1e-6));
                assertThatThrownBy(() -> GradientClipping.byGlobalNorm(g, 0)).hasMessageContaining("not positive");
            }
        });
    }

    @Test
    void schedulesRiseAndFallOnStraightLines() {
        LearningRate rate = LearningRate.linear(2, 4, 0.5, 9, 0.25);
        double[] expected = {1, 1.25, 1.5, 1.75, 2, 1.625, 1.25, 0.875, 0.5, 0.5};
        for (int i = 0; i < expected.length; i++) {
            assertThat(rate.at(i)).as("update %d", i).isCloseTo(expected[i], within(1e-12));
        }
        assertThat(LearningRate.constant(0.1).at(1000)).isEqualTo(0.1);
        assertThat(LearningRate.linear(3, 0, 0, 10, 1).at(5)).isEqualTo(3);
        LearningRate held = LearningRate.linear(2, 1, 0, 12, 0.5, 0.25);
        assertThat(List.of(held.at(0), held.at(1), held.at(3))).containsExactly(0.0, 2.0, 2.0);
        assertThat(held.at(6)).isCloseTo(2 * (1 - 0.5 * 1 / 3), within(1e-12)); // half of the way
        assertThat(held.at(11)).isEqualTo(1);
        assertThatThrownBy(() -> LearningRate.linear(1, 0, 0, 4, 0, 1)).hasMessageContaining("make no schedule");
        assertThatThrownBy(() -> LearningRate.linear(1, 5, 0, 4, 0)).hasMessageContaining("5 of 4 updates");
    }
}
