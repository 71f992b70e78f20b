package dev.palimpsest.models.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ResamplingTest {
    @ParameterizedTest
    @EnumSource(Resampling.class)
    void aFlatPictureStaysFlatAtEverySize(Resampling filter) {
        byte[] samples = new byte[3 * 7 * 5];
        Arrays.fill(samples, (byte) 200);
        RgbImage flat = RgbImage.of(7, 5, samples);
        for (int w : new int[] {1, 3, 7, 20}) {
            RgbImage resized = filter.resize(flat, w, 2 * w);
            for (int y = 0; y < 2 * w; y++) {
                for (int x = 0; x < w; x++) {
                    assertThat(resized.get(x, y, 2)).isEqualTo(200);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Resampling.class)
    void theSameSizeIsTheSamePicture(Resampling filter) {
        byte[] samples = new byte[3 * 6 * 4];
        new Random(1).nextBytes(samples);
        RgbImage image = RgbImage.of(6, 4, samples);
        assertThat(filter.resize(image, 6, 4)).isSameAs(image);
    }

    @Test
    void shrinkingByTwoWithTheTriangleWeighsFourPixels() {
        // centre of output 1 lies between inputs 2 and 3; weights 1/8, 3/8, 3/8, 1/8 of inputs 1 to 4
        byte[] samples = new byte[3 * 6];
        for (int x = 0; x < 6; x++) {
            samples[3 * x] = (byte) (x * x * 8);
        }
        RgbImage image = Resampling.BILINEAR.resize(RgbImage.of(6, 1, samples), 3, 1);
        assertThat(image.get(1, 0, 0)).isEqualTo(Math.round((8 + 3 * 32 + 3 * 72 + 128) / 8f));
    }

    @Test
    void anEmptySizeIsRefused() {
        RgbImage image = RgbImage.of(1, 1, new byte[3]);
        assertThatThrownBy(() -> Resampling.BICUBIC.resize(image, 0, 4)).isInstanceOf(ImageException.class);
        assertThatThrownBy(() -> RgbImage.of(0, 4, new byte[0])).isInstanceOf(ImageException.class);
    }
}
