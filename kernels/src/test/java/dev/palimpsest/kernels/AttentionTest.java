package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.scalar.ScalarKernels;
import dev.palimpsest.kernels.x86.MachineCode;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What attention does with numbers that are rounded, hidden, infinite or none, on every provider.
class AttentionTest {
    private final Kernels reference = new ScalarKernels();
    private final Parallel parallel = new Parallel(2);
    private final Arena arena = Arena.ofShared();

    @AfterEach
    void release() {
        arena.close();
        parallel.close();
    }

    static List<String> providers() {
        return MachineCode.isAvailable() ? List.of("scalar", "vector", "x86") : List.of("scalar", "vector");
    }

    static List<Arguments> providersAndArithmetics() {
        List<Arguments> all = new ArrayList<>();
        for (String provider : providers()) {
            all.add(Arguments.of(provider, Arithmetic.F32));
            all.add(Arguments.of(provider, Arithmetic.BF16));
        }
        return all;
    }

    private NdArray zeros(int... dims) {
        Shape shape = Shape.of(dims);
        return NdArray.of(arena.allocate(Math.max(1, shape.elements()) * 4, 64), DType.F32, shape);
    }

    private NdArray normal(long seed, int... dims) {
        NdArray x = zeros(dims);
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < x.elements(); i++) {
            x.memory().set(java.lang.foreign.ValueLayout.JAVA_FLOAT, 4L * i, (float) random.nextGaussian());
        }
        return x;
    }

    @ParameterizedTest
    @MethodSource("providers")
    void bfloat16RoundsQueriesKeysValuesAndWeightsAndNothingElse(String provider) {
        Kernels kernels = KernelProviders.create(provider, parallel);
        double justAboveOne = 1 + Math.scalb(1.0, -9); // rounds to 1
        NdArray q = zeros(1, 1, 1);
        NdArray k = zeros(2, 1, 1);
        NdArray v = zeros(2, 1, 1);
        NdArray out = zeros(1, 1, 1);
        NdArray logSumExp = zeros(1, 1);
        q.set(justAboveOne, 0, 0, 0);
        k.set(justAboveOne, 0, 0, 0);
        v.set(justAboveOne, 0, 0, 0);
        Attention first = new Attention(
                (float) justAboveOne, KeyRanges.of(new int[] {0}, new int[] {1}, 2), null, null, logSumExp);
        kernels.attention(first.withArithmetic(Arithmetic.BF16), q, k, v, out);
        assertThat(out.get(0, 0, 0)).isEqualTo(1);
        assertThat(logSumExp.get(0, 0)).isCloseTo(justAboveOne, within(1e-6)); // the scale is not rounded
        kernels.attention(first, q, k, v, out);
        assertThat(out.get(0, 0, 0)).isCloseTo(justAboveOne, within(1e-6));
        assertThat(logSumExp.get(0, 0)).isCloseTo(Math.pow(justAboveOne, 3), within(1e-6));

        // weights 1 and 0.997075, which is rounded where it multiplies a value, but not in the denominator
        q.set(1, 0, 0, 0);
        k.set(0, 0, 0, 0);
        k.set(-3 * Math.scalb(1.0, -10), 1, 0, 0);
        v.set(0, 0, 0, 0);
        v.set(1, 1, 0, 0);
        double weight = Math.exp(-3 * Math.scalb(1.0, -10));
        Attention both = Attention.of(1, KeyRanges.full(1, 2));
        kernels.attention(both.withArithmetic(Arithmetic.BF16), q, k, v, out);
        assertThat(out.get(0, 0, 0)).isCloseTo((1 - Math.scalb(1.0, -8)) / (1 + weight), within(1e-6));
        kernels.attention(both, q, k, v, out);
        assertThat(out.get(0, 0, 0)).isCloseTo(weight / (1 + weight), within(1e-6));
    }

    @ParameterizedTest
    @MethodSource("providersAndArithmetics")
    void errorsAreWhatTheDocumentationSays(String provider, Arithmetic arithmetic) {
        NdArray q = normal(10, 32, 1, 128);
        NdArray k = normal(11, 1024, 1, 128);
        NdArray v = normal(12, 1024, 1, 128);
        NdArray exact = zeros(32, 1, 128);
        NdArray actual = zeros(32, 1, 128);
        Attention op = Attention.of((float) (1 / Math.sqrt(128)), KeyRanges.full(32, 1024));
        reference.attention(op, q, k, v, exact);
        KernelProviders.create(provider, parallel).attention(op.withArithmetic(arithmetic), q, k, v, actual);
        double differences = 0;
        double squares = 0;
        for (int i = 0; i < 32; i++) {
            for (int c = 0; c < 128; c++) {
                differences += Math.pow(actual.get(i, 0, c) - exact.get(i, 0, c), 2);
                squares += Math.pow(exact.get(i, 0, c), 2);
            }
        }
        double error = Math.sqrt(differences / squares);
        if (arithmetic == Arithmetic.F32) {
            assertThat(error).isLessThan(1.3e-6);
        } else {
            assertThat(error).isBetween(2.5e-3, 4e-3);
        }
    }

    @ParameterizedTest
    @MethodSource("providersAndArithmetics")
    void hiddenKeysDoNotTouchAResultWhateverTheyHold(String provider, Arithmetic arithmetic) {
        int length = 300;
        NdArray q = normal(1, length, 1, 20);
        NdArray k = normal(2, length, 1, 20);
        NdArray v = normal(3, length, 1, 36);
        k.set(Double.NaN, 100, 0, 3);
        v.set(Double.POSITIVE_INFINITY, 21, 0, 5);
        v.set(Double.NaN, 22, 0, 35);
        v.set(Double.NEGATIVE_INFINITY, 290, 0, 17);
        KeyRanges windows = KeyRanges.of(
                java.util.stream.IntStream.range(0, length)
                        .map(i -> Math.max(0, i - 40))
                        .toArray(),
                java.util.stream.IntStream.range(1, length + 1).toArray(),
                length);
        for (KeyRanges visible : List.of(KeyRanges.causal(length, length), windows)) {
            check(provider, Attention.of(0.2f, visible).withArithmetic(arithmetic), q, k, v);
        }
    }

    @ParameterizedTest
    @MethodSource("providersAndArithmetics")
    void infinitiesAndNaNsSpreadToTheQueriesThatSeeThem(String provider, Arithmetic arithmetic) {
        NdArray q = normal(4, 13, 2, 16);
        NdArray k = normal(5, 200, 2, 16);
        NdArray v = normal(6, 200, 2, 16);
        for (int c = 0; c < 16; c++) {
            q.set(Double.NaN, 3, 0, c); // no score is a number
        }
        q.set(Double.POSITIVE_INFINITY, 5, 1, 2); // scores of both infinities
        Attention op = Attention.of(0.25f, KeyRanges.full(13, 200)).withArithmetic(arithmetic);
        check(provider, op, q, k, v);
        k.set(Double.NaN, 170, 1, 4); // one score of every query
        check(provider, op, q, k, v);
    }

    @ParameterizedTest
    @MethodSource("providersAndArithmetics")
    void aBiasOfTheLeastFiniteNumberHidesNothingIfAllKeysHaveIt(String provider, Arithmetic arithmetic) {
        NdArray q = normal(7, 7, 1, 16);
        NdArray k = normal(8, 260, 1, 16);
        NdArray v = normal(9, 260, 1, 16);
        NdArray bias = zeros(1, 7, 260);
        for (int key = 0; key < 260; key++) {
            bias.set(-Float.MAX_VALUE, 0, 2, key);
            bias.set(key < 130 ? -Float.MAX_VALUE : 0, 0, 4, key);
            bias.set(key < 130 ? 0 : -Float.MAX_VALUE, 0, 5, key);
            bias.set(Double.NEGATIVE_INFINITY, 0, 6, key);
        }
        check(provider, new Attention(0.25f, KeyRanges.full(7, 260), bias, null, null, arithmetic), q, k, v);
    }

    private void check(String provider, Attention op, NdArray q, NdArray k, NdArray v) {
        NdArray expected = zeros(q.dim(0), q.dim(1), v.dim(2));
        NdArray actual = zeros(q.dim(0), q.dim(1), v.dim(2));
        reference.attention(op, q, k, v, expected);
        KernelProviders.create(provider, parallel).attention(op, q, k, v, actual);
        double tolerance = op.arithmetic() == Arithmetic.F32 ? 1e-5 : Math.scalb(1.0, -8);
        for (int i = 0; i < q.dim(0); i++) {
            for (int h = 0; h < q.dim(1); h++) {
                for (int c = 0; c < v.dim(2); c++) {
                    double e = expected.get(i, h, c);
                    double a = actual.get(i, h, c);
                    assertThat(Double.isFinite(e) ? Math.abs(a - e) <= tolerance : Double.compare(a, e) == 0)
                            .as("query %d, head %d, column %d: %s instead of %s", i, h, c, a, e)
                            .isTrue();
                }
            }
        }
    }
}
