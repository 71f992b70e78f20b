package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.text.T5Tokenizer;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Whole runs from text to picture with a tiny model in the released file formats, which lies beside the project.
class InfinityTinyTest {
    private static JsonObject run(Path folder, String name) {
        for (Object run : JsonObject.read(folder.resolve("example/run.json")).list("runs")) {
            if (run instanceof JsonObject json && json.text("name").equals(name)) {
                return json;
            }
        }
        throw new AssertionError("there is no run " + name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"generate", "generate_tall", "generate_negative"})
    void textsBecomeTheOriginalsPictures(String name) throws IOException {
        Path folder = Checks.shared("data/checkpoints/infinity-tiny");
        JsonObject run = run(folder, name);
        JsonObject settings = JsonObject.read(folder.resolve("config.json"));
        try (Checkpoint transformer = Checkpoint.open(folder.resolve("infinity_2b_reg.pth"));
                Checkpoint vae = Checkpoint.open(folder.resolve("infinity_vae_d32reg.pth"));
                Checkpoint t5 = Checkpoint.open(folder.resolve("flan-t5-xl"));
                Checkpoint expected = Checkpoint.open(folder.resolve("example/expected_bits.safetensors"))) {
            T5Tokenizer tokenizer = T5Tokenizer.load(folder.resolve("flan-t5-xl/spiece.model"));
            int[] ids = tokenizer.encode(run.text("prompt"));
            assertThat(ids).isEqualTo(run.int32s("token_ids"));
            RgbImage picture = Scope.run(() -> {
                T5Encoder encoder = T5Encoder.load(t5, JsonObject.read(folder.resolve("flan-t5-xl/config.json")));
                TextFeatures negative = run.has("negative_prompt")
                        ? encoder.encode(List.of(tokenizer.encode(run.text("negative_prompt"))), new Cancellation())
                        : null;
                GenerationRequest request = GenerationRequest.of(
                                encoder.encode(List.of(ids), new Cancellation()),
                                PictureLayout.of(run.number("h_div_w"), PictureSize.of(run.text("pn"))),
                                BitDraw.from(new TorchCpuRandom(1)))
                        .withNegative(negative)
                        .withBiases(BiasMode.of(run.text("bias_mode")))
                        .withSampling(BitSampling.defaults()
                                .withGuidance(run.number("cfg"))
                                .withTemperature(run.number("tau"))
                                .withTopK(run.int32("top_k"))
                                .withTopP(run.number("top_p")))
                        .withListener(step -> {
                            String key = name + ".bits_" + step.scale();
                            assertThat(step.drawn().toLongArray())
                                    .as(key)
                                    .isEqualTo(Tensor.borrow(expected.tensor(key), key)
                                            .toLongArray());
                        });
                Tensor latent =
                        new InfinityGenerator(InfinityTransformer.load(transformer, settings)).generate(request);
                return ImageTransforms.toImage(BsqVae.load(vae).decode(latent).squeeze(0));
            });
            RgbImage original = ImageFiles.read(folder.resolve("example").resolve(run.text("expected_image")));
            assertThat(picture).hasToString(original.toString());
            for (int y = 0; y < picture.height(); y++) {
                for (int x = 0; x < picture.width(); x++) {
                    for (int c = 0; c < 3; c++) {
                        assertThat(picture.get(x, y, c) - original.get(x, y, c)).isBetween(-2, 2);
                    }
                }
            }
        }
    }
}
