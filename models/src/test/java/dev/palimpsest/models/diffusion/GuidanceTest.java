package dev.palimpsest.models.diffusion;

import static dev.palimpsest.models.diffusion.ScheduleTest.assertClose;
import static dev.palimpsest.models.diffusion.ScheduleTest.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GuidanceTest {
    @Test
    void scaleOneIsThePositivePrediction() {
        Scope.run(() -> {
            Tensor positive = random(1, 3, 8);
            assertClose(Guidance.of(1).combine(positive, random(2, 3, 8)), positive, 1e-6);
            return null;
        });
    }

    @Test
    void aFullRescaleRestoresThePositiveDeviationOfEveryRow() {
        Scope.run(() -> {
            Tensor positive = random(1, 3, 8);
            Tensor guided = new Guidance(7.5, 1, 1).combine(positive, random(2, 3, 8));
            assertClose(guided.std(1, 1), positive.std(1, 1), 1e-5);
            return null;
        });
    }

    @ParameterizedTest
    @CsvSource({"1.0, 10", "0.5, 5", "0.3, 3", "0.0, 0"})
    void onlyTheFirstShareOfTheStepsIsGuided(double partial, int guided) {
        Guidance guidance = new Guidance(7.5, 0, partial);
        for (int step = 0; step < 10; step++) {
            assertThat(guidance.needsNegative(step, 10)).isEqualTo(step < guided);
            assertThat(guidance.scaleAt(step, 10)).isEqualTo(step < guided ? 7.5 : 1);
        }
    }

    @ParameterizedTest
    @CsvSource({"NaN, 0, 1", "7.5, -0.1, 1", "7.5, 1.1, 1", "7.5, 0, 1.5", "7.5, 0, NaN"})
    void settingsThatMakeNoSenseAreRefused(double scale, double rescale, double partial) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Guidance(scale, rescale, partial))
                .withMessageStartingWith("guidance: ");
    }
}
