package dev.palimpsest.tensor.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import org.junit.jupiter.api.Test;

class DropoutTest {
    private static void scoped(Runnable body) {
        Scope.run(() -> {
            body.run();
            return null;
        });
    }

    @Test
    void leavesOutElementsAsTheGeneratorDraws() {
        scoped(() -> {
            float[] uniform = new float[1000];
            new TorchCpuRandom(1).rand(uniform);
            float[] y = Training.run(
                            new TorchCpuRandom(1), () -> Dropout.elements(0.25).forward(Tensor.ones(10, 100)))
                    .toFloatArray();
            for (int i = 0; i < y.length; i++) {
                assertThat(y[i]).isCloseTo(uniform[i] < 0.75f ? 4 / 3f : 0, within(1e-6f));
            }
            assertThat(y).contains(0);
        });
    }

    @Test
    void leavesOutWholeSamples() {
        scoped(() -> {
            float[] uniform = new float[16];
            new TorchCpuRandom(1).rand(uniform);
            Tensor y = Training.run(
                    new TorchCpuRandom(1), () -> Dropout.samples(0.5).forward(Tensor.ones(16, 2, 3)));
            for (int i = 0; i < 16; i++) {
                assertThat(y.select(0, i).toFloatArray()).containsOnly(uniform[i] < 0.5f ? 2 : 0);
            }
        });
    }

    @Test
    void theGradientIsLeftOutAlike() {
        scoped(() -> {
            Tensor x = Tensor.ones(8, 8);
            try (Tape tape = new Tape()) {
                tape.watch(x);
                Tensor y = Training.run(
                        new TorchCpuRandom(2),
                        () -> tape.record(() -> Dropout.elements(0.5).forward(x)));
                assertThat(tape.backward(y, Tensor.ones(8, 8)).of(x).toFloatArray())
                        .isEqualTo(y.toFloatArray());
            }
        });
    }

    @Test
    void doesNothingOutsideOfTraining() {
        scoped(() -> {
            Tensor x = Tensor.ones(4);
            assertThat(Dropout.elements(0.5).forward(x)).isSameAs(x);
            assertThat(Training.run(
                            new TorchCpuRandom(2), () -> Dropout.elements(0).forward(x)))
                    .isSameAs(x);
            assertThatThrownBy(() -> Dropout.samples(1)).hasMessage("dropout: the probability 1.0 is not in [0, 1)");
        });
    }
}
