package dev.palimpsest.tensor.nn;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.tensor.random.RandomSource;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PackedWeightsTest {
    private static final int IN = 96;
    private static final int OUT = 70;
    private static final long BYTES = 4L * IN * OUT;

    /// Two layers behind each other.
    private static final class Pair extends Module {
        final Linear first;
        final Linear second;

        Pair(RandomSource random) {
            first = child("first", new Linear(normal(random, OUT, IN), normal(random, OUT)));
            second = child("second", new Linear(normal(random, IN, OUT), null));
        }

        Tensor forward(Tensor x) {
            return second.forward(first.forward(x, Activation.SILU, null, null));
        }
    }

    private static Tensor normal(RandomSource random, int... dims) {
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        random.randn(values);
        return Tensor.of(values, dims);
    }

    private static double relativeError(Tensor actual, Tensor expected) {
        Tensor difference = actual.sub(expected);
        return Math.sqrt(square(difference) / square(expected));
    }

    private static double square(Tensor x) {
        return x.mul(x).sum(0, 1).item();
    }

    @ParameterizedTest
    @EnumSource(Arithmetic.class)
    void layersPackTheirWeightsOnFirstUse(Arithmetic arithmetic) {
        Scope.run(() -> {
            RandomSource random = new TorchCpuRandom(1);
            Pair pair = new Pair(random);
            Tensor x = normal(random, 30, IN);
            Tensor plain = pair.forward(x);
            try (PackedWeights weights = new PackedWeights(arithmetic, Long.MAX_VALUE).attach(pair)) {
                assertThat(weights.bytes()).isZero();
                Tensor packed = pair.forward(x);
                long bytes = weights.bytes();
                assertThat(bytes).isPositive();
                assertThat(pair.forward(x).toFloatArray()).isEqualTo(packed.toFloatArray());
                assertThat(weights.bytes()).isEqualTo(bytes);
                double bound = switch (arithmetic) {
                    case F32 -> 1e-6;
                    case BF16 -> 1e-2;
                    case INT8_WEIGHT_ONLY -> 2e-2;
                    case INT8 -> 5e-2;
                };
                assertThat(relativeError(packed, plain)).isLessThan(bound);
                assertThat(arithmetic == Arithmetic.F32 || relativeError(packed, plain) > 1e-4)
                        .isTrue();
            }
            assertThat(pair.forward(x).toFloatArray()).isEqualTo(plain.toFloatArray());
            return null;
        });
    }

    @Test
    void aBudgetBoundsTheCopies() {
        Scope.run(() -> {
            RandomSource random = new TorchCpuRandom(2);
            Pair pair = new Pair(random);
            Tensor x = normal(random, 3, IN);
            try (PackedWeights weights = new PackedWeights(Arithmetic.F32, BYTES + BYTES / 2).attach(pair)) {
                pair.forward(x);
                assertThat(weights.bytes()).isBetween(BYTES, BYTES + BYTES / 2);
            }
            try (PackedWeights weights = new PackedWeights(Arithmetic.F32, 0).attach(pair)) {
                pair.forward(x);
                assertThat(weights.bytes()).isZero();
            }
            return null;
        });
    }

    @ParameterizedTest
    @EnumSource(Arithmetic.class)
    void theArithmeticDoesNotDependOnTheBudget(Arithmetic arithmetic) {
        Scope.run(() -> {
            RandomSource random = new TorchCpuRandom(6);
            Pair pair = new Pair(random);
            Tensor x = normal(random, 30, IN);
            try (PackedWeights all = new PackedWeights(arithmetic, Long.MAX_VALUE);
                    PackedWeights none = new PackedWeights(arithmetic, 0)) {
                all.attach(pair);
                Tensor kept = pair.forward(x);
                none.attach(pair);
                Tensor inPassing = pair.forward(x);
                assertThat(none.bytes()).isZero();
                if (arithmetic == Arithmetic.F32) {
                    assertThat(relativeError(inPassing, kept)).isLessThan(1e-6);
                } else {
                    assertThat(inPassing.toFloatArray()).isEqualTo(kept.toFloatArray());
                }
            }
            return null;
        });
    }

    @Test
    void theMemoryOfWeightsThatWereCopiedIsMadeKnown() {
        Scope.run(() -> {
            RandomSource random = new TorchCpuRandom(7);
            Pair pair = new Pair(random);
            Tensor x = normal(random, 3, IN);
            List<MemorySegment> copied = new ArrayList<>();
            try (PackedWeights weights = new PackedWeights(Arithmetic.BF16, BYTES / 2 + BYTES / 4, copied::add)) {
                weights.attach(pair);
                pair.forward(x);
                pair.forward(x);
                assertThat(copied)
                        .containsExactly(pair.first.weight().value().array().memory());
            }
            return null;
        });
    }

    /// A module whose arithmetic can be asked for.
    private static final class Asked extends Module {
        Arithmetic arithmetic() {
            return floatArithmetic();
        }
    }

    @Test
    void whatHasNoIntegersComputesInF32UnlessBfloat16WasAskedFor() {
        Scope.run(() -> {
            Asked module = new Asked();
            assertThat(module.arithmetic()).isEqualTo(Arithmetic.F32);
            for (Arithmetic arithmetic : Arithmetic.values()) {
                Arithmetic expected = arithmetic == Arithmetic.BF16 ? Arithmetic.BF16 : Arithmetic.F32;
                try (PackedWeights weights = new PackedWeights(arithmetic, 0).attach(module);
                        Tape tape = new Tape()) {
                    assertThat(module.arithmetic()).isEqualTo(expected);
                    tape.record(() -> {
                        assertThat(module.arithmetic()).isEqualTo(Arithmetic.F32);
                        return Tensor.zeros(1);
                    });
                    assertThat(weights.bytes()).isZero();
                }
                assertThat(module.arithmetic()).isEqualTo(Arithmetic.F32);
            }
            return null;
        });
    }

    @Test
    void aMergedAdapterIsMultipliedInTheSameArithmetic() {
        Scope.run(() -> {
            RandomSource random = new TorchCpuRandom(8);
            Pair pair = new Pair(random);
            Tensor x = normal(random, 5, IN);
            Lora lora = Lora.create(pair, new Lora.Settings(2, 4, 0), random, "*");
            try (PackedWeights weights = new PackedWeights(Arithmetic.BF16, Long.MAX_VALUE).attach(pair)) {
                float[] before = pair.forward(x).toFloatArray();
                lora.merge();
                assertThat(pair.forward(x).toFloatArray())
                        .as("an adapter that adds nothing yet")
                        .isEqualTo(before);
                assertThat(weights.bytes()).isPositive();
                lora.detach();
            }
            return null;
        });
    }

    @Test
    void nothingIsPackedWhileATapeRecords() {
        Scope.run(() -> {
            RandomSource random = new TorchCpuRandom(3);
            Pair pair = new Pair(random);
            Tensor x = normal(random, 5, IN);
            Tensor plain = pair.forward(x);
            try (PackedWeights weights = new PackedWeights(Arithmetic.INT8, Long.MAX_VALUE).attach(pair);
                    Tape tape = new Tape()) {
                tape.watch(x);
                Tensor recorded = tape.record(() -> pair.forward(x));
                assertThat(recorded.toFloatArray()).isEqualTo(plain.toFloatArray());
                assertThat(weights.bytes()).isZero();
            }
            return null;
        });
    }

    @Test
    void aMergedAdapterIsSeen() {
        Scope.run(() -> {
            RandomSource random = new TorchCpuRandom(4);
            Pair pair = new Pair(random);
            Tensor x = normal(random, 5, IN);
            try (PackedWeights weights = new PackedWeights(Arithmetic.F32, Long.MAX_VALUE).attach(pair)) {
                float[] before = pair.forward(x).toFloatArray();
                Lora lora = Lora.create(pair, new Lora.Settings(2, 4, 0), random, "*");
                lora.parameters()
                        .values()
                        .forEach(p ->
                                p.value().copyInPlace(normal(random, p.shape().dims())));
                lora.attach();
                Tensor beside = pair.forward(x);
                lora.detach();
                lora.merge();
                assertThat(relativeError(pair.forward(x), beside)).isLessThan(1e-5);
                lora.detach();
                long bytes = weights.bytes();
                assertThat(pair.forward(x).toFloatArray()).isEqualTo(before);
                assertThat(weights.bytes()).isEqualTo(bytes);
            }
            return null;
        });
    }

    @Test
    void manyThreadsPackOnce() throws InterruptedException, ExecutionException {
        try (Scope scope = Scope.open();
                ExecutorService threads = Executors.newFixedThreadPool(4)) {
            RandomSource random = new TorchCpuRandom(5);
            Pair pair = scope.call(() -> new Pair(random));
            float[] x =
                    IntStream.range(0, 2 * IN).collect(() -> new float[2 * IN], (a, i) -> a[i] = i % 7, (a, b) -> {});
            try (PackedWeights weights = new PackedWeights(Arithmetic.F32, Long.MAX_VALUE).attach(pair)) {
                var all = IntStream.range(0, 16)
                        .mapToObj(i -> threads.submit(() -> Scope.run(
                                () -> pair.forward(Tensor.of(x, 2, IN)).toFloatArray())))
                        .toList();
                float[] first = all.getFirst().get();
                for (Future<float[]> one : all) {
                    assertThat(one.get()).isEqualTo(first);
                }
                assertThat(weights.bytes()).isBetween(2 * BYTES, 2 * BYTES + BYTES);
            }
        }
    }
}
