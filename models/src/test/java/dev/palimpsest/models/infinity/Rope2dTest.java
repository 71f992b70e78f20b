package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.models.infinity.Rope2d.Mode;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Rope2dTest {
    private static PictureLayout layout(Scale frame, Scale... scales) {
        return new PictureLayout(new ScaleSchedule(List.of(scales)), frame);
    }

    /// The row or column that an angle of the highest frequency, 1, stands for.
    private static double position(Rope2d.Rotation rotation, int token, int pair) {
        double angle =
                Math.atan2(rotation.sin().get(token, pair), rotation.cos().get(token, pair));
        return angle < 0 ? angle + 2 * Math.PI : angle;
    }

    @ParameterizedTest
    @CsvSource({
        // frame, row and column of a 2x4 scale's token, position
        "6, 4, 0, 3, 0, 3",
        "6, 4, 1, 2, 3, 2",
        "5, 2, 1, 1, 2, 0", // 2.5 and 0.5 are rounded to the even neighbour
        "3, 6, 1, 3, 2, 4", // 1.5 and 4.5
    })
    void rowsAndColumnsAreStretchedToTheFrame(int height, int width, int row, int column, double r, double c) {
        Scope.run(() -> {
            Rope2d rope = new Rope2d(Mode.STRETCHED, 8);
            Rope2d.Rotation rotation =
                    rope.rotation(layout(new Scale(height, width), new Scale(1, 1), new Scale(2, 4)), 1, 2, 1);
            int token = row * 4 + column;
            assertThat(position(rotation, token, 0)).isCloseTo(r, within(1e-6));
            assertThat(position(rotation, token, 2)).isCloseTo(c, within(1e-6));
            // the second frequency of a head of 8 is 10000^(-2/4)
            assertThat(position(rotation, token, 1)).isCloseTo(r / 100, within(1e-6));
            assertThat(position(rotation, token, 3)).isCloseTo(c / 100, within(1e-6));
            return null;
        });
    }

    @Test
    void countedPositionsDoNotLookAtTheFrame() {
        Scope.run(() -> {
            Rope2d.Rotation rotation =
                    new Rope2d(Mode.COUNTED, 4).rotation(layout(new Scale(64, 64), new Scale(2, 3)), 0, 1, 1);
            assertThat(position(rotation, 5, 0)).isCloseTo(1, within(1e-6));
            assertThat(position(rotation, 5, 1)).isCloseTo(2, within(1e-6));
            return null;
        });
    }

    /// A frame of 2 by 1 has a grid of 128 by 64 positions, whose last is 127 by 63.
    @Test
    void interpolationKeepsTheCornersOfTheGrid() {
        Scope.run(() -> {
            Rope2d.Rotation rotation =
                    new Rope2d(Mode.INTERPOLATED, 4).rotation(layout(new Scale(90, 45), new Scale(3, 2)), 0, 1, 1);
            assertThat(rotation.cos().get(0, 0)).isEqualTo(1);
            assertThat(rotation.cos().get(5, 0)).isCloseTo(Math.cos(127), within(1e-6));
            assertThat(rotation.sin().get(5, 1)).isCloseTo(Math.sin(63), within(1e-6));
            // half way between the positions 63 and 64
            assertThat(rotation.cos().get(2, 0)).isCloseTo((Math.cos(63) + Math.cos(64)) / 2, within(1e-5));
            return null;
        });
    }

    @Test
    void allScalesAtOnceAreTheScalesBehindEachOtherForEverySample() {
        Scope.run(() -> {
            PictureLayout layout = PictureLayout.of(0.75, PictureSize.P_0_06M);
            Rope2d rope = new Rope2d(Mode.STRETCHED, 16);
            int scales = layout.schedule().size();
            List<Tensor> parts = new ArrayList<>();
            for (int sample = 0; sample < 2; sample++) {
                for (int k = 0; k < scales; k++) {
                    parts.add(rope.rotation(layout, k, k + 1, 1).sin());
                }
            }
            Tensor all = rope.rotation(layout, 0, scales, 2).sin(); // (2 L, 8)
            assertThat(all.toFloatArray()).isEqualTo(Tensor.concat(parts, 0).toFloatArray());
            return null;
        });
    }

    @Test
    void unknownModesAndOddWidthsAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Mode.of(3)).withMessageContaining("0, 1, 2");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Rope2d(Mode.STRETCHED, 6))
                .withMessageContaining("multiple of 4");
    }
}
