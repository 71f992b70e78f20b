package dev.palimpsest.models.vincie;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.Noise;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.tensor.Scope;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Whole sessions with a tiny model in the released file formats, which lies beside the project.
class VincieTinyTest {
    private static final Path FOLDER = Path.of("../../shared/data/checkpoints/vincie-tiny");
    private static final List<String> PROMPTS = List.of(
            "Lower the pineapple beside her face. ",
            "Add a crown to the woman's head. ",
            "Change the background to blue.");

    @BeforeEach
    void needsTheModel() {
        assumeThat(FOLDER).as("the tiny model beside the project").isDirectory();
    }

    private static BufferedImage source() {
        return ImageFiles.read(FOLDER.resolve("example/image0.png")).toBufferedImage();
    }

    private static EditOptions options(Vincie vincie) {
        return vincie.options().withSeed(1).withNoise(Noise.TORCH_CPU);
    }

    @Test
    void threeTurnsGiveTheOriginalsPictures() {
        try (Vincie vincie = Vincie.load(FOLDER)) {
            VincieSession session = vincie.edit(source(), options(vincie));
            for (int turn = 0; turn < PROMPTS.size(); turn++) {
                RgbImage made = RgbImage.of(session.apply(PROMPTS.get(turn)));
                RgbImage expected = ImageFiles.read(FOLDER.resolve("example/expected_turn" + turn + ".png"));
                int largest = 0;
                long sum = 0;
                assertThat(made).hasToString(expected.toString());
                for (int y = 0; y < made.height(); y++) {
                    for (int x = 0; x < made.width(); x++) {
                        for (int c = 0; c < 3; c++) {
                            int difference = Math.abs(made.get(x, y, c) - expected.get(x, y, c));
                            largest = Math.max(largest, difference);
                            sum += difference;
                        }
                    }
                }
                assertThat(largest).isLessThanOrEqualTo(2);
                assertThat(sum / (3.0 * made.width() * made.height())).isLessThan(0.1);
            }
            assertThat(session.images()).hasSize(4);
            assertThat(session.prompts()).isEqualTo(PROMPTS);
        }
    }

    @Test
    void theSameSeedGivesTheSamePicture() {
        try (Vincie vincie = Vincie.load(FOLDER)) {
            for (Noise noise : Noise.values()) {
                EditOptions options = options(vincie)
                        .withNoise(noise)
                        .withPosterior(EditOptions.PosteriorUse.SAMPLE)
                        .withSteps(2);
                RgbImage first = RgbImage.of(vincie.edit(source(), options).apply(PROMPTS.get(0)));
                RgbImage again = RgbImage.of(vincie.edit(source(), options).apply(PROMPTS.get(0)));
                RgbImage other =
                        RgbImage.of(vincie.edit(source(), options.withSeed(2)).apply(PROMPTS.get(0)));
                assertThat(again).isEqualTo(first);
                assertThat(other).isNotEqualTo(first);
            }
        }
    }

    @Test
    void repeatsUseTheNextSeedsAndTheLastOneGoesOn() {
        try (Vincie vincie = Vincie.load(FOLDER)) {
            EditOptions options = options(vincie).withSteps(2);
            VincieSession session = vincie.edit(source(), options);
            List<BufferedImage> made = session.apply(PROMPTS.get(0), 2);
            RgbImage alone =
                    RgbImage.of(vincie.edit(source(), options.withSeed(2)).apply(PROMPTS.get(0)));
            assertThat(RgbImage.of(made.get(1))).isEqualTo(alone);
            assertThat(RgbImage.of(session.images().get(1))).isEqualTo(alone);
        }
    }

    @Test
    void fiftyEditsLeaveNoMemoryBehind() {
        try (Vincie vincie = Vincie.load(FOLDER)) {
            EditOptions options = options(vincie).withSteps(1);
            long before = Scope.usedBytes();
            for (int i = 0; i < 50; i++) {
                vincie.edit(source(), options.withSeed(i)).apply(PROMPTS.get(0));
                assertThat(Scope.usedBytes()).isEqualTo(before);
            }
        }
    }

    @Test
    void severalPicturesBecomeOne() {
        try (Vincie vincie = Vincie.load(FOLDER)) {
            VincieSession session =
                    vincie.compose(List.of(source(), source()), options(vincie).withSteps(2));
            BufferedImage made = session.apply("Based on <IMG0>, <IMG1>, put one on the other. Output <IMG2>: ");
            assertThat(made.getWidth() % 16).isZero();
            assertThat(session.images()).hasSize(3);
            assertThat(session.prompts()).first().isEqualTo("<IMG1>: ");
            assertThat(session.apply("Output <IMG3>: ").getWidth()).isEqualTo(made.getWidth());
            assertThatThrownBy(() -> vincie.compose(List.of(), options(vincie)))
                    .hasMessageContaining("0 pictures need");
        }
    }

    @Test
    void emptyPromptsAndTooManyAreRefused() {
        try (Vincie vincie = Vincie.load(FOLDER)) {
            int limit = vincie.pipeline().promptIds().prompts();
            VincieSession session = vincie.edit(source(), options(vincie).withSteps(1));
            assertThatThrownBy(() -> session.apply(" ")).hasMessageContaining("prompt is empty");
            List<BufferedImage> many = new ArrayList<>();
            for (int i = 0; i <= limit; i++) {
                many.add(source());
            }
            assertThatThrownBy(() -> vincie.compose(many, options(vincie))).hasMessageContaining("at most " + limit);
        }
    }

    @Test
    void aCancelledTurnChangesNothing() {
        try (Vincie vincie = Vincie.load(FOLDER)) {
            Cancellation cancellation = new Cancellation();
            EditOptions options = options(vincie).withCancellation(cancellation).withProgress((stage, done, total) -> {
                if (stage.equals("denoise") && done == 2) {
                    cancellation.cancel();
                }
            });
            VincieSession session = vincie.edit(source(), options);
            long before = Scope.usedBytes();
            assertThatThrownBy(() -> session.apply(PROMPTS.get(0))).isInstanceOf(CancellationException.class);
            assertThat(session.images()).hasSize(1);
            assertThat(session.prompts()).isEmpty();
            assertThat(Scope.usedBytes()).isEqualTo(before);
        }
    }
}
