package dev.palimpsest.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TimestepsTest {
    @Test
    void thereAreExactlyAsManyAsAskedFor() {
        for (int steps = 1; steps <= 1000; steps++) {
            Timesteps t = Timesteps.uniformTrailing(steps, 12, 1000);
            assertThat(t.size()).isEqualTo(steps);
            assertThat(t.get(0)).isEqualTo(1000f);
            assertThat(t.get(steps - 1)).isPositive();
            for (int i = 1; i < steps; i++) {
                assertThat(t.get(i)).isLessThan(t.get(i - 1));
            }
        }
    }

    @Test
    void withoutShiftTheyAreEvenlySpaced() {
        assertThat(Timesteps.uniformTrailing(4, 1, 1000).toArray()).containsExactly(1000, 750, 500, 250);
    }

    @Test
    void theShiftMovesThemTowardTheNoise() {
        // u = 1/2: 3 u / (1 + 2 u) = 3/4
        assertThat(Timesteps.uniformTrailing(2, 3, 1000).toArray()).containsExactly(1000, 750);
    }

    @Test
    void discreteOnesAreRoundedToStepNumbers() {
        // u (T + 1) - 1 for u = 1, 3/4, 1/2, 1/4 and T = 999
        assertThat(Timesteps.uniformTrailingDiscrete(4, 1, 999).toArray()).containsExactly(999, 749, 499, 249);
    }

    @Test
    void aStepLeadsToTheNextOneAndAtLastBeyondThePath() {
        Timesteps sampling = Timesteps.of(1000, 1000, 600, 200);
        assertThat(sampling.after(1000)).isEqualTo(600);
        assertThat(sampling.after(200)).isEqualTo(-1);
        Timesteps inverting = Timesteps.of(1000, 200, 600, 1000);
        assertThat(inverting.after(600)).isEqualTo(1000);
        assertThat(inverting.after(1000)).isEqualTo(1001);
        assertThatIllegalArgumentException().isThrownBy(() -> sampling.after(5)).withMessageContaining("5.0");
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "-3, 1", "5, 0", "5, -1", "5, NaN", "5, Infinity"})
    void settingsThatMakeNoSenseAreRefused(int steps, double shift) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Timesteps.uniformTrailing(steps, shift, 1000))
                .withMessageStartingWith("timesteps: ");
    }
}
