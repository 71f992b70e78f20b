package dev.palimpsest.tensor.random;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RandomSourceTest {

    static List<RandomSource> sources() {
        return List.of(new TorchCpuRandom(17), new TorchCudaRandom(17));
    }

    @ParameterizedTest
    @MethodSource("sources")
    void normalsHaveMeanZeroAndVarianceOne(RandomSource random) {
        var values = new float[20_000];
        random.randn(values);
        double sum = 0;
        double squares = 0;
        for (float value : values) {
            sum += value;
            squares += (double) value * value;
        }
        assertThat(sum / values.length).isCloseTo(0, within(0.03));
        assertThat(squares / values.length).isCloseTo(1, within(0.04));
    }

    @ParameterizedTest
    @MethodSource("sources")
    void multinomialIsTheArgmaxOfAnExponentialRace(RandomSource random) {
        int categories = 5;
        var probabilities = new float[200 * categories];
        new TorchCpuRandom(1).rand(probabilities);
        var race = new float[probabilities.length];
        random.copy().exponential(race);

        var drawn = random.multinomial(probabilities, categories);

        assertThat(drawn).hasSize(200);
        for (int row = 0; row < drawn.length; row++) {
            int best = row * categories;
            for (int j = row * categories; j < (row + 1) * categories; j++) {
                best = probabilities[j] / race[j] > probabilities[best] / race[best] ? j : best;
            }
            assertThat(drawn[row]).isEqualTo(best - row * categories);
        }
    }

    @ParameterizedTest
    @MethodSource("sources")
    void multinomialDrawsInProportionAndNeverTheImpossible(RandomSource random) {
        int rows = 20_000;
        var probabilities = new float[rows * 3];
        for (int row = 0; row < rows; row++) {
            probabilities[row * 3] = 0.5f;
            probabilities[row * 3 + 2] = 1.5f;
        }
        var counts = new int[3];
        for (int category : random.multinomial(probabilities, 3)) {
            counts[category]++;
        }
        assertThat(counts[1]).isZero();
        assertThat(counts[0] / (double) rows).isCloseTo(0.25, within(0.015));
    }

    @ParameterizedTest
    @MethodSource("sources")
    void bernoulliIsTrueWithItsProbability(RandomSource random) {
        var mask = new boolean[20_000];
        random.copy().bernoulli(0.3f, mask);
        int trues = 0;
        for (boolean value : mask) {
            trues += value ? 1 : 0;
        }
        assertThat(trues / 20_000.0).isCloseTo(0.3, within(0.015));

        random.bernoulli(0, mask);
        assertThat(mask).doesNotContain(true);
        random.bernoulli(1, mask);
        assertThat(mask).doesNotContain(false);
    }

    @Test
    void refusesWhatIsNoDistribution() {
        var random = new TorchCpuRandom(0);
        assertThatThrownBy(() -> random.multinomial(new float[5], 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("multinomial: 5 probabilities are no whole number of rows of 2 categories");
        assertThatThrownBy(() -> random.multinomial(new float[] {1, 0, 0, 0}, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("multinomial: every probability of row 1 is zero");
        for (float bad : new float[] {-1, Float.NaN, Float.POSITIVE_INFINITY}) {
            assertThatThrownBy(() -> random.multinomial(new float[] {1, bad}, 2))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("multinomial: the probability " + bad + " is negative or not finite");
        }
        for (float bad : new float[] {-0.1f, 1.1f, Float.NaN}) {
            assertThatThrownBy(() -> random.bernoulli(bad, new boolean[1]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("bernoulli: the probability " + bad + " is not between 0 and 1");
        }
        assertThat(random.multinomial(new float[0], 2)).isEmpty();
    }
}
