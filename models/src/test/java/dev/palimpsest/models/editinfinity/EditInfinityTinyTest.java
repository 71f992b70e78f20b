package dev.palimpsest.models.editinfinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.models.editinfinity.InvertOptions.Stage;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.BitSampling;
import dev.palimpsest.models.infinity.GenerateOptions;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.weights.Checkpoint;
import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Whole runs from a picture to the edited one with a tiny model in the released file formats, which lies beside the
/// project: inverted once, and everything compared with what the original made.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EditInfinityTinyTest {
    private static final Path FOLDER = Path.of("../../shared/data/checkpoints/infinity-tiny");
    private static final Path EXAMPLE = FOLDER.resolve("example");

    @TempDir
    private static Path temporary;

    private EditInfinity edit;
    private Inversion inversion;

    @BeforeAll
    void invert() {
        assumeTrue(Files.isDirectory(FOLDER), () -> FOLDER + " is absent");
        edit = EditInfinity.load(FOLDER);
        JsonObject run = run("invert");
        Losses losses = new Losses(run);
        inversion = edit.invert(
                picture("source.png"),
                run.text("prompt"),
                options(edit.invertOptions(), run).withListener(losses),
                temporary.resolve("inversion"));
        losses.check();
    }

    @AfterAll
    void close() {
        if (edit != null) {
            inversion.close();
            edit.close();
        }
    }

    private static BufferedImage picture(String name) {
        return ImageFiles.read(EXAMPLE.resolve(name)).toBufferedImage();
    }

    private static JsonObject run(String name) {
        return JsonObject.read(EXAMPLE.resolve("run.json")).list("runs").stream()
                .map(JsonObject.class::cast)
                .filter(run -> run.text("name").equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static InvertOptions options(InvertOptions folder, JsonObject run) {
        JsonObject first = run.object("stage1");
        JsonObject second = run.object("stage2");
        return folder.withUpdates(first.int32("updates"), second.int32("updates"))
                .withPrompt(settings(folder.prompt(), run, first))
                .withAdapters(settings(folder.adapters(), run, second))
                .withLora(new Lora.Settings(second.int32("r"), second.number("alpha"), run.number("lora_dropout")))
                .withAdapterStart(EXAMPLE.resolve(second.text("initial")));
    }

    private static LearningSettings settings(LearningSettings defaults, JsonObject run, JsonObject stage) {
        return defaults.over(run)
                .withRate(stage.number("lr"))
                .withLoss(defaults.loss().withKlWeight(stage.number("kl_weight", 0)));
    }

    private static double distance(Tensor a, Tensor b) {
        return Math.sqrt(a.sub(b).square().sum().item() / b.square().sum().item());
    }

    @Test
    void theFoldersSettingsAreTheDefaults() {
        JsonObject run = run("rewrite");
        RewriteOptions options = edit.rewriteOptions();
        assertThat(options.generation().sampling())
                .isEqualTo(BitSampling.defaults()
                        .withGuidance(run.number("cfg"))
                        .withTemperature(run.number("tau"))
                        .withTopK(run.int32("top_k"))
                        .withTopP(run.number("top_p")));
        assertThat(options.generation().biases().label()).isEqualTo(run.text("bias_mode"));
        assertThat(edit.invertOptions().size().label()).isEqualTo(run.text("pn"));
        assertThat(edit.invertOptions().instruction()).isEqualTo(run.text("instruction"));
    }

    @Test
    void aPictureHasTheOriginalsBits() {
        Scope.run(() -> {
            try (Checkpoint expected = Checkpoint.open(EXAMPLE.resolve("expected_source_codes.safetensors"))) {
                List<Tensor> bits = inversion.bits().bits();
                assertThat(bits).hasSize(7);
                for (int k = 0; k < bits.size(); k++) {
                    assertThat(bits.get(k).toLongArray())
                            .isEqualTo(Tensor.borrow(expected.tensor("bits_" + k), "bits")
                                    .toLongArray());
                    assertThat(inversion.bits().codes().codes().get(k).toFloatArray())
                            .containsExactly(
                                    Tensor.borrow(expected.tensor("each_scale_code_" + k), "codes")
                                            .toFloatArray(),
                                    within(1e-6f));
                }
            }
            return null;
        });
        assertSimilar(inversion.reconstruction(), picture("expected_reconstruction.png"));
    }

    @Test
    void bothStagesLearnWhatTheOriginalLearns() {
        Scope.run(() -> {
            try (Checkpoint expected = Checkpoint.open(EXAMPLE.resolve("expected_inversion.safetensors"));
                    Checkpoint written = Checkpoint.open(temporary.resolve("inversion/learned.safetensors"))) {
                assertThat(written.names()).containsExactlyInAnyOrderElementsOf(expected.names());
                for (String name : expected.names()) {
                    assertThat(distance(
                                    Tensor.borrow(written.tensor(name), name),
                                    Tensor.borrow(expected.tensor(name), name)))
                            .as(name)
                            .isLessThan(name.equals("text_embedding_offset") ? 1e-3 : 2e-3);
                }
            }
            return null;
        });
    }

    /// Losses and norms beside those of the original.
    private static final class Losses implements InvertOptions.Listener {
        private final JsonObject run;
        private int seen;

        Losses(JsonObject run) {
            this.run = run;
        }

        @Override
        public void updated(Stage stage, int update, double loss, double gradientNorm) {
            JsonObject expected = run.object(stage == Stage.PROMPT ? "stage1" : "stage2");
            assertThat(loss).isCloseTo(expected.numbers("losses")[update - 1], withinPercentage(0.01));
            assertThat(gradientNorm)
                    .isCloseTo(expected.numbers("gradient_norms_before_clipping")[update - 1], withinPercentage(0.1));
            seen++;
        }

        void check() {
            assertThat(seen).isEqualTo(6);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"rewrite", "rewrite_user", "rewrite_auto"})
    void anInvertedPictureIsRewrittenAsTheOriginalDoes(String name) {
        isRewrittenAsTheOriginalDoes(inversion, name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"rewrite", "rewrite_user", "rewrite_auto"})
    void soIsOneThatWasSavedAndOpened(String name) {
        Path copy = temporary.resolve("copy_" + name);
        inversion.save(copy);
        assertThat(copy.resolve("checkpoint.safetensors")).doesNotExist();
        try (Inversion opened = edit.open(copy)) {
            assertThat(opened.settings()).isEqualTo(inversion.settings());
            assertThat(RgbImage.of(opened.source())).isEqualTo(RgbImage.of(picture("source.png")));
            isRewrittenAsTheOriginalDoes(opened, name);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"rewrite", "rewrite_user", "rewrite_auto"})
    void soIsOneThatTheOriginalHasLearned(String name) {
        Path learned = EXAMPLE.resolve("expected_inversion.safetensors");
        JsonObject run = run("invert");
        Path folder = temporary.resolve("adopted_" + name);
        try (Inversion adopted =
                edit.adopt(picture("source.png"), run.text("prompt"), edit.invertOptions(), learned, learned)) {
            isRewrittenAsTheOriginalDoes(adopted, name);
            adopted.save(folder);
        }
        try (Inversion opened = edit.open(folder)) {
            isRewrittenAsTheOriginalDoes(opened, name);
        }
    }

    private void isRewrittenAsTheOriginalDoes(Inversion inversion, String name) {
        JsonObject run = run(name);
        EditArea area = run.has("mask")
                ? EditArea.mask(picture(run.text("mask")))
                : run.has("target_word")
                        ? EditArea.words(run.text("target_word")).withPrompt(run.text("attention_prompt"))
                        : EditArea.whole();
        Rewritten rewritten = inversion.rewrite(
                run.text("prompt"), area, edit.rewriteOptions().withThreshold(run.number("threshold", 0.5)));
        assertSimilar(rewritten.picture(), picture(run.text("expected_image")));
        if (run.has("expected_weight")) {
            assertThat(Objects.requireNonNull(rewritten.weights()).values())
                    .containsExactly(expected(run.text("expected_weight")), within(1e-6f));
        } else {
            assertThat(rewritten.weights()).isNull();
        }
        if (run.has("expected_mask")) {
            RgbImage mask = RgbImage.of(Objects.requireNonNull(rewritten.mask()).toImage());
            assertThat(mask).isEqualTo(ImageFiles.read(EXAMPLE.resolve(run.text("expected_mask"))));
            Heatmap map = Objects.requireNonNull(rewritten.attention());
            float[] expected = expected(run.text("expected_attention_map"));
            Scope.run(() -> assertThat(
                            distance(Tensor.of(map.values(), expected.length), Tensor.of(expected, expected.length)))
                    .isLessThan(1e-4));
        }
    }

    /// A tensor that is named as `file:key`.
    private static float[] expected(String reference) {
        String[] parts = reference.split(":", 2);
        try (Checkpoint expected = Checkpoint.open(EXAMPLE.resolve(parts[0]))) {
            return Tensor.borrow(expected.tensor(parts[1]), parts[1]).toFloatArray();
        }
    }

    @Test
    void theMapIsTheSameWhereGuidanceIsInsideTheLayersToo() {
        GenerateOptions plain = edit.rewriteOptions().generation();
        GenerateOptions inner = plain.withSampling(plain.sampling().withGuidanceLayers(List.of(0, -1)));
        Heatmap one = attention(plain);
        Heatmap two = attention(inner);
        assertThat(two.values()).containsExactly(one.values(), within(0.05f));
    }

    private Heatmap attention(GenerateOptions options) {
        return Objects.requireNonNull(inversion
                .rewrite(
                        "a glass of water",
                        EditArea.words("drink"),
                        edit.rewriteOptions().withGeneration(options))
                .attention());
    }

    @Test
    void withoutWhatWasLearnedThePictureIsAnother() {
        RgbImage learned = RgbImage.of(inversion
                .rewrite("a glass of water", EditArea.whole(), edit.rewriteOptions())
                .picture());
        for (boolean prompt : new boolean[] {true, false}) {
            RgbImage other = RgbImage.of(inversion
                    .rewrite(
                            "a glass of water",
                            EditArea.whole(),
                            edit.rewriteOptions().withLearned(prompt, !prompt))
                    .picture());
            assertThat(other).isNotEqualTo(learned);
        }
        RgbImage base = RgbImage.of(inversion
                .rewrite(
                        "a glass of water",
                        EditArea.whole(),
                        edit.rewriteOptions().withLearned(false, false))
                .picture());
        assertThat(base)
                .isEqualTo(RgbImage.of(edit.infinity()
                        .generate("a glass of water", edit.rewriteOptions().generation())));
    }

    @Test
    void wordsThatAreNotInThePromptAreNamed() {
        assertThatThrownBy(() -> inversion.rewrite("a glass of wine", EditArea.words("wine"), edit.rewriteOptions()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"wine\"");
        assertThat(inversion.settings())
                .containsAllEntriesOf(Map.of("prompt", run("invert").text("prompt")));
    }

    private static void assertSimilar(BufferedImage actual, BufferedImage expected) {
        RgbImage a = RgbImage.of(actual);
        RgbImage b = RgbImage.of(expected);
        assertThat(a).hasToString(b.toString());
        int largest = 0;
        for (int y = 0; y < a.height(); y++) {
            for (int x = 0; x < a.width(); x++) {
                for (int c = 0; c < 3; c++) {
                    largest = Math.max(largest, Math.abs(a.get(x, y, c) - b.get(x, y, c)));
                }
            }
        }
        assertThat(largest).isLessThanOrEqualTo(2);
    }
}
