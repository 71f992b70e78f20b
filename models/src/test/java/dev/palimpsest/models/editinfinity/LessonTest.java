package dev.palimpsest.models.editinfinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Flips;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Lesson;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class LessonTest {
    private static final ScaleSchedule SCHEDULE = ScaleSchedule.square(PictureSize.P_0_06M);
    private static final BitwiseSelfCorrection CORRECTION = new BitwiseSelfCorrection(new MultiScaleBsq(8), 1);

    private static Tensor random(long seed, int... dims) {
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        new TorchCpuRandom(seed).randn(values);
        return Tensor.of(values, dims);
    }

    @Test
    void withoutWrongBitsTheTruthIsWhatTheQuantiserSays() {
        Scope.run(() -> {
            Tensor latent = random(1, 1, 8, 16, 16);
            Lesson lesson = CORRECTION.lesson(latent, SCHEDULE, Flips.NONE);
            List<Tensor> bits =
                    CORRECTION.quantiser().quantise(latent, SCHEDULE).bits();
            for (int k = 0; k < SCHEDULE.size(); k++) {
                assertThat(lesson.bits()
                                .slice(1, SCHEDULE.start(k), SCHEDULE.start(k + 1))
                                .toLongArray())
                        .isEqualTo(bits.get(k).toLongArray());
            }
            return null;
        });
    }

    @Test
    void everyBitTurnedAroundAtTheFirstScaleChangesTheInputsButNotItsTruth() {
        Scope.run(() -> {
            Tensor latent = random(2, 1, 8, 16, 16);
            Lesson clean = CORRECTION.lesson(latent, SCHEDULE, Flips.NONE);
            Lesson wrong =
                    CORRECTION.lesson(latent, SCHEDULE, (k, bits) -> k == 0 ? Tensor.full(DType.U8, bits, 1) : null);
            assertThat(wrong.bits().slice(1, 0, 1).toLongArray())
                    .isEqualTo(clean.bits().slice(1, 0, 1).toLongArray());
            float[] a = clean.inputs().slice(1, 0, 4).toFloatArray();
            float[] b = wrong.inputs().slice(1, 0, 4).toFloatArray();
            for (int i = 0; i < a.length; i++) {
                assertThat(a[i]).isEqualTo(-b[i]);
            }
            return null;
        });
    }

    @Test
    void randomFlipsAreRareStopAfterTheirScalesAndRepeatWithTheirSeed() {
        Scope.run(() -> {
            Flips flips = Flips.random(0.3, 2, new TorchCpuRandom(3));
            Flips again = Flips.random(0.3, 2, new TorchCpuRandom(3));
            Shape shape = Shape.of(1, 1, 40, 40, 8);
            for (int k = 0; k < 2; k++) {
                Tensor mask = Objects.requireNonNull(flips.of(k, shape));
                double share = mask.to(DType.F32).mean().item();
                assertThat(share).isBetween(0.0, 0.32);
                assertThat(Objects.requireNonNull(again.of(k, shape)).toLongArray())
                        .isEqualTo(mask.toLongArray());
            }
            assertThat(flips.of(2, shape)).isNull();
            return null;
        });
    }

    @Test
    void theLossIsTheWeightedMeanOfCrossEntropies() {
        Scope.run(() -> {
            ScaleSchedule schedule = new ScaleSchedule(List.of(new Scale(1, 1), new Scale(2, 2)));
            Tensor logits = random(4, 2, 5, 6);
            Tensor bits = Tensor.scalar(0).lt(random(5, 2, 5, 3)).to(DType.U8);
            double expected = 0;
            double all = 0;
            for (int b = 0; b < 2; b++) {
                for (int l = 0; l < 5; l++) {
                    double token = 0;
                    for (int i = 0; i < 3; i++) {
                        double zero = Math.exp(logits.get(b, l, 2 * i));
                        double one = Math.exp(logits.get(b, l, 2 * i + 1));
                        token -= Math.log((bits.get(b, l, i) == 1 ? one : zero) / (zero + one));
                    }
                    // the only token of the first scale weighs 1, the four of the second 1/2 each
                    expected += (l == 0 ? 1.0 : 0.5) / 3 * token / 3 / 2;
                    all += token / 2;
                }
            }
            assertThat(BitLoss.PROMPT.of(logits, bits, schedule).item()).isCloseTo(expected, within(1e-6));
            assertThat(BitLoss.PROMPT
                            .withKlWeight(0.1)
                            .of(logits, bits, schedule)
                            .item())
                    .isCloseTo(expected + 0.1 * all, within(1e-5));
            return null;
        });
    }

    @Test
    void crossEntropySurvivesVeryCertainScores() {
        Scope.run(() -> {
            Tensor logits = Tensor.of(new float[] {200, -200, -200, 200, 0, 0}, 1, 6);
            Tensor bits = Tensor.of(new int[] {1, 1, 0}, 1, 3);
            float[] ce = BitLoss.crossEntropy(logits, bits).toFloatArray();
            assertThat(ce).containsExactly(new float[] {400, 0, (float) Math.log(2)}, within(1e-6f));
            return null;
        });
    }

    @Test
    void shapesThatDoNotFitAreRefused() {
        Scope.run(() -> {
            assertThatThrownBy(() -> CORRECTION.lesson(random(1, 1, 8, 12, 16), SCHEDULE, Flips.NONE))
                    .hasMessageContaining("16x16");
            assertThatThrownBy(() -> BitLoss.PROMPT.of(Tensor.zeros(1, 521, 16), Tensor.zeros(1, 521, 16), SCHEDULE))
                    .hasMessageContaining("(B, L, 2 d)");
            return null;
        });
    }
}
