package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.Noise;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.GenerateOptions.Preview;
import dev.palimpsest.models.json.JsonException;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A whole model from its folder: a tiny one in the released file formats, which lies beside the project.
class InfinityTest {
    private static final String PROMPT = "A red bicycle leaning against a brick wall.";

    @TempDir
    private Path temporary;

    private static Path folder() {
        return Checks.shared("data/checkpoints/infinity-tiny");
    }

    private static JsonObject run(String name) {
        return JsonObject.read(folder().resolve("example/run.json")).list("runs").stream()
                .map(JsonObject.class::cast)
                .filter(run -> run.text("name").equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static GenerateOptions options(String json) {
        return GenerateOptions.of(JsonObject.parse(json, "config.json"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"generate", "generate_tall", "generate_negative"})
    void theFoldersOwnSettingsGiveTheOriginalsPictures(String name) {
        JsonObject run = run(name);
        List<String> compared = new ArrayList<>();
        try (Infinity infinity = Infinity.load(folder());
                Checkpoint bits = Checkpoint.open(folder().resolve("example/expected_bits.safetensors"))) {
            GenerateOptions options = infinity.options()
                    .withHeightToWidth(run.number("h_div_w"))
                    .withNegativePrompt(run.text("negative_prompt", ""));
            RgbImage made = Scope.run(() -> {
                GenerationRequest request = infinity.request(run.text("prompt"), options);
                return infinity.make(
                        request.withListener(step -> {
                            String key = name + ".bits_" + step.scale();
                            assertThat(step.drawn().toLongArray())
                                    .as(key)
                                    .isEqualTo(
                                            Tensor.borrow(bits.tensor(key), key).toLongArray());
                            compared.add(key);
                        }),
                        options);
            });
            assertThat(compared).hasSize(run.list("schedule_hw").size());
            RgbImage expected = ImageFiles.read(folder().resolve("example").resolve(run.text("expected_image")));
            assertThat(made).hasToString(expected.toString());
            int largest = 0;
            for (int y = 0; y < made.height(); y++) {
                for (int x = 0; x < made.width(); x++) {
                    for (int c = 0; c < 3; c++) {
                        largest = Math.max(largest, Math.abs(made.get(x, y, c) - expected.get(x, y, c)));
                    }
                }
            }
            assertThat(largest).isLessThanOrEqualTo(2);
        }
    }

    @Test
    void everyScaleIsShownAndTheLastPreviewIsThePicture() {
        List<Preview> previews = new ArrayList<>();
        List<String> progress = new ArrayList<>();
        try (Infinity infinity = Infinity.load(folder())) {
            GenerateOptions options = infinity.options()
                    .withPreviews(previews::add)
                    .withProgress((stage, done, total) -> progress.add(stage + " " + done + "/" + total));
            RgbImage made = RgbImage.of(infinity.generate(PROMPT, options));
            assertThat(previews).extracting(Preview::scale).containsExactly(0, 1, 2, 3, 4, 5, 6);
            assertThat(previews).extracting(Preview::scales).containsOnly(7);
            assertThat(RgbImage.of(previews.getLast().picture())).isEqualTo(made);
            assertThat(RgbImage.of(previews.getFirst().picture()))
                    .hasToString(made.toString())
                    .isNotEqualTo(made);
        }
        assertThat(progress)
                .containsSubsequence(
                        "encode prompt 0/1",
                        "encode prompt 1/1",
                        "predict tokens 0/521",
                        "predict tokens 1/521",
                        "predict tokens 5/521",
                        "predict tokens 521/521",
                        "decode picture 1/1");
    }

    @Test
    void theSameSeedGivesTheSamePictureAndNoMemoryStays() {
        long unloaded = Scope.usedBytes();
        try (Infinity infinity = Infinity.load(folder())) {
            long loaded = Scope.usedBytes();
            for (Noise noise : Noise.values()) {
                GenerateOptions options = infinity.options()
                        .withNoise(noise)
                        .withSampling(BitSampling.defaults().withGuidance(1));
                RgbImage first = RgbImage.of(infinity.generate(PROMPT, options.withSeed(3)));
                RgbImage again = RgbImage.of(infinity.generate(PROMPT, options.withSeed(3)));
                RgbImage other = RgbImage.of(infinity.generate(PROMPT, options.withSeed(4)));
                assertThat(again).isEqualTo(first);
                assertThat(other).isNotEqualTo(first);
                assertThat(Scope.usedBytes()).isEqualTo(loaded);
            }
        }
        assertThat(Scope.usedBytes()).isEqualTo(unloaded);
    }

    @Test
    void aCancelledPictureGivesBackItsMemory() {
        try (Infinity infinity = Infinity.load(folder())) {
            long before = Scope.usedBytes();
            Cancellation cancellation = new Cancellation();
            List<Integer> done = new ArrayList<>();
            GenerateOptions options = infinity.options()
                    .withCancellation(cancellation)
                    .withProgress((stage, n, total) -> {
                        if (stage.equals("predict tokens")) {
                            done.add(n);
                            if (n == 21) {
                                cancellation.cancel();
                            }
                        }
                    });
            assertThatThrownBy(() -> infinity.generate(PROMPT, options)).isInstanceOf(CancellationException.class);
            assertThat(done).containsExactly(0, 1, 5, 21);
            assertThat(Scope.usedBytes()).isEqualTo(before);
        }
    }

    @Test
    void aPositivePromptChangesPicturesOfPeopleOnly() {
        try (Infinity infinity = Infinity.load(folder())) {
            GenerateOptions plain = infinity.options();
            GenerateOptions positive = plain.withPositivePrompt(true);
            for (String prompt : List.of("a child", "a tree")) {
                int[] without =
                        Scope.run(() -> infinity.request(prompt, plain).text().lengths());
                int[] with = Scope.run(
                        () -> infinity.request(prompt, positive).text().lengths());
                assertThat(with[0] > without[0]).isEqualTo(prompt.contains("child"));
            }
        }
    }

    @Test
    void whatTheModelCannotDoIsRefusedBeforeAnythingIsComputed() {
        try (Infinity infinity = Infinity.load(folder())) {
            GenerateOptions options = infinity.options();
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> infinity.generate(" ", options))
                    .withMessageContaining("prompt is empty");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> infinity.check(
                            options.withSampling(options.sampling().withTemperature(List.of(1.0, 2.0)))))
                    .withMessageContaining("tau: there are 2 values for the picture's 7 scales");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> infinity.check(
                            options.withSampling(options.sampling().withGuidanceLayers(List.of(-4)))))
                    .withMessageContaining("guidance layer: -4");
        }
    }

    @Test
    void aFolderOfOtherFormatsAndNamesGivesTheSamePicture() throws IOException {
        Path other = Files.createDirectory(temporary.resolve("other"));
        Path text = Files.createDirectory(other.resolve("words"));
        rewrite(folder().resolve("infinity_2b_reg.pth"), other.resolve("bits.safetensors"), "");
        rewrite(folder().resolve("infinity_vae_d32reg.pth"), other.resolve("pixels.safetensors"), "vae.");
        rewrite(folder().resolve("flan-t5-xl"), text.resolve("model.safetensors"), "");
        Files.copy(folder().resolve("flan-t5-xl/spiece.model"), text.resolve("spiece.model"));
        Files.writeString(other.resolve("config.json"), """
                {"transformer": "bits.safetensors", "vae": "pixels.safetensors", "text_encoder": "words",
                 "pn": "0.06M", "cfg": [4, 4, 4, 4, 4, 4, 4], "tau": [0.5], "top_k": 1, "top_p": 0}""");
        try (Infinity one = Infinity.load(folder());
                Infinity two = Infinity.load(other)) {
            assertThat(RgbImage.of(two.generate(PROMPT, two.options())))
                    .isEqualTo(RgbImage.of(one.generate(PROMPT, one.options())));
        }
    }

    private static void rewrite(Path from, Path to, String prefix) {
        try (Checkpoint checkpoint = Checkpoint.open(from)) {
            SafeTensorsWriter writer = new SafeTensorsWriter();
            for (String name : checkpoint.names()) {
                if (name.startsWith(prefix)) {
                    writer.add(name.substring(prefix.length()), checkpoint.tensor(name));
                }
            }
            writer.write(to);
        }
    }

    @Test
    void aFolderThatLacksAPartOrHasTwoIsRefused() throws IOException {
        Path none = Files.createDirectory(temporary.resolve("none"));
        Files.createDirectory(none.resolve("flan-t5-xl"));
        isRefused(none, "holds no transformer by its released name");
        Files.createFile(none.resolve("infinity_125M_256x256.pth"));
        isRefused(none, "holds no vae");
        Files.createFile(none.resolve("infinity_vae_d16.pth"));
        assertThat(InfinityFolder.of(none).transformer()).endsWith(Path.of("infinity_125M_256x256.pth"));
        Files.createFile(none.resolve("infinity_2b_reg.pth"));
        isRefused(none, "more than one transformer (infinity_125M_256x256.pth, infinity_2b_reg.pth)");
        Files.writeString(none.resolve("config.json"), "{\"transformer\": \"infinity_2b_reg.pth\"}");
        assertThat(InfinityFolder.of(none).transformer()).endsWith(Path.of("infinity_2b_reg.pth"));
        Files.writeString(none.resolve("config.json"), "{\"transformer\": \"lost.pth\"}");
        isRefused(none, "lost.pth: there is no such file");
        isRefused(none.resolve("absent"), "there is no such model folder");
        isRefused(none.resolve("config.json"), "is a file, not a model folder");
    }

    private static void isRefused(Path folder, String why) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> InfinityFolder.of(folder))
                .withMessageContaining(why);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"compute\": \"bfloat16\" | compute \"bfloat16\" is not supported",
                "\"vae_patch_size\": 8 | vae_patch_size is 8",
                "\"vae_type\": 32 | vae_type is 32",
                "\"num_heads\": 4 | num_heads is 4",
                "\"apply_spatial_patchify\": 1 | bits of a latent position",
            })
    void aSettingThatContradictsTheFilesIsRefusedAndNothingStaysOpen(String setting, String why) throws IOException {
        Path other = Files.createDirectory(temporary.resolve("contradiction"));
        try (Stream<Path> files = Files.walk(folder())) {
            for (Path file : files.filter(f -> !f.startsWith(folder().resolve("example")))
                    .toList()) {
                Path to = other.resolve(folder().relativize(file).toString());
                if (!Files.exists(to)) {
                    Files.copy(file, to);
                }
            }
        }
        Path config = other.resolve("config.json");
        Files.delete(config);
        Files.writeString(config, "{" + setting + "}");
        long before = Scope.usedBytes();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Infinity.load(other))
                .withMessageContaining(why);
        assertThat(Scope.usedBytes()).isEqualTo(before);
    }

    @Test
    void settingsOfAFolderBecomeOptions() {
        GenerateOptions defaults = options("{}");
        assertThat(defaults.sampling()).isEqualTo(BitSampling.defaults());
        assertThat(defaults.biases()).isEqualTo(BiasMode.ORIGINAL);
        assertThat(defaults.size()).isEqualTo(PictureSize.P_1M);
        GenerateOptions options = options("""
                {"seed": 7, "pn": "0.25M", "h_div_w_template": 0.666, "cfg": [3, 2.5], "tau": 0.5,
                 "cfg_insertion_layer": [0, -5], "top_k": 2, "top_p": 0.9, "enable_positive_prompt": 1,
                 "text_bias_mode_generate": "editinfinity"}""");
        assertThat(options.seed()).isEqualTo(7);
        assertThat(options.layout().schedule().last()).hasToString("26x39");
        assertThat(options.sampling())
                .isEqualTo(new BitSampling(List.of(3.0, 2.5), List.of(0.5), List.of(0, -5), 2, 0.9));
        assertThat(options.positivePrompt()).isTrue();
        assertThat(options.biases()).isEqualTo(BiasMode.EDITINFINITY);
        assertThatExceptionOfType(JsonException.class)
                .isThrownBy(() -> options("{\"cfg\": [3, \"4\"]}"))
                .withMessageContaining("\"cfg\" is 4, not a number");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> options("{\"h_div_w_template\": 0}"))
                .withMessageContaining("aspect");
    }
}
