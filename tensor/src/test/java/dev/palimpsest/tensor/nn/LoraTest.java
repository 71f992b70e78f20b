package dev.palimpsest.tensor.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.Unary;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Checkpointed;
import dev.palimpsest.tensor.autograd.Gradients;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.tensor.optim.AdamW;
import dev.palimpsest.tensor.random.RandomSource;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class LoraTest {
    private static final Lora.Settings SETTINGS = new Lora.Settings(2, 6, 0);

    private static Tensor random(long seed, int... dims) {
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        new TorchCpuRandom(seed).randn(values);
        return Tensor.of(values, dims);
    }

    private static final class Net extends Module {
        private final Linear fc1;
        private final Linear fc2;

        Net(DType weights) {
            fc1 = child("ffn.fc1", new Linear(random(1, 7, 5).to(weights), random(2, 7)));
            fc2 = child("ffn.fc2", new Linear(random(3, 5, 7).to(weights), null));
        }

        Tensor forward(Tensor x) {
            return fc2.forward(fc1.forward(x, Activation.GELU_TANH, null, null), Activation.NONE, gate(), x);
        }

        private static Tensor gate() {
            return random(4, 1, 5);
        }
    }

    private static Map<String, Tensor> tensors(int rank) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("ffn.fc1.lora_A", random(11, rank, 5));
        tensors.put("ffn.fc1.lora_B", random(12, 7, rank));
        tensors.put("ffn.fc2.lora_A", random(13, rank, 7));
        tensors.put("ffn.fc2.lora_B", random(14, 5, rank));
        return tensors;
    }

    private static double distance(Tensor a, Tensor b) {
        return Math.sqrt(a.sub(b).square().sum().item() / b.square().sum().item());
    }

    @Test
    void newAdaptersChangeNothingUntilTheyHaveLearned() {
        Scope.run(() -> {
            Net net = new Net(DType.F32);
            Tensor x = random(5, 3, 5);
            Tensor before = net.forward(x);
            Lora lora = Lora.create(net, SETTINGS, new TorchCpuRandom(1), "*.fc1", "ffn.*2");
            assertThat(lora.parameters().keySet())
                    .containsExactly("ffn.fc1.lora_A", "ffn.fc1.lora_B", "ffn.fc2.lora_A", "ffn.fc2.lora_B");
            lora.attach();
            assertThat(distance(net.forward(x), before)).isLessThan(1e-6);
            for (Map.Entry<String, Parameter> e : lora.parameters().entrySet()) {
                double largest = e.getValue().value().apply(Unary.ABS).max().item();
                if (e.getKey().endsWith("lora_B")) {
                    assertThat(largest).isZero();
                } else {
                    int in = e.getValue().shape().dim(1);
                    assertThat(largest).isBetween(0.5 / Math.sqrt(in), 1 / Math.sqrt(in));
                }
            }
            return null;
        });
    }

    @Test
    void attachedAndMergedAdaptersAgreeAndDetachingRestoresTheModel() {
        for (DType type : List.of(DType.F32, DType.BF16)) {
            Scope.run(() -> {
                Net net = new Net(type);
                Tensor x = random(5, 3, 5);
                float[] before = net.forward(x).toFloatArray();
                Lora lora = Lora.of(net, SETTINGS, tensors(2)).attach();
                Tensor attached = net.forward(x);
                assertThat(distance(attached, Tensor.of(before, 3, 5))).isGreaterThan(0.1);
                lora.detach();
                assertThat(net.forward(x).toFloatArray()).containsExactly(before);
                lora.merge();
                assertThat(distance(net.forward(x), attached)).isLessThan(1e-5);
                lora.detach();
                assertThat(net.forward(x).toFloatArray()).containsExactly(before);
                assertThat(net.fc1.weight().value().dtype()).isEqualTo(type);
                return null;
            });
        }
    }

    @Test
    void flatTensorsAreReadAsTablesAndTellTheRank() {
        Scope.run(() -> {
            Net net = new Net(DType.F32);
            Tensor x = random(5, 3, 5);
            Map<String, Tensor> flat = new LinkedHashMap<>();
            tensors(3).forEach((name, t) -> flat.put(name, t.reshape(-1)));
            Lora lora = Lora.of(net, SETTINGS, flat).attach();
            assertThat(Objects.requireNonNull(lora.parameters().get("ffn.fc1.lora_A"))
                            .shape())
                    .isEqualTo(Shape.of(3, 5));
            Tensor y = net.forward(x);
            lora.detach();
            Lora.of(net, SETTINGS, tensors(3)).attach();
            assertThat(y.toFloatArray()).containsExactly(net.forward(x).toFloatArray());
            return null;
        });
    }

    @Test
    void gradientsAreThoseOfDifferences() {
        Scope.run(() -> {
            Net net = new Net(DType.F32);
            Tensor x = random(5, 3, 5);
            Lora lora = Lora.of(net, SETTINGS, tensors(2)).attach();
            Gradients gradients = gradients(net, lora, x);
            for (Parameter p : lora.parameters().values()) {
                Tensor value = p.value();
                Tensor direction = random(21, value.shape().dims());
                Tensor step = direction.mul(1e-3);
                value.addInPlace(step);
                double above = net.forward(x).square().sum().item();
                value.addInPlace(step.mul(-2.0));
                double below = net.forward(x).square().sum().item();
                value.addInPlace(step);
                double expected = (above - below) / 2e-3;
                assertThat(gradients.of(p).mul(direction).sum().item())
                        .isCloseTo(expected, within(1e-3 * Math.abs(expected) + 1e-2));
            }
            return null;
        });
    }

    private static Gradients gradients(Net net, Lora lora, Tensor x) {
        try (Tape tape = new Tape()) {
            tape.watchAll(lora.parameters().values());
            return tape.backward(tape.record(() -> net.forward(x).square().sum()));
        }
    }

    @Test
    void learningLowersTheLossAndLeavesTheWeightsAlone() {
        Scope.run(() -> {
            Net net = new Net(DType.BF16);
            Tensor x = random(5, 3, 5);
            float[] weight = net.fc1.weight().value().toFloatArray();
            Lora lora = Lora.create(net, SETTINGS, new TorchCpuRandom(2), "*").attach();
            AdamW optimiser = new AdamW(
                    lora.parameters().values().stream().map(Parameter::value).toList(), AdamW.Settings.DEFAULTS);
            double before = net.forward(x).square().sum().item();
            for (int i = 0; i < 20; i++) {
                Scope.run(() -> {
                    optimiser.step(gradients(net, lora, x), 0.01);
                    return null;
                });
            }
            assertThat(net.forward(x).square().sum().item()).isLessThan(0.8 * before);
            assertThat(net.fc1.weight().value().toFloatArray()).containsExactly(weight);
            return null;
        });
    }

    @Test
    void dropoutKeepsTheMeanAndStopsWithItsSource() {
        Scope.run(() -> {
            Linear layer = new Linear(Tensor.zeros(1, 1), null);
            Module root = new Module() {
                {
                    child("fc", layer);
                }
            };
            Map<String, Tensor> one = Map.of("fc.lora_A", Tensor.ones(1, 1), "fc.lora_B", Tensor.ones(1, 1));
            Lora.of(root, new Lora.Settings(1, 1, 0.25), one).attach();
            Tensor x = Tensor.ones(8000, 1);
            float[] learned =
                    Training.run(new TorchCpuRandom(4), () -> layer.forward(x)).toFloatArray();
            int dropped = 0;
            for (float y : learned) {
                assertThat(y == 0 || Math.abs(y - 4 / 3f) < 1e-6).isTrue();
                dropped += y == 0 ? 1 : 0;
            }
            assertThat(dropped / 8000.0).isCloseTo(0.25, within(0.02));
            assertThat(layer.forward(x).min().item()).isEqualTo(1);
            return null;
        });
    }

    @Test
    void dropoutIsTheSameWhenAPartIsComputedAgain() {
        Scope.run(() -> {
            Net net = new Net(DType.F32);
            Tensor x = random(5, 3, 5);
            Lora lora = Lora.of(net, SETTINGS.withDropout(0.5), tensors(2)).attach();
            float[][] found = new float[2][];
            for (int i = 0; i < 2; i++) {
                boolean again = i == 1;
                RandomSource random = new TorchCpuRandom(9);
                try (Tape tape = new Tape()) {
                    tape.watchAll(lora.parameters().values());
                    Tensor loss = Training.run(
                            random,
                            () -> tape.record(() -> (again ? Checkpointed.run(() -> net.forward(x)) : net.forward(x))
                                    .square()
                                    .sum()));
                    found[i] = tape.backward(loss)
                            .of(Objects.requireNonNull(lora.parameters().get("ffn.fc1.lora_A")))
                            .toFloatArray();
                }
            }
            assertThat(found[1]).containsExactly(found[0]);
            return null;
        });
    }

    @Test
    void mistakesAreNamed() {
        Scope.run(() -> {
            Net net = new Net(DType.F32);
            assertThatThrownBy(() -> Lora.create(net, SETTINGS, new TorchCpuRandom(1), "*.fc1", "*.proj"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("*.proj")
                    .hasMessageContaining("ffn.fc1");
            Map<String, Tensor> lacking = new LinkedHashMap<>(tensors(2));
            lacking.remove("ffn.fc2.lora_B");
            assertThatThrownBy(() -> Lora.of(net, SETTINGS, lacking)).hasMessageContaining("has only one of");
            Map<String, Tensor> wide = new LinkedHashMap<>(tensors(2));
            wide.put("ffn.fc2.lora_B", random(1, 6, 2));
            assertThatThrownBy(() -> Lora.of(net, SETTINGS, wide)).hasMessageContaining("do not fit its weight (5, 7)");
            assertThatThrownBy(() -> Lora.of(net, SETTINGS, Map.of("ffn.fc3.lora_A", random(1, 2, 2))))
                    .hasMessageContaining("not there");
            assertThatThrownBy(() -> Lora.of(net, SETTINGS, Map.of("ffn.fc1.weight", random(1, 2, 2))))
                    .hasMessageContaining("ends neither");
            Lora first = Lora.of(net, SETTINGS, tensors(2));
            Lora second = Lora.of(net, SETTINGS, tensors(2));
            first.merge();
            assertThatThrownBy(first::attach).hasMessageContaining("already");
            assertThatThrownBy(second::attach).hasMessageContaining("another adapter");
            assertThatThrownBy(() -> new Lora.Settings(0, 1, 0)).hasMessageContaining("rank 0");
            return null;
        });
    }
}
