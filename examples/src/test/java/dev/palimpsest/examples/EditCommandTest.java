package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `edit` and `compose` with the demo model, and with the tiny model beside the project where it exists.
class EditCommandTest {
    @TempDir
    private static Path cache;

    @TempDir
    private Path folder;

    private static Surroundings surroundings;
    private Path out;
    private Path picture;

    @BeforeAll
    static void surround() {
        surroundings = new Surroundings(Map.of(), cache, null);
    }

    @BeforeEach
    void draw() {
        out = folder.resolve("out");
        picture = folder.resolve("picture.png");
        ImageFiles.writePng(TestPicture.draw(), picture, Map.of());
    }

    private static Cli.Run run(Object... args) {
        return Cli.run(surroundings, args);
    }

    private static Object[] small(Object... args) {
        List<Object> all = new ArrayList<>(Arrays.asList(args));
        all.addAll(List.of("--resolution", 48, "--steps", 2));
        return all.toArray();
    }

    @Test
    void theDemoWritesOnePictureATurnAndSaysThatItIsNoise() {
        var run = run(small("edit", "--prompt", "Add a crown.", "--prompt", "Paint it blue.", "--out", out));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out().lines().toList())
                .containsSubsequence(
                        out.resolve("0_turn0_rep0_seed1.png").toString(),
                        out.resolve("0_turn1_rep0_seed1.png").toString())
                .last()
                .asString()
                .contains("noise");
        assertThat(run.out()).contains("2 pictures in " + out);
        for (String name : List.of("0_turn0_rep0_seed1.png", "0_turn1_rep0_seed1.png")) {
            RgbImage image = ImageFiles.read(out.resolve(name));
            assertThat(image.width() % 16).isZero();
            assertThat(image.height() % 16).isZero();
        }
    }

    @Test
    void theSameSeedGivesTheSameFileAndAnotherSeedAnotherPicture() {
        Path again = folder.resolve("again");
        assertThat(run(small("edit", "--image", picture, "--prompt", "Blue.", "--seed", 5, "--out", out))
                        .code())
                .isZero();
        assertThat(run(small("edit", "--image", picture, "--prompt", "Blue.", "--seed", 5, "--out", again))
                        .code())
                .isZero();
        assertThat(run(small("edit", "--image", picture, "--prompt", "Blue.", "--seed", 6, "--out", again))
                        .code())
                .isZero();
        assertThat(again.resolve("0_turn0_rep0_seed5.png"))
                .hasSameBinaryContentAs(out.resolve("0_turn0_rep0_seed5.png"));
        assertThat(ImageFiles.read(again.resolve("0_turn0_rep0_seed6.png")))
                .isNotEqualTo(ImageFiles.read(out.resolve("0_turn0_rep0_seed5.png")));
    }

    @Test
    void aPictureTellsHowItWasMade() {
        var run = Cli.run(
                new Surroundings(Map.of("CAMERA_PREFIX", "Static camera. "), cache, null),
                small(
                        "edit",
                        "--image",
                        picture,
                        "--prompt",
                        "Blue.",
                        "--prompt",
                        "Red.",
                        "--noise",
                        "torch-cpu",
                        "--posterior",
                        "sample",
                        "--guidance",
                        3.5,
                        "--negative-prompt",
                        "grey",
                        "--out",
                        out));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(ImageFiles.readText(out.resolve("0_turn1_rep0_seed1.png")))
                .containsEntry("Images", "picture.png")
                .containsEntry("Prompt 1", "Static camera. Blue.")
                .containsEntry("Prompt 2", "Static camera. Red.")
                .containsEntry("Negative prompt", "grey")
                .containsEntry("Noise", "torch-cpu")
                .containsEntry("Posterior", "sample")
                .containsEntry("Guidance", "3.5")
                .containsEntry("Resolution", "48")
                .containsEntry("Steps", "2");
    }

    @Test
    void repeatsCountTheSeedUpAndProgramsReadJson() {
        var run = run(small(
                "edit", "--image", picture, "--prompt", "Blue.", "--repeat", 2, "--index", 4, "--json", "--out", out));
        assertThat(run.code()).as(run.err()).isZero();
        var json = JsonObject.parse(run.out(), "edit");
        assertThat(json.bool("demo")).isTrue();
        assertThat(json.list("pictures"))
                .map(p -> ((JsonObject) p).text("file"))
                .containsExactly(
                        out.resolve("4_turn0_rep0_seed1.png").toString(),
                        out.resolve("4_turn0_rep1_seed2.png").toString());
        assertThat(out.resolve("4_turn0_rep1_seed2.png")).exists();
    }

    @Test
    void composeAddsWhatTheModelExpectsAroundASinglePrompt() {
        var run = run(small(
                "compose",
                "--image",
                picture,
                "--image",
                picture,
                "--prompt",
                "The sun of <IMG0> over <IMG1>.",
                "--out",
                out));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(ImageFiles.readText(out.resolve("0_turn0_rep0_seed1.png")))
                .containsEntry("Images", "picture.png, picture.png")
                .containsEntry("Prompt 1", "<IMG1>: ")
                .containsEntry("Prompt 2", "Based on <IMG0>, <IMG1>, The sun of <IMG0> over <IMG1>. Output <IMG2>: ");
    }

    @Test
    void composeUsesSeveralPromptsAsTheyAre() {
        var run = run(small(
                "compose",
                "--image",
                picture,
                "--image",
                picture,
                "--prompt",
                "<IMG1>: ",
                "--prompt",
                "Mix",
                "--prompt",
                "And again.",
                "--out",
                out));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(ImageFiles.readText(out.resolve("0_turn1_rep0_seed1.png")))
                .containsEntry("Prompt 1", "<IMG1>: ")
                .containsEntry("Prompt 2", "Mix")
                .containsEntry("Prompt 3", "And again.");
        assertThat(out.resolve("0_turn2_rep0_seed1.png")).doesNotExist();
    }

    @Test
    void progressIsLinesWherePipedAndABarWithTheTimeLeftOnATerminal() {
        var piped = run(small("edit", "--prompt", "Blue.", "--out", out));
        assertThat(piped.err().lines())
                .contains("turn 1 of 1: encode prompt", "turn 1 of 1: denoise 1/2", "turn 1 of 1: denoise 2/2");
        var bytes = new ByteArrayOutputStream();
        var terminal = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        var watched =
                Cli.run(new Surroundings(Map.of(), cache, terminal), small("edit", "--prompt", "Blue.", "--out", out));
        assertThat(watched.err()).doesNotContain("denoise");
        assertThat(bytes.toString(StandardCharsets.UTF_8))
                .containsPattern("turn 1 of 1: denoise +100% \\[=+\\] +2/2 \\([0-9:]+ / [0-9:]+\\)");
    }

    @Test
    void theDemoModelIsWrittenOnceAndLeavesNothingElse() throws IOException {
        Path first = DemoModel.provide(folder.resolve("cache")).path();
        assertThat(DemoModel.provide(folder.resolve("cache"))).isEqualTo(DemoModel.Folder.of(first));
        try (Stream<Path> files = Files.list(folder.resolve("cache"))) {
            assertThat(files).containsExactly(first);
        }
        assertThat(first.resolve("dit.safetensors"))
                .hasSameBinaryContentAs(
                        DemoModel.provide(folder.resolve("other")).path().resolve("dit.safetensors"));
    }

    @Test
    void theDemoModelGoesToATemporaryFolderWhereThereIsNoCache() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "not a folder");
        Path model;
        try (DemoModel.Folder demo = DemoModel.provide(file.resolve("cache"))) {
            model = demo.path();
            assertThat(model.resolve("vae.safetensors")).exists();
        }
        assertThat(model).doesNotExist();
    }

    @Test
    void theTinyModelGivesTheOriginalsPictures() {
        Path model = Cli.requireShared("data/checkpoints/vincie-tiny");
        var run = run(
                "edit",
                "--model",
                model,
                "--image",
                model.resolve("example/image0.png"),
                "--prompt",
                "Lower the pineapple beside her face. ",
                "--prompt",
                "Add a crown to the woman's head. ",
                "--prompt",
                "Change the background to blue.",
                "--seed",
                1,
                "--noise",
                "torch-cpu",
                "--out",
                out);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).doesNotContain("noise:");
        for (int turn = 0; turn < 3; turn++) {
            RgbImage expected = ImageFiles.read(model.resolve("example/expected_turn" + turn + ".png"));
            isClose(ImageFiles.read(out.resolve("0_turn" + turn + "_rep0_seed1.png")), expected);
        }
    }

    private static void isClose(RgbImage actual, RgbImage expected) {
        assertThat(actual).hasToString(expected.toString());
        int largest = 0;
        long sum = 0;
        for (int y = 0; y < expected.height(); y++) {
            for (int x = 0; x < expected.width(); x++) {
                for (int c = 0; c < 3; c++) {
                    int difference = Math.abs(actual.get(x, y, c) - expected.get(x, y, c));
                    largest = Math.max(largest, difference);
                    sum += difference;
                }
            }
        }
        assertThat(largest).isLessThanOrEqualTo(2);
        assertThat(sum / (3.0 * expected.width() * expected.height())).isLessThan(0.1);
    }

    @Test
    void aTerminatedRunLeavesNoHalfWrittenPicture() throws IOException, InterruptedException {
        Cli.Run run = Cli.terminated("denoise 0/5000", "edit", "--prompt", "Blue.", "--steps", 5000, "--out", out);
        assertThat(run.code()).isEqualTo(128 + 15);
        assertThat(run.out().lines()).last().asString().contains("no file was left half-written");
        assertThat(out).doesNotExist();
    }
}
