package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ScaleScheduleTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            1     | 256x256 521 | 512x512 2521 | 768x768 6425   | 1024x1024 10521
            1.25  | 320x256 614 | 560x448 2814 | 880x704 6854   | 1120x896 10774
            0.8   | 256x320 614 | 448x560 2814 | 704x880 6854   | 896x1120 10774
            1.333 | 320x240 665 | 576x432 2657 | 960x720 7085   | 1152x864 10973
            0.75  | 240x320 665 | 432x576 2657 | 720x960 7085   | 864x1152 10973
            1.5   | 336x224 533 | 624x416 2759 | 1008x672 6941  | 1248x832 10997
            0.666 | 224x336 533 | 416x624 2759 | 672x1008 6941  | 832x1248 10997
            1.75  | 336x192 472 | 672x384 2628 | 1120x640 7220  | 1344x768 11252
            0.571 | 192x336 472 | 384x672 2628 | 640x1120 7220  | 768x1344 11252
            2     | 352x176 451 | 736x368 2681 | 1184x592 7219  | 1440x720 11269
            0.5   | 176x352 451 | 368x736 2681 | 592x1184 7219  | 720x1440 11269
            2.5   | 400x160 555 | 800x320 2555 | 1280x512 6805  | 1600x640 10805
            0.4   | 160x400 555 | 320x800 2555 | 512x1280 6805  | 640x1600 10805
            3     | 432x144 509 | 864x288 2588 | 1440x480 7016  | 1776x592 11123
            0.333 | 144x432 509 | 288x864 2588 | 480x1440 7016  | 592x1776 11123
            """)
    void pixelsAndLengthsAreThoseOfTheOriginal(double ratio, String p006, String p025, String p060, String p1) {
        assertThat(ScaleSchedule.ratios()).contains(ratio);
        assertThat(List.of(PictureSize.values()))
                .extracting(size -> {
                    ScaleSchedule s = ScaleSchedule.of(ratio, size);
                    return s.pixelHeight() + "x" + s.pixelWidth() + " " + s.length();
                })
                .containsExactly(p006, p025, p060, p1);
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "1.1, 1", "1.2, 1.25", "1.125, 1", "9, 3", "0.01, 0.333", "0.49, 0.5", "1.7777, 1.75"})
    void aPictureTakesTheNearestRatioAndOfTwoTheFirst(double ratio, double nearest) {
        assertThat(ScaleSchedule.nearestRatio(ratio)).isEqualTo(nearest);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
    void aRatioIsAPositiveNumber(double ratio) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ScaleSchedule.nearestRatio(ratio))
                .withMessageContaining("positive");
    }

    @ParameterizedTest
    @EnumSource(names = {"P_0_06M", "P_0_25M", "P_1M"})
    void aLatentFindsTheScheduleThatEndsWithIt(PictureSize size) {
        for (double ratio : ScaleSchedule.ratios()) {
            ScaleSchedule schedule = ScaleSchedule.of(ratio, size);
            assertThat(ScaleSchedule.endingAt(
                            schedule.last().height(), schedule.last().width()))
                    .isEqualTo(schedule);
        }
    }

    @Test
    void aLatentOfAnotherSizeHasNoSchedule() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ScaleSchedule.endingAt(48, 48))
                .withMessageContaining("48x48");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ScaleSchedule.firstVersion(48))
                .withMessageContaining("48x48");
    }

    @Test
    void theFirstVersionHadOtherScales() {
        assertThat(ScaleSchedule.firstVersion(32))
                .hasToString("1x1 2x2 3x3 4x4 6x6 9x9 13x13 18x18 24x24 32x32")
                .isNotEqualTo(ScaleSchedule.endingAt(32, 32));
    }

    @Test
    void everyScaleStartsWhereTheOnesBeforeItEnd() {
        ScaleSchedule schedule = ScaleSchedule.of(1.5, PictureSize.P_0_06M);
        assertThat(schedule).hasToString("1x1 2x2 3x2 6x4 9x6 15x10 21x14");
        assertThat(List.of(0, 1, 2, 3, 7)).extracting(schedule::start).containsExactly(0, 1, 5, 11, 533);
        assertThat(schedule.first(3).last()).isEqualTo(new Scale(3, 2));
        assertThat(schedule.first(3).doubled()).hasToString("2x2 4x4 6x4");
        assertThatIllegalArgumentException().isThrownBy(() -> schedule.first(8));
    }

    @Test
    void aScheduleHasScalesAndAScalePositions() {
        assertThatIllegalArgumentException().isThrownBy(() -> new ScaleSchedule(List.of()));
        assertThatIllegalArgumentException().isThrownBy(() -> new Scale(1, 0));
    }

    @Test
    void sizesGoByTheirNames() {
        for (PictureSize size : PictureSize.values()) {
            assertThat(PictureSize.of(size.label())).isEqualTo(size);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PictureSize.of("2M"))
                .withMessage("picture size: '2M' is not one of 0.06M, 0.25M, 0.60M, 1M");
    }
}
