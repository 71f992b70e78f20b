package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class MultiScaleBsqTest {
    private static final ScaleSchedule SCHEDULE =
            new ScaleSchedule(List.of(new Scale(1, 1), new Scale(2, 3), new Scale(4, 5), new Scale(6, 7)));

    private final MultiScaleBsq bsq = new MultiScaleBsq(8);

    @Test
    void aBitSaysWhetherACoordinateIsPositive() {
        Scope.run(() -> {
            Tensor x = Tensor.of(new float[] {0.1f, -3, 0, -0f, 1e-30f, -1e-30f, 7, -0.2f}, 1, 8, 1, 1, 1);
            Tensor bits = bsq.bits(x);
            assertThat(bits.shape().dims()).containsExactly(1, 1, 1, 1, 8);
            assertThat(bits.toLongArray()).containsExactly(1, 0, 0, 0, 1, 0, 1, 0);
            return null;
        });
    }

    @Test
    void codesLieOnTheUnitSphereAndHaveTheirOwnBits() {
        Scope.run(() -> {
            Tensor bits = bsq.bits(Checks.random(1, 2, 8, 1, 3, 2));
            Tensor codes = bsq.codes(bits); // (2, 8, 1, 3, 2)
            assertThat(codes.shape().dims()).containsExactly(2, 8, 1, 3, 2);
            assertThat(codes.square().sum(1).sub(1).max().item()).isCloseTo(0, within(1e-6));
            assertThat(bsq.bits(codes).toLongArray()).isEqualTo(bits.toLongArray());
            return null;
        });
    }

    @Test
    void theSumIsThatOfTheCodesOfAllScales() {
        Scope.run(() -> {
            Tensor x = Checks.random(2, 2, 8, 6, 7);
            var q = bsq.quantise(x, SCHEDULE);
            assertThat(q.bits()).hasSize(4);
            assertThat(q.inputs()).hasSize(3);
            assertThat(Checks.distance(bsq.sum(q.bits(), SCHEDULE.last()).squeeze(2), q.sum()))
                    .isLessThan(1e-6);
            // A frame of its own changes nothing.
            assertThat(bsq.quantise(x.unsqueeze(2), SCHEDULE).sum().toFloatArray())
                    .isEqualTo(q.sum().toFloatArray());
            return null;
        });
    }

    @Test
    void everyScaleQuantisesWhatIsLeftOver() {
        Scope.run(() -> {
            Tensor x = Checks.random(3, 1, 8, 6, 7).mul(0.5);
            var q = bsq.quantise(x, SCHEDULE);
            Tensor left = x.unsqueeze(2).sub(bsq.sum(q.bits().subList(0, 3), SCHEDULE.last())); // (1, 8, 1, 6, 7)
            assertThat(q.bits().getLast().toLongArray())
                    .isEqualTo(bsq.bits(left).toLongArray());
            // The input of the last scale has its size, so nothing is averaged.
            Tensor before = bsq.sum(q.bits().subList(0, 3), SCHEDULE.last()); // (1, 8, 1, 6, 7)
            assertThat(Checks.distance(q.inputs().getLast(), before)).isLessThan(1e-6);
            return null;
        });
    }

    @Test
    void moreScalesComeNearer() {
        Scope.run(() -> {
            // A code is as long as a vector of the unit sphere, so a latent of that length can be approximated.
            Tensor x = Checks.random(4, 1, 8, 6, 7);
            Tensor onSphere = x.div(x.square().sum(1).sqrt());
            double once = Checks.distance(
                    bsq.quantise(onSphere, new ScaleSchedule(List.of(SCHEDULE.last())))
                            .sum(),
                    onSphere);
            double coarse =
                    Checks.distance(bsq.quantise(onSphere, SCHEDULE.first(1)).sum(), onSphere);
            assertThat(once).isLessThan(coarse).isLessThan(0.8);
            return null;
        });
    }

    @Test
    void smallResidualsAreCounted() {
        Scope.run(() -> {
            float limit = 0.05f * bsq.magnitude();
            Tensor x = Tensor.of(
                    new float[] {limit * 0.9f, -limit * 0.9f, 0, limit * 1.1f, -limit * 1.1f, 1, 1, 1}, 1, 8, 1, 1);
            var q = bsq.quantise(x, new ScaleSchedule(List.of(new Scale(1, 1))));
            assertThat(q.smallShares()).containsExactly(3 / 8f);
            return null;
        });
    }

    @Test
    void otherShapesAreRefused() {
        Scope.run(() -> {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> bsq.quantise(Tensor.zeros(1, 7, 2, 2), SCHEDULE))
                    .withMessage("bsq: (1, 7, 1, 2, 2) needs the axes (B, 8, 1, h, w)");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> bsq.codes(Tensor.zeros(1, 8, 1, 2, 2)))
                    .withMessage("bsq: (1, 8, 1, 2, 2) needs the axes (B, 1, h, w, 8) of bits");
            assertThatIllegalArgumentException().isThrownBy(() -> bsq.sum(List.of(), SCHEDULE.last()));
            assertThatIllegalArgumentException().isThrownBy(() -> new MultiScaleBsq(0));
            return null;
        });
    }

    @Test
    void pixelsBecomeChannelsAndComeBack() {
        Scope.run(() -> {
            Tensor x = Checks.random(5, 2, 3, 4, 6);
            Tensor channels = PixelShuffle.unshuffle(x, 2); // (2, 12, 2, 3)
            // channel c * 4 + dy * 2 + dx at (y, x) is channel c at (2y + dy, 2x + dx)
            assertThat(channels.get(1, 2 * 4 + 1 * 2 + 0, 1, 2)).isEqualTo(x.get(1, 2, 3, 4));
            assertThat(PixelShuffle.shuffle(channels, 2).toFloatArray()).isEqualTo(x.toFloatArray());
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> PixelShuffle.unshuffle(x, 4))
                    .withMessageStartingWith("pixel_unshuffle: (2, 3, 4, 6)");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> PixelShuffle.shuffle(x, 2))
                    .withMessageStartingWith("pixel_shuffle: (2, 3, 4, 6)");
            return null;
        });
    }
}
