package dev.palimpsest.models.editinfinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SmoothingTest {
    /// A white picture of 64 x 64 pixels with one black one.
    private static Mask oneBlackPixel(int row, int column) {
        Tensor grey = Tensor.full(DType.F32, Shape.of(64, 64), 255);
        grey.slice(0, row, row + 1).slice(1, column, column + 1).fillInPlace(0);
        return Mask.ofGrey(grey);
    }

    @Test
    void theOriginalFadesInOverFourSteps() {
        Scope.run(() -> {
            float[] row = Smoothing.ORIGINAL
                    .weights(oneBlackPixel(10, 0), 64, 64)
                    .select(0, 10)
                    .slice(0, 0, 7)
                    .toFloatArray();
            assertThat(row).containsExactly(0, 0, 0.25f, 0.5f, 0.75f, 1, 1);
            return null;
        });
    }

    @Test
    void thePaperFadesInOverThreeSteps() {
        Scope.run(() -> {
            float[] row = Smoothing.PAPER
                    .weights(oneBlackPixel(10, 0), 64, 64)
                    .select(0, 10)
                    .slice(0, 0, 7)
                    .toFloatArray();
            assertThat(row).containsExactly(0, 0, 1 / 3f, 2 / 3f, 1, 1, 1);
            return null;
        });
    }

    @Test
    void distancesAreThoseOfTheNearestBlockInEveryDirection() {
        Random random = new Random(5);
        Scope.run(() -> {
            float[] levels = new float[24 * 24];
            for (int i = 0; i < levels.length; i++) {
                levels[i] = random.nextInt(80) == 0 ? 0 : 255;
            }
            Mask mask = Mask.ofGrey(Tensor.of(levels, 24, 24));
            Smoothing ramp = new Smoothing(0, 100, false);
            Tensor weights = ramp.weights(mask, 24, 24);
            assertThat(mask.count()).isBetween(2, 20);
            for (int y = 0; y < 24; y++) {
                for (int x = 0; x < 24; x++) {
                    int nearest = Integer.MAX_VALUE;
                    for (int i = 0; i < levels.length; i++) {
                        if (levels[i] == 0) {
                            nearest = Math.min(nearest, Math.abs(y - i / 24) + Math.abs(x - i % 24));
                        }
                    }
                    assertThat(weights.get(y, x)).isEqualTo((float) (nearest / 100.0));
                }
            }
            return null;
        });
    }

    @Test
    void largeMasksHaveARampInThePaperOnly() {
        Scope.run(() -> {
            Tensor grey = Tensor.zeros(64, 64);
            grey.slice(1, 32, 64).fillInPlace(255);
            Mask half = Mask.ofGrey(grey);
            assertThat(Smoothing.ORIGINAL.weights(half, 64, 64).get(0, 33)).isEqualTo(1);
            assertThat(Smoothing.PAPER.weights(half, 64, 64).get(0, 33)).isEqualTo(1 / 3f);
            return null;
        });
    }

    @Test
    void aMaskCanComeFromColoursAndFromAttention() {
        Scope.run(() -> {
            byte[] samples = new byte[6];
            samples[1] = (byte) 255; // green is brighter than half, blue is not
            samples[5] = (byte) 255;
            Mask colours = Mask.of(RgbImage.of(2, 1, samples));
            assertThat(colours.isEdited(0, 0)).isFalse();
            assertThat(colours.isEdited(0, 1)).isTrue();
            Mask attention = Mask.above(Tensor.of(new float[] {1, 2, 3, 2.01f}, 2, 2), 0.5);
            assertThat(attention.toTensor().toLongArray()).containsExactly(0, 0, 1, 1);
            assertThat(attention.resized(4, 2).toTensor().toLongArray()).containsExactly(0, 0, 0, 0, 1, 1, 1, 1);
            return null;
        });
    }

    @Test
    void blocksThatDoNotDivideAPictureDriftOrOverlap() {
        Scope.run(() -> {
            Tensor grey = Tensor.full(DType.F32, Shape.of(1, 14), 255);
            grey.slice(1, 12, 14).fillInPlace(0);
            Mask mask = Mask.ofGrey(grey);
            // 3, 4 and 2 pixels to a block; of nine blocks the last two have only the border left
            assertThat(mask.blocks(1, 5).toTensor().toLongArray()).containsExactly(0, 0, 0, 0, 1);
            assertThat(mask.blocks(1, 4).toTensor().toLongArray()).containsExactly(0, 0, 0, 1);
            assertThat(mask.blocks(1, 9).toTensor().toLongArray()).containsExactly(0, 0, 0, 0, 0, 0, 1, 1, 1);
            assertThat(mask.blocks(1, 9, Mask.Blocks.EXACT).toTensor().toLongArray())
                    .containsExactly(0, 0, 0, 0, 0, 0, 0, 1, 1);
            for (Mask.Blocks cut : Mask.Blocks.values()) {
                assertThat(mask.blocks(1, 7, cut).toTensor().toLongArray()).containsExactly(0, 0, 0, 0, 0, 0, 1);
            }
            return null;
        });
    }

    @Test
    void aPlottedMaskHas616PixelsOnItsLongerSide() {
        Scope.run(() -> {
            Mask mask = Mask.above(Tensor.of(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, 2, 4), 0.5);
            Mask plotted = MaskMethod.PLOTTED.drawn(mask);
            assertThat(plotted.width()).isEqualTo(616);
            assertThat(plotted.height()).isEqualTo(308);
            assertThat(plotted.count()).isEqualTo(616 * 308 / 2);
            assertThat(MaskMethod.DIRECT.drawn(mask)).isSameAs(mask);
            assertThat(MaskMethod.of("plotted")).isEqualTo(MaskMethod.PLOTTED);
            assertThatThrownBy(() -> MaskMethod.of("painted")).hasMessageContaining("direct, plotted");
            return null;
        });
    }

    @Test
    void masksAndMapsArePictures() {
        Scope.run(() -> {
            Mask mask = Mask.above(Tensor.of(new float[] {1, 2, 3, 4}, 2, 2), 0.5);
            assertThat(RgbImage.of(mask.toImage()).get(1, 0, 2)).isEqualTo(255);
            assertThat(Mask.of(RgbImage.of(mask.toImage())).toTensor().toLongArray())
                    .containsExactly(mask.toTensor().toLongArray());
            Heatmap map = Heatmap.of(Tensor.of(new float[] {1, 2, 3, 6, 1, 1}, 2, 3));
            RgbImage picture = RgbImage.of(map.toImage());
            assertThat(picture.get(0, 0, 0)).isZero();
            assertThat(picture.get(2, 0, 1)).isEqualTo(102);
            assertThat(picture.get(0, 1, 2)).isEqualTo(255);
            assertThat(map.get(1, 0)).isEqualTo(6);
            assertThatThrownBy(() -> Heatmap.of(Tensor.zeros(2))).hasMessageContaining("(height, width)");
            return null;
        });
    }

    @Test
    void settingsThatMakeNoSenseAreRefused() {
        assertThatThrownBy(() -> new Smoothing(4, 1, false)).hasMessageContaining("must rise");
        Scope.run(() -> {
            assertThatThrownBy(() -> Mask.ofGrey(Tensor.zeros(3))).hasMessageContaining("(height, width)");
            assertThatThrownBy(() -> Mask.above(Tensor.zeros(2, 2), 1.5)).hasMessageContaining("threshold 1.5");
            return null;
        });
    }
}
