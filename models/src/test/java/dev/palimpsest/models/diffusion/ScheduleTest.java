package dev.palimpsest.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ScheduleTest {
    private static final float[] TIMES = {1, 250, 500, 750, 999};

    private final Schedule schedule = new Schedule.Lerp(1000);

    @ParameterizedTest
    @EnumSource(Prediction.class)
    void aPerfectPredictionLeadsBackToBothEnds(Prediction type) {
        Scope.run(() -> {
            Tensor x0 = random(1, TIMES.length, 7);
            Tensor xT = random(2, TIMES.length, 7);
            Tensor t = Tensor.of(TIMES);
            Tensor p = schedule.target(type, x0, xT, t);
            Endpoints ends = schedule.endpoints(type, p, schedule.noisy(x0, xT, t), t);
            if (type == Prediction.V_COS) {
                // on a straight path this velocity gives (A^2 + B^2) times the ends
                Tensor norm = schedule.a(t).square().add(schedule.b(t).square()).reshape(TIMES.length, 1);
                assertClose(ends.x0(), x0.mul(norm), 1e-5);
                assertClose(ends.xT(), xT.mul(norm), 1e-5);
            } else {
                assertClose(ends.x0(), x0, 2e-3); // at t = 999 a thousandth of x_0 is left in x_t
                assertClose(ends.xT(), xT, 2e-3);
            }
            return null;
        });
    }

    @Test
    void oneTimeForAllIsTheSameAsThatTimeForEach() {
        Scope.run(() -> {
            Tensor x0 = random(1, 3, 4);
            Tensor xT = random(2, 3, 4);
            Tensor each = schedule.noisy(x0, xT, Tensor.of(new float[] {300, 300, 300}));
            assertThat(schedule.noisy(x0, xT, Tensor.scalar(300)).toFloatArray())
                    .isEqualTo(each.toFloatArray());
            return null;
        });
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 1, 333, 1000})
    void theSignalToNoiseRatioTellsTheTime(double time) {
        Scope.run(() -> {
            Tensor t = Tensor.scalar(time);
            assertThat(schedule.inverseSnr(schedule.snr(t)).item()).isCloseTo(time, within(1e-3));
            return null;
        });
    }

    @Test
    void timesThatFitNoAxisAreRefused() {
        Scope.run(() -> {
            Tensor x = random(1, 3, 4);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> schedule.noisy(x, x, Tensor.of(new float[] {1, 2})))
                    .withMessageContaining("(2)")
                    .withMessageContaining("(3, 4)");
            return null;
        });
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
    void anEndThatIsNoTimeIsRefused(double end) {
        assertThatIllegalArgumentException().isThrownBy(() -> new Schedule.Lerp(end));
    }

    static Tensor random(long seed, int... dims) {
        Random random = new Random(seed);
        int n = 1;
        for (int d : dims) {
            n *= d;
        }
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, dims);
    }

    static void assertClose(Tensor actual, Tensor expected, double tolerance) {
        assertThat(actual.shape()).isEqualTo(expected.shape());
        assertThat(actual.toFloatArray()).containsExactly(expected.toFloatArray(), within((float) tolerance));
    }
}
