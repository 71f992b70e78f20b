package dev.palimpsest.tensor.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Dropout;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.tensor.nn.Training;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

class TapeTest {
    private static void scoped(Runnable body) {
        Scope.run(() -> {
            body.run();
            return null;
        });
    }

    private static Tensor random(long seed, int... dims) {
        return GradientCheck.random(seed, -1, 1, Shape.of(dims));
    }

    private static float[] gradient(Tensor x, UnaryOperator<Tensor> loss) {
        return Scope.run(() -> {
            try (Tape tape = new Tape()) {
                tape.watch(x);
                return tape.backward(tape.record(() -> loss.apply(x))).of(x).toFloatArray();
            }
        });
    }

    @Test
    void differentiatesASumOfSquares() {
        scoped(() -> assertThat(gradient(
                        Tensor.of(new float[] {1, -2, 3}), x -> x.mul(x).sum()))
                .containsExactly(2, -4, 6));
    }

    @Test
    void addsUpTheDerivativesOfEveryUse() {
        scoped(() -> {
            // x + x + x^2 + x x: the first two share one derivative, which must not be overwritten
            Tensor x = Tensor.of(new float[] {1, 10});
            assertThat(gradient(x, t -> t.add(t).add(t.square()).add(t.mul(t)).sum()))
                    .containsExactly(6, 42);
        });
    }

    @Test
    void followsViewsToWhatTheyShow() {
        scoped(() -> {
            Tensor x = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
            assertThat(gradient(
                            x,
                            t -> t.transpose(0, 1)
                                    .slice(0, 1, 3)
                                    .select(1, 0)
                                    .square()
                                    .sum()))
                    .containsExactly(0, 4, 6, 0, 0, 0);
        });
    }

    @Test
    void resultsOutliveTheScopesTheyWereMadeIn() {
        scoped(() -> {
            Tensor x = Tensor.of(new float[] {0.5f, 2});
            // exp keeps its result, square its argument; both are made in a scope that ends
            assertThat(gradient(
                            x,
                            t -> Scope.run(() ->
                                            Scope.run(() -> t.mul(2.0).exp()).square())
                                    .sum()))
                    .satisfies(g -> assertThat(g[0]).isEqualTo((float) (4 * Math.exp(2)), within(1e-4f)))
                    .satisfies(g -> assertThat(g[1]).isEqualTo((float) (4 * Math.exp(8)), within(1e-1f)));
        });
    }

    private static org.assertj.core.data.Offset<Float> within(float tolerance) {
        return org.assertj.core.api.Assertions.within(tolerance);
    }

    @Test
    void everyGradientHasMemoryOfItsOwn() {
        scoped(() -> {
            Tensor a = Tensor.ones(2);
            Tensor b = Tensor.ones(2);
            Tensor c = Tensor.ones(2);
            Tensor cotangent = Tensor.of(new float[] {3, 4});
            try (Tape tape = new Tape()) {
                tape.watch(a);
                tape.watch(b);
                tape.watch(c);
                Tensor y = tape.record(() -> a.add(b));
                Gradients g = tape.backward(y, cotangent);
                g.of(a).fillInPlace(0);
                assertThat(g.of(b).toFloatArray()).containsExactly(3, 4);
                assertThat(cotangent.toFloatArray()).containsExactly(3, 4);
                assertThat(g.of(c).toFloatArray()).as("not used, so zero").containsExactly(0, 0);
                assertThat(g.asMap().keySet()).containsExactly(a, b, c);
            }
        });
    }

    @Test
    void gradientsOutliveTheTape() {
        scoped(() -> {
            Tensor x = Tensor.of(new float[] {3});
            Gradients g = Scope.run(() -> {
                try (Tape tape = new Tape()) {
                    tape.watch(x);
                    return tape.backward(tape.record(() -> x.square().sum()));
                }
            });
            assertThat(g.of(x).item()).isEqualTo(6);
        });
    }

    @Test
    void anIntermediateValueCanBeWatched() {
        scoped(() -> {
            Tensor x = Tensor.of(new float[] {3});
            try (Tape tape = new Tape()) {
                tape.watch(x);
                Tensor[] middle = new Tensor[1];
                Tensor loss = tape.record(() -> {
                    middle[0] = x.mul(2.0);
                    tape.watch(middle[0]);
                    return middle[0].square().sum();
                });
                Gradients g = tape.backward(loss);
                assertThat(g.of(middle[0]).item()).isEqualTo(12);
                assertThat(g.of(x).item()).isEqualTo(24);
            }
        });
    }

    @Test
    void narrowWeightsHaveGradientsInF32() {
        scoped(() -> {
            Tensor w = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2).to(DType.BF16);
            try (Tape tape = new Tape()) {
                tape.watch(w);
                Tensor loss = tape.record(() -> Functional.linear(Tensor.of(new float[] {5, 7}), w, null)
                        .sum());
                Tensor g = tape.backward(loss).of(w);
                assertThat(g.dtype()).isEqualTo(DType.F32);
                assertThat(g.toFloatArray()).containsExactly(5, 7, 5, 7);
            }
        });
    }

    @Test
    void onlyWhatLeadsToAWatchedTensorIsKept() {
        scoped(() -> {
            Tensor w = random(1, 64, 64);
            Tensor x = random(2, 1, 64);
            try (Tape tape = new Tape()) {
                Tensor loss = tape.record(() -> x.matmul(w).exp().square().sum());
                assertThat(tape.tracks(loss)).isFalse();
                assertThat(tape.liveBytes()).as("the loss alone").isLessThanOrEqualTo(256);
            }
        });
    }

    @Test
    void frozenWeightsHaveNoGradientBuffers() {
        scoped(() -> {
            int width = 512;
            Tensor w = random(1, width, width);
            long weightBytes = (long) width * width * Float.BYTES;
            Tensor x = random(2, 1, width);
            try (Scope scope = Scope.open()) {
                scope.call(() -> {
                    try (Tape tape = new Tape()) {
                        tape.watch(x);
                        Tensor loss = tape.record(() -> Functional.linear(
                                        Functional.linear(x, w, null, Activation.SILU, null, null), w, null)
                                .square()
                                .sum());
                        return tape.backward(loss);
                    }
                });
                assertThat(scope.peakBytes()).isLessThan(weightBytes / 8);
            }
        });
    }

    @Test
    void backwardReleasesWhatItHasPassed() {
        scoped(() -> {
            Tensor x = random(1, 1 << 16);
            try (Tape tape = new Tape()) {
                tape.watch(x);
                Tensor loss = tape.record(() -> {
                    Tensor y = x;
                    for (int i = 0; i < 10; i++) {
                        y = y.sin();
                    }
                    return y.sum();
                });
                long recorded = tape.liveBytes();
                assertThat(recorded).isGreaterThanOrEqualTo(9 * 4 * x.elements());
                long before = Scope.usedBytes();
                tape.backward(loss);
                assertThat(tape.liveBytes()).isLessThanOrEqualTo(256);
                assertThat(Scope.usedBytes())
                        .as("nine intermediate values went, one gradient came")
                        .isLessThanOrEqualTo(before - 8 * 4 * x.elements());
            }
        });
    }

    @Test
    void overwritingWhatIsRecordedFailsClearly() {
        scoped(() -> {
            Tensor x = Tensor.ones(2);
            Tensor free = Tensor.ones(2);
            try (Tape tape = new Tape()) {
                tape.watch(x);
                tape.record(() -> {
                    assertThatThrownBy(() -> x.addInPlace(free))
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageStartingWith("addInPlace: f32(2) takes part in what the tape records");
                    Tensor y = x.mul(free);
                    assertThatThrownBy(() -> y.mulInPlace(free)).hasMessageStartingWith("mulInPlace:");
                    assertThatThrownBy(() -> free.fillInPlace(0)).hasMessageStartingWith("fillInPlace:");
                    assertThatThrownBy(() -> x.slice(0, 0, 1).fillInPlace(0)).hasMessageStartingWith("fillInPlace:");
                    assertThatThrownBy(() -> Tensor.zeros(2).copyInPlace(y)).hasMessageContaining("lose its gradient");
                    Tensor.zeros(2).addInPlace(Tensor.ones(2));
                    return null;
                });
            }
            x.addInPlace(free);
            assertThat(x.toFloatArray()).containsExactly(2, 2);
        });
    }

    @Test
    void misuseIsAnswered() {
        scoped(() -> {
            Tensor x = Tensor.ones(2);
            try (Tape tape = new Tape()) {
                assertThatThrownBy(() -> tape.watch(Tensor.of(new long[] {1})))
                        .hasMessage("watch: there is no derivative by i64(1), its type is not a floating one");
                tape.watch(x);
                Tensor y = tape.record(() -> x.mul(2.0));
                assertThatThrownBy(() -> tape.backward(y)).hasMessageStartingWith("backward: the loss f32(2) has more");
                assertThatThrownBy(() -> tape.backward(y, Tensor.ones(3)))
                        .hasMessage("backward: the output (2) and its cotangent (3) differ");
                assertThatThrownBy(() -> tape.backward(Tensor.scalar(1))).hasMessageContaining("does not depend");
                assertThatThrownBy(() -> tape.record(() -> tape.backward(y.sum())))
                        .hasMessageStartingWith("backward: cannot run inside record");
                Gradients g = tape.backward(y, Tensor.ones(2));
                assertThatThrownBy(() -> g.of(y)).hasMessageContaining("did not watch");
                assertThatThrownBy(() -> tape.backward(y, Tensor.ones(2))).hasMessageContaining("played back already");
            }
        });
    }

    // ---- checkpointing

    /// A small network of blocks that share a condition and have weights of their own.
    private static final class Net {
        final List<Linear> layers;
        final Tensor condition = random(9, 1, 8);

        Net(int depth) {
            layers = java.util.stream.IntStream.range(0, depth)
                    .mapToObj(i -> new Linear(random(i, 8, 8), random(i + 100, 8)))
                    .toList();
        }

        Tensor forward(Tensor x, boolean checkpointed) {
            Tensor modulation = condition.silu(); // (1, 8), made once and read by every block
            Tensor y = x;
            for (Linear layer : layers) {
                Tensor h = y;
                Scope.Body<Tensor, RuntimeException> block = () -> layer.forward(
                        Functional.layerNorm(h, 1e-6f, null, null, modulation.add(1.0), null),
                        Activation.GELU_TANH,
                        modulation,
                        h);
                y = checkpointed ? Checkpointed.run(block) : block.call();
            }
            return y.square().mean();
        }
    }

    private static double[][] gradients(Net net, Tensor x, boolean checkpointed) {
        return Scope.run(() -> {
            try (Tape tape = new Tape()) {
                tape.watch(x);
                tape.watch(net.condition);
                net.layers.forEach(l -> tape.watchAll(l.parameters().values()));
                Gradients g = tape.backward(tape.record(() -> net.forward(x, checkpointed)));
                return g.asMap().values().stream().map(GradientCheck::numbers).toArray(double[][]::new);
            }
        });
    }

    @Test
    void checkpointingChangesNoGradient() {
        scoped(() -> {
            Net net = new Net(3);
            Tensor x = random(5, 4, 8);
            double[][] plain = gradients(net, x, false);
            assertThat(plain.length).isEqualTo(8);
            GradientCheck.assertClose("checkpointed", gradients(net, x, true), plain, 1e-6);
        });
    }

    @Test
    void checkpointingKeepsOnlyTheBordersOfBlocks() {
        scoped(() -> {
            Tensor x = random(1, 1 << 14);
            long bytes = 4 * x.elements();
            UnaryOperator<Tensor> block = t -> t.sin().cos().sin().cos();
            try (Tape tape = new Tape()) {
                tape.watch(x);
                tape.record(() -> Checkpointed.run(() -> block.apply(Checkpointed.run(() -> block.apply(x))))
                        .sum());
                assertThat(tape.liveBytes()).isLessThan(bytes);
            }
            try (Tape tape = new Tape()) {
                tape.watch(x);
                tape.record(() -> block.apply(block.apply(x)).sum());
                assertThat(tape.liveBytes()).isGreaterThan(6 * bytes);
            }
        });
    }

    @Test
    void checkpointedPartsMayNestAndMayDependOnNothing() {
        scoped(() -> {
            Tensor x = Tensor.of(new float[] {2});
            assertThat(gradient(
                            x,
                            t -> Checkpointed.run(
                                            () -> Checkpointed.run(t::square).mul(t))
                                    .sum()))
                    .containsExactly(12);
            assertThat(gradient(
                            x,
                            t -> Checkpointed.run(() -> Tensor.scalar(5)).mul(t).sum()))
                    .containsExactly(5);
            assertThat(gradient(x, t -> Checkpointed.run(() -> t).mul(t).sum())).containsExactly(4);
            assertThat(Checkpointed.run(x::square).item()).as("without a tape").isEqualTo(4);
        });
    }

    @Test
    void checkpointedPartsDrawTheSameRandomNumbersAgain() {
        scoped(() -> {
            TorchCpuRandom random = new TorchCpuRandom(3);
            Dropout half = Dropout.elements(0.5);
            Tensor x = Tensor.ones(64);
            float[] once = new float[64];
            float[] g = Scope.run(() -> {
                try (Tape tape = new Tape()) {
                    tape.watch(x);
                    Tensor y = Training.run(
                            random, () -> tape.record(() -> half.forward(Checkpointed.run(() -> half.forward(x)))));
                    System.arraycopy(y.toFloatArray(), 0, once, 0, 64);
                    return tape.backward(y, Tensor.ones(64)).of(x).toFloatArray();
                }
            });
            assertThat(g).containsExactly(once).contains(0, 4);
            float[] next = new float[64];
            random.rand(next);
            TorchCpuRandom twin = new TorchCpuRandom(3);
            float[] third = new float[64];
            for (int i = 0; i < 3; i++) {
                twin.rand(third);
            }
            assertThat(next).as("the source goes on as after one run").containsExactly(third);
        });
    }
}
