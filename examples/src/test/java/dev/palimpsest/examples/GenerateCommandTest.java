package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// `generate` with the tiny model beside the project where it exists.
class GenerateCommandTest {
    private static final String MODEL = "data/checkpoints/infinity-tiny";

    @TempDir
    private Path folder;

    static Stream<Arguments> runs() throws IOException {
        return InfinityRuns.all()
                .flatMap(runs -> runs.of("generate").stream()
                        .map(run -> Arguments.of(Named.of(run.text("name") + " of " + runs, run), runs)));
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("runs")
    void everySettingOfARunIsAnOptionAndGivesTheOriginalsPicture(JsonObject run, InfinityRuns runs) {
        Path file = folder.resolve("new").resolve("picture.png");
        Path bits = folder.resolve("more").resolve("bits.safetensors");
        var made = Cli.run(
                "generate",
                "--model",
                runs.model(),
                "--prompt",
                run.text("prompt"),
                "--negative-prompt",
                run.text("negative_prompt", ""),
                "--aspect",
                "1:" + run.number("h_div_w"),
                "--bias-mode",
                run.text("bias_mode"),
                "--pixels",
                run.text("pn"),
                "--guidance",
                run.number("cfg"),
                "--tau",
                run.number("tau"),
                "--top-k",
                run.int32("top_k"),
                "--top-p",
                run.number("top_p"),
                "--bits",
                bits,
                "--out",
                file);
        assertThat(made.code()).as(made.err()).isZero();
        assertThat(made.out().lines()).startsWith(bits.toString(), file.toString());
        runs.assertBits(run, bits);
        RgbImage picture = ImageFiles.read(file);
        RgbImage expected = ImageFiles.read(runs.file(run.text("expected_image")));
        assertThat(Cli.largestDifference(picture, expected)).isLessThanOrEqualTo(2);
    }

    @Test
    void previewsProgressJsonAndThePicturesOwnWordsTellHowItWasMade() throws IOException {
        Path model = Cli.requireShared(MODEL);
        Path file = folder.resolve("picture.png");
        Path previews = folder.resolve("previews");
        var made = Cli.run(
                "generate",
                "--model",
                model,
                "--prompt",
                "a child by the sea",
                "--negative-prompt",
                "blurry",
                "--guidance",
                "4,3,3,3,2,2,1",
                "--guidance-layers",
                "0,-2",
                "--top-k",
                2,
                "--top-p",
                0.97,
                "--seed",
                11,
                "--noise",
                "torch-cpu",
                "--positive-prompt",
                "--preview",
                previews,
                "--json",
                "--out",
                file);
        assertThat(made.code()).as(made.err()).isZero();
        assertThat(made.err().lines())
                .contains("encode prompt", "predict tokens 0/521", "predict tokens 521/521", "decode picture");
        JsonObject json = JsonObject.parse(made.out(), "generate");
        assertThat(json.text("file")).isEqualTo(file.toString());
        assertThat(json.int32("width")).isEqualTo(256);
        assertThat(json.texts("previews"))
                .hasSize(7)
                .last()
                .isEqualTo(previews.resolve("scale_07.png").toString());
        RgbImage picture = ImageFiles.read(file);
        assertThat(ImageFiles.read(previews.resolve("scale_07.png"))).isEqualTo(picture);
        assertThat(ImageFiles.read(previews.resolve("scale_01.png"))).isNotEqualTo(picture);
        assertThat(ImageFiles.readText(previews.resolve("scale_02.png"))).containsEntry("Scale", "2 of 7");
        assertThat(ImageFiles.readText(file))
                .containsEntry("Model", "Infinity, infinity-tiny")
                .containsEntry("Prompt", "a child by the sea")
                .containsEntry("Negative prompt", "blurry")
                .containsEntry("Seed", "11")
                .containsEntry("Pixels", "0.06M")
                .containsEntry("Height to width", "1.0")
                .containsEntry("Guidance", "4.0,3.0,3.0,3.0,2.0,2.0,1.0")
                .containsEntry("Guidance layers", "0,-2")
                .containsEntry("Tau", "0.5")
                .containsEntry("Top-k", "2")
                .containsEntry("Top-p", "0.97")
                .containsEntry("Noise", "torch-cpu")
                .containsEntry("Bias mode", "original")
                .containsEntry("Positive prompt", "yes");
        assertThat(Cli.run("inspect", file).out()).contains("a child by the sea", "torch-cpu");
    }

    @TestFactory
    Stream<DynamicTest> mistakesAreToldInOneSentence() throws IOException {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        Path file = Files.writeString(folder.resolve("file"), "in the way");
        List<DynamicTest> tests = new ArrayList<>(List.of(
                mistake("Missing required option: '--prompt", "--model", empty),
                mistake("Missing required option: '--model", "--prompt", "a tree"),
                mistake("--prompt is empty", "--model", empty, "--prompt", " "),
                with("no text encoder by its released name", "--model", empty),
                with("there is no such model folder", "--model", folder.resolve("absent")),
                with("is a file, not a model folder", "--model", file),
                with("'2M' is not one of 0.06M, 0.25M, 0.60M, 1M", "--model", empty, "--pixels", "2M"),
                with("'wide' is no ratio", "--model", empty, "--aspect", "wide"),
                with("'0:1' is no ratio", "--model", empty, "--aspect", "0:1"),
                with("'strong' is not a double", "--model", empty, "--guidance", "4,strong"),
                with("guidance: [Infinity]", "--model", empty, "--guidance", "Infinity"),
                with("tau: [0.0] must be", "--model", empty, "--tau", 0),
                with("top-k: -1", "--model", empty, "--top-k", -1),
                with("top-p: 1.5", "--model", empty, "--top-p", 1.5),
                with("guidance layer: 3", "--model", empty, "--guidance-layers", 3),
                with("neither original nor editinfinity", "--model", empty, "--bias-mode", "none"),
                with("neither torch-cpu nor torch-cuda", "--model", empty, "--noise", "gpu"),
                with("is not the name of a PNG file", "--model", empty, "--out", folder.resolve("picture.jpg")),
                with("--out: files cannot", "--model", empty, "--out", file.resolve("picture.png")),
                with("--preview: files cannot", "--model", empty, "--preview", file)));
        Cli.shared(MODEL)
                .ifPresent(model -> tests.addAll(List.of(
                        with("there are 2 values for the picture's 7 scales", "--model", model, "--tau", "1,2"),
                        with("guidance layer: -4", "--model", model, "--guidance-layers", -4))));
        return tests.stream();
    }

    private DynamicTest with(String says, Object... options) {
        List<Object> args = new ArrayList<>(List.of("--prompt", "a tree"));
        args.addAll(List.of(options));
        return mistake(says, args.toArray());
    }

    private DynamicTest mistake(String says, Object... options) {
        List<Object> args = new ArrayList<>(List.of("generate"));
        args.addAll(List.of(options));
        Path out = folder.resolve("out");
        if (!args.contains("--out")) {
            args.addAll(List.of("--out", out.resolve("picture.png")));
        }
        return DynamicTest.dynamicTest(says, () -> {
            var run = Cli.run(args.toArray());
            assertThat(run.code()).as(run.err()).isEqualTo(2);
            assertThat(run.out()).isEmpty();
            assertThat(run.err().lines()).hasSize(1);
            assertThat(run.err().strip()).contains(says).endsWith(".");
            assertThat(out).doesNotExist();
        });
    }
}
