package dev.palimpsest.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.bench.compare.Timing.Effort;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

class TimingTest {

    /// Calls that take longer at first.
    private static final class Warming {
        private final int slow;
        private int calls;

        Warming(int slow) {
            this.slow = slow;
        }

        Contestant contestant() {
            return new Contestant("warming", this::call, () -> {
                throw new IllegalStateException("nobody asks for a result");
            });
        }

        private void call() {
            // a step down of two thirds every other call
            double millis = calls < slow ? 30 / Math.pow(3, Math.floorDiv(calls, 2)) : 0.01;
            calls++;
            long end = System.nanoTime() + (long) (millis * 1e6);
            while (System.nanoTime() < end) {
                LockSupport.parkNanos(end - System.nanoTime());
            }
        }
    }

    @Test
    void turnsGoOnWhileTheTimeFalls() {
        Warming falling = new Warming(6);
        Warming steady = new Warming(0);

        Timing.measure(
                List.of(falling.contestant(), steady.contestant()),
                List.of(1.0, 1.0),
                new Effort(0, 2, 40, 10, 10),
                0,
                new Random(1),
                () -> true);

        assertThat(falling.calls).as("turns of one that gets faster").isGreaterThan(6);
    }

    @Test
    void turnsEndAtTheLimitHoweverTheTimeFalls() {
        Warming falling = new Warming(1000);

        Timing.measure(
                List.of(falling.contestant()), List.of(1.0), new Effort(0, 2, 5, 10, 10), 0, new Random(1), () -> true);

        assertThat(falling.calls).isLessThanOrEqualTo(5);
    }

    @Test
    void callsThatTakeLongNeedOneTurnWithoutAFall() {
        Warming steady = new Warming(2); // 30 ms

        List<Timing> timings = Timing.measure(
                List.of(steady.contestant()),
                List.of(0.029),
                new Effort(0, 8, 8, 0.02, 10),
                0,
                new Random(1),
                () -> true);

        assertThat(steady.calls).isEqualTo(1);
        assertThat(timings.getFirst().best()).as("the call before counts").isEqualTo(0.029);
    }

    @Test
    void thereIsALimitOfTime() {
        Warming falling = new Warming(1000); // 30 ms, 30 ms, 10 ms, ...

        Timing.measure(
                List.of(falling.contestant()),
                List.of(1.0),
                new Effort(0, 8, 8, 10, 0.025),
                0,
                new Random(1),
                () -> true);

        assertThat(falling.calls).isEqualTo(2);
    }

    @Test
    void aTurnDuringWhichSomethingWasCompiledDoesNotCount() {
        Warming steady = new Warming(0);
        int[] asked = {0};

        Timing.measure(
                List.of(steady.contestant()),
                List.of(1e-9),
                new Effort(0, 2, 40, 10, 10),
                0,
                new Random(1),
                () -> ++asked[0] > 5);

        assertThat(steady.calls).isEqualTo(7);
    }
}
