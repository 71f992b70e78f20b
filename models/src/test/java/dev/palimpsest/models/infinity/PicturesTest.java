package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PicturesTest {
    private static RgbImage noise(int width, int height) {
        byte[] samples = new byte[3 * width * height];
        new Random(1).nextBytes(samples);
        return RgbImage.of(width, height, samples);
    }

    @ParameterizedTest
    @CsvSource({"37, 53", "53, 37", "1, 90", "90, 1", "20, 30", "41, 41", "49, 147"})
    void everyPictureCoversEveryTarget(int width, int height) {
        Scope.run(() -> {
            RgbImage image = noise(width, height);
            for (int h = 1; h <= 60; h += 7) {
                for (int w = 1; w <= 60; w += 7) {
                    assertThat(Pictures.covering(image, h, w).shape().dims()).containsExactly(3, h, w);
                }
            }
            // A target of the picture's own shape must not lose a row or column to rounding.
            for (int factor = 1; factor <= 3; factor++) {
                assertThat(Pictures.covering(image, height * factor, width * factor)
                                .shape()
                                .dims())
                        .containsExactly(3, height * factor, width * factor);
            }
            return null;
        });
    }

    @Test
    void aPictureOfTheRightSizeIsOnlyScaled() {
        Scope.run(() -> {
            RgbImage image = noise(6, 4);
            for (Tensor x : new Tensor[] {Pictures.covering(image, 4, 6), Pictures.stretched(image, 4, 6)}) {
                for (int c = 0; c < 3; c++) {
                    assertThat(x.get(c, 3, 5)).isCloseTo(image.get(5, 3, c) / 127.5 - 1, within(1e-6));
                }
            }
            return null;
        });
    }

    @Test
    void theMiddleIsKeptWhereThePictureIsTooLong() {
        byte[] samples = new byte[3 * 9 * 3];
        for (int c = 0; c < 3; c++) {
            samples[(1 * 9 + 4) * 3 + c] = (byte) 255; // the centre
        }
        RgbImage image = RgbImage.of(9, 3, samples);
        Scope.run(() -> {
            Tensor cut = Pictures.covering(image, 3, 3);
            assertThat(cut.get(0, 1, 1)).isEqualTo(1);
            assertThat(cut.sum().item()).isEqualTo(3 * (1 - 8));
            return null;
        });
    }
}
