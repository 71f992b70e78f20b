package dev.palimpsest.models.diffusion;

import static dev.palimpsest.models.diffusion.ScheduleTest.assertClose;
import static dev.palimpsest.models.diffusion.ScheduleTest.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class EulerSamplerTest {
    private static final Schedule SCHEDULE = new Schedule.Lerp(1000);
    private static final Timesteps TIMES = Timesteps.uniformTrailing(7, 3, 1000);

    @ParameterizedTest
    @EnumSource(
            value = Prediction.class,
            names = {"X_0", "V_LERP"})
    void aDenoiserThatKnowsTheSampleIsLedToIt(Prediction type) {
        Scope.run(() -> {
            Tensor x0 = random(1, 5, 4);
            Tensor xT = random(2, 5, 4);
            Denoiser knowing = (x, t, step) -> SCHEDULE.target(type, x0, xT, Tensor.scalar(t));
            assertClose(new EulerSampler(SCHEDULE, TIMES, type).sample(xT, knowing), x0, 1e-5);
            return null;
        });
    }

    @Test
    void withoutTheEndpointTheStateAtTheLastTimeIsTheResult() {
        Scope.run(() -> {
            Tensor x0 = random(1, 5, 4);
            Tensor xT = random(2, 5, 4);
            List<Double> asked = new ArrayList<>();
            EulerSampler sampler = new EulerSampler(SCHEDULE, TIMES, Prediction.V_LERP, false);
            Tensor result = sampler.sample(xT, (x, t, step) -> {
                asked.add(t);
                return xT.sub(x0);
            });
            assertThat(asked).hasSize(6).hasSize(sampler.steps());
            assertClose(result, SCHEDULE.noisy(x0, xT, Tensor.scalar(TIMES.get(6))), 1e-5);
            return null;
        });
    }

    @Test
    void everyStepIsShownWithItsTimeAndLeavesNoMemoryBehind() {
        Scope.run(() -> {
            Tensor xT = random(2, 5, 4);
            List<EulerSampler.Step> steps = new ArrayList<>();
            List<Long> live = new ArrayList<>();
            Scope scope = Scope.current();
            new EulerSampler(SCHEDULE, TIMES, Prediction.V_LERP)
                    .sample(
                            xT,
                            (x, t, step) -> {
                                live.add(scope.liveBytes());
                                return x.mul(0.3);
                            },
                            steps::add,
                            new Cancellation());
            assertThat(steps).extracting(EulerSampler.Step::index).containsExactly(0, 1, 2, 3, 4, 5, 6);
            assertThat(steps).allSatisfy(s -> {
                assertThat(s.count()).isEqualTo(7);
                assertThat(s.time()).isEqualTo(TIMES.get(s.index()));
            });
            assertThat(live).containsOnly(live.getFirst());
            return null;
        });
    }

    @Test
    void aCancelledSamplerStopsBeforeTheNextPrediction() {
        Scope.run(() -> {
            Cancellation cancellation = new Cancellation();
            List<Integer> asked = new ArrayList<>();
            assertThatExceptionOfType(CancellationException.class)
                    .isThrownBy(() -> new EulerSampler(SCHEDULE, TIMES, Prediction.V_LERP)
                            .sample(
                                    random(1, 2),
                                    (x, t, step) -> {
                                        asked.add(step);
                                        return x;
                                    },
                                    step -> {
                                        if (step.index() == 2) {
                                            cancellation.cancel();
                                        }
                                    },
                                    cancellation));
            assertThat(asked).containsExactly(0, 1, 2);
            return null;
        });
    }

    @Test
    void aStepOfSamplesAtDifferentTimesIsTheStepOfEachOnItsOwn() {
        Scope.run(() -> {
            EulerSampler sampler = new EulerSampler(SCHEDULE, TIMES, Prediction.V_LERP);
            Tensor x = random(1, TIMES.size(), 3);
            Tensor p = random(2, TIMES.size(), 3);
            Tensor together = sampler.step(p, x, Tensor.of(TIMES.toArray()));
            for (int i = 0; i < TIMES.size(); i++) {
                Tensor alone =
                        sampler.step(p.slice(0, i, i + 1), x.slice(0, i, i + 1), Tensor.of(new float[] {TIMES.get(i)}));
                assertClose(together.slice(0, i, i + 1), alone, 0);
            }
            assertClose(
                    together.slice(0, 6, 7),
                    sampler.endpoint(p, x, Tensor.of(TIMES.toArray())).slice(0, 6, 7),
                    0);
            return null;
        });
    }
}
