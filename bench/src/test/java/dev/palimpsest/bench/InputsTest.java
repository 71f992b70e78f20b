package dev.palimpsest.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class InputsTest {
    private static final int N = 200_003;

    @Test
    void uniformNumbersFillTheirRange() {
        double[] x = numbers(1, inputs -> inputs.uniform(DType.F32, -3, 5, Shape.of(N)));

        assertThat(x).hasSize(N);
        assertThat(Arrays.stream(x).min().orElseThrow()).isBetween(-3.0, -2.9);
        assertThat(Arrays.stream(x).max().orElseThrow()).isBetween(4.9, 5.0);
        assertThat(mean(x)).isCloseTo(1, within(0.03));
        assertThat(deviation(x)).isCloseTo(8 / Math.sqrt(12), within(0.03));
    }

    @Test
    void normalNumbersHaveTheirDeviation() {
        double[] x = numbers(1, inputs -> inputs.normal(DType.F32, 2, N));

        assertThat(mean(x)).isCloseTo(0, within(0.03));
        assertThat(deviation(x)).isCloseTo(2, within(0.03));
        long beyondTwo = IntStream.range(0, N).filter(i -> Math.abs(x[i]) > 4).count();
        assertThat((double) beyondTwo / N).isCloseTo(0.0455, within(0.003));
    }

    @Test
    void everyRunSeesTheSameNumbersAndEveryArrayOthers() {
        double[] first = numbers(1, inputs -> inputs.random(DType.F32, N));
        double[] again = numbers(1, inputs -> inputs.random(DType.F32, N));
        double[] second = numbers(2, inputs -> inputs.random(DType.F32, N));

        assertThat(again).isEqualTo(first);
        double product =
                IntStream.range(0, N).mapToDouble(i -> first[i] * second[i]).sum() / N;
        assertThat(product).as("correlation of two arrays").isCloseTo(0, within(0.01));
    }

    private interface Make {
        NdArray of(Inputs inputs);
    }

    /// The numbers of the given one of several arrays.
    private static double[] numbers(int which, Make make) {
        try (Arena arena = Arena.ofShared()) {
            Inputs inputs = new Inputs(arena);
            NdArray x = make.of(inputs);
            for (int i = 1; i < which; i++) {
                x = make.of(inputs);
            }
            float[] values = x.memory().toArray(ValueLayout.JAVA_FLOAT);
            return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
        }
    }

    private static double mean(double[] x) {
        return IntStream.range(0, x.length).mapToDouble(i -> x[i]).average().orElseThrow();
    }

    private static double deviation(double[] x) {
        double mean = mean(x);
        return Math.sqrt(IntStream.range(0, x.length)
                .mapToDouble(i -> (x[i] - mean) * (x[i] - mean))
                .average()
                .orElseThrow());
    }
}
