package dev.palimpsest.models.editinfinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.editinfinity.EditInfinity.Source;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.BitDraw;
import dev.palimpsest.models.infinity.BitSampling;
import dev.palimpsest.models.infinity.BsqVae;
import dev.palimpsest.models.infinity.GenerationRequest;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.T5Encoder;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.layers.LoraFiles;
import dev.palimpsest.models.text.T5Tokenizer;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Whole runs from a picture to the edited one with a tiny model in the released file formats, which lies beside the
/// project.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EditInfinityTinyTest {
    private static final Path FOLDER = Path.of("../../shared/data/checkpoints/infinity-tiny");
    private static final Path EXAMPLE = FOLDER.resolve("example");
    private static final PictureLayout LAYOUT = PictureLayout.of(1, PictureSize.P_0_06M);

    private final List<Checkpoint> open = new ArrayList<>();
    private InfinityTransformer model;
    private EditInfinity edit;
    private RgbImage picture;

    @BeforeAll
    void load() throws IOException {
        assumeTrue(Files.isDirectory(FOLDER), () -> FOLDER + " is absent");
        model = InfinityTransformer.load(
                checkpoint("infinity_2b_reg.pth"), JsonObject.read(FOLDER.resolve("config.json")));
        edit = new EditInfinity(
                model,
                BsqVae.load(checkpoint("infinity_vae_d32reg.pth")),
                T5Encoder.load(checkpoint("flan-t5-xl"), JsonObject.read(FOLDER.resolve("flan-t5-xl/config.json"))),
                T5Tokenizer.load(FOLDER.resolve("flan-t5-xl/spiece.model")));
        picture = ImageFiles.read(EXAMPLE.resolve("source.png"));
    }

    @AfterAll
    void close() {
        open.forEach(Checkpoint::close);
    }

    private Checkpoint checkpoint(String name) {
        Checkpoint checkpoint = Checkpoint.open(FOLDER.resolve(name));
        open.add(checkpoint);
        return checkpoint;
    }

    private static JsonObject run(String name) {
        for (Object run : JsonObject.read(EXAMPLE.resolve("run.json")).list("runs")) {
            if (run instanceof JsonObject json && json.text("name").equals(name)) {
                return json;
            }
        }
        throw new AssertionError("there is no run " + name);
    }

    private static double distance(Tensor a, Tensor b) {
        return Math.sqrt(a.sub(b).square().sum().item() / b.square().sum().item());
    }

    private static GenerationRequest request(JsonObject run, EditInfinity edit, LearnedPrompt prompt) {
        return GenerationRequest.of(
                        edit.text(run.text("prompt"), prompt, new Cancellation()),
                        LAYOUT,
                        BitDraw.from(new TorchCpuRandom(1)))
                .withSampling(BitSampling.defaults()
                        .withGuidance(run.number("cfg"))
                        .withTemperature(run.number("tau"))
                        .withTopK(run.int32("top_k"))
                        .withTopP(run.number("top_p")));
    }

    @Test
    void aPictureHasTheOriginalsBits() {
        Scope.run(() -> {
            Source source = edit.source(picture, LAYOUT);
            try (Checkpoint expected = Checkpoint.open(EXAMPLE.resolve("expected_source_codes.safetensors"))) {
                for (int k = 0; k < LAYOUT.schedule().size(); k++) {
                    assertThat(source.bits().get(k).toLongArray())
                            .isEqualTo(Tensor.borrow(expected.tensor("bits_" + k), "bits")
                                    .toLongArray());
                }
            }
            return null;
        });
    }

    @Test
    void bothStagesLearnWhatTheOriginalLearns(@TempDir Path folder) {
        JsonObject run = run("invert");
        Scope.run(() -> {
            Inversion inversion = edit.inversion(edit.source(picture, LAYOUT), new TorchCpuRandom(1));
            JsonObject first = run.object("stage1");
            LearnedPrompt learned = LearnedPrompt.create(model.config().textChannels());
            Losses losses = new Losses(first);
            inversion.learnPrompt(
                    learned,
                    edit.text(run.text("prompt"), null, new Cancellation()),
                    first.int32("updates"),
                    settings(InversionSettings.PROMPT, first),
                    losses,
                    new Cancellation());
            losses.check();
            Path promptFile = folder.resolve("prompt.safetensors");
            InversionFiles.save(learned, promptFile);
            LearnedPrompt prompt = InversionFiles.load(promptFile);

            JsonObject second = run.object("stage2");
            Lora lora = LoraFiles.load(
                            model,
                            EXAMPLE.resolve(second.text("initial")),
                            new Lora.Settings(second.int32("r"), second.number("alpha"), 0))
                    .attach();
            losses = new Losses(second);
            try {
                inversion.learnAdapters(
                        lora,
                        edit.text(run.text("prompt"), prompt, new Cancellation()),
                        second.int32("updates"),
                        settings(InversionSettings.ADAPTERS, second),
                        losses,
                        new Cancellation());
            } finally {
                lora.detach();
            }
            losses.check();
            try (Checkpoint expected = Checkpoint.open(EXAMPLE.resolve(run.text("expected_inversion")))) {
                assertThat(distance(
                                prompt.embedding(),
                                Tensor.borrow(expected.tensor("text_embedding_offset"), "expected")))
                        .isLessThan(1e-3);
                lora.parameters()
                        .forEach((name, p) -> assertThat(
                                        distance(p.value(), Tensor.borrow(expected.tensor(name), name)))
                                .as(name)
                                .isLessThan(2e-3));
            }
            return null;
        });
    }

    private static InversionSettings settings(InversionSettings defaults, JsonObject stage) {
        return defaults.withoutRandomness()
                .withRate(stage.number("lr"))
                .withLoss(defaults.loss().withKlWeight(stage.number("kl_weight", 0)));
    }

    /// Losses and norms beside those of the original.
    private static final class Losses implements Inversion.Listener {
        private final double[] losses;
        private final double[] norms;
        private int seen;

        Losses(JsonObject stage) {
            losses = stage.numbers("losses");
            norms = stage.numbers("gradient_norms_before_clipping");
        }

        @Override
        public void updated(int update, double loss, double gradientNorm) {
            assertThat(loss).isCloseTo(losses[update - 1], withinPercentage(0.01));
            assertThat(gradientNorm).isCloseTo(norms[update - 1], withinPercentage(0.1));
            seen = update;
        }

        void check() {
            assertThat(seen).isEqualTo(losses.length);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"rewrite", "rewrite_user", "rewrite_auto"})
    void anInvertedPictureIsRewrittenAsTheOriginalDoes(String name) {
        JsonObject run = run(name);
        RgbImage original = ImageFiles.read(EXAMPLE.resolve(run.text("expected_image")));
        Scope.run(() -> {
            Path inversion = EXAMPLE.resolve("expected_inversion.safetensors");
            LearnedPrompt prompt = InversionFiles.load(inversion);
            Source source = edit.source(picture, LAYOUT);
            GenerationRequest request = request(run, edit, prompt);
            if (run.int32("infer_function") == 2) {
                Tensor weights = Smoothing.ORIGINAL.weights(mask(run, source, request), 16, 16);
                request = request.withSteering(source.codes().blending(weights));
                String key = run.text("expected_weight").replaceFirst("^.*:", "");
                try (Checkpoint expected = Checkpoint.open(EXAMPLE.resolve("expected_weights.safetensors"))) {
                    assertThat(weights.toFloatArray())
                            .containsExactly(
                                    Tensor.borrow(expected.tensor(key), key).toFloatArray(), within(1e-6f));
                }
            }
            Lora lora = LoraFiles.load(model, inversion, Lora.Settings.DEFAULTS).merge();
            try {
                assertSimilar(edit.rewrite(request), original);
            } finally {
                lora.detach();
            }
            return null;
        });
    }

    private Mask mask(JsonObject run, Source source, GenerationRequest request) {
        if (run.has("mask")) {
            return Mask.of(ImageFiles.read(EXAMPLE.resolve(run.text("mask"))));
        }
        Tensor map = edit.attention(source, run.text("attention_prompt"), run.text("target_word"), request);
        try (Checkpoint expected = Checkpoint.open(EXAMPLE.resolve("expected_weights.safetensors"))) {
            assertThat(distance(map, Tensor.borrow(expected.tensor("attention_map"), "expected")))
                    .isLessThan(1e-4);
        }
        return Mask.above(map, run.number("threshold"));
    }

    @Test
    void wordsThatAreNotInThePromptAreNamed() {
        Scope.run(() -> {
            Source source = edit.source(picture, LAYOUT);
            GenerationRequest request = request(
                    run("rewrite"), edit, LearnedPrompt.create(model.config().textChannels()));
            assertThatThrownBy(() -> edit.attention(source, "a red drink", "wine", request))
                    .hasMessageContaining("\"wine\"");
            return null;
        });
    }

    private static void assertSimilar(RgbImage actual, RgbImage expected) {
        assertThat(actual).hasToString(expected.toString());
        for (int y = 0; y < actual.height(); y++) {
            for (int x = 0; x < actual.width(); x++) {
                for (int c = 0; c < 3; c++) {
                    assertThat(Math.abs(actual.get(x, y, c) - expected.get(x, y, c)))
                            .isLessThanOrEqualTo(2);
                }
            }
        }
    }
}
