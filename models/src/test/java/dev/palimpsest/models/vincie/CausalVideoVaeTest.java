package dev.palimpsest.models.vincie;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CausalVideoVaeTest {
    private static final JsonObject SETTINGS =
            JsonObject.parse("{\"norm_num_groups\": 2, \"use_sample\": false}", "settings");

    @TempDir
    Path folder;

    private static void withVae(Path path, JsonObject settings, Consumer<CausalVideoVae> body) {
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            Scope.run(() -> {
                body.accept(CausalVideoVae.load(checkpoint, settings));
                return null;
            });
        }
    }

    private void withRandomVae(CausalVideoVaeConfig config, Consumer<CausalVideoVae> body) {
        withVae(RandomVae.checkpoint(folder, config, 7), SETTINGS, body);
    }

    private static Tensor random(long seed, int... dims) {
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        new TorchCpuRandom(seed).randn(values);
        return Tensor.of(values, dims);
    }

    /// `||a - b|| / ||b||`
    private static double distance(Tensor a, Tensor b) {
        assertThat(a.shape()).isEqualTo(b.shape());
        return Scope.run(() -> {
            double difference = a.sub(b).square().sum().item();
            return Math.sqrt(difference / b.square().sum().item());
        });
    }

    private static Tensor named(Map<String, Tensor> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }

    private static void assertClose(Tensor a, Tensor b) {
        assertThat(distance(a, b)).isLessThan(1e-5);
    }

    // ---- videos

    @ParameterizedTest(name = "{0} halvings, {1} frames of {2}x{3} in chunks of {4}")
    @CsvSource({
        "1, 7, 8, 8, 2",
        "1, 11, 4, 12, 4",
        "2, 9, 8, 8, 4",
        "2, 17, 12, 4, 4",
        "2, 17, 4, 8, 8",
        "2, 21, 8, 4, 12",
    })
    void chunksChangeNothing(int halvings, int frames, int height, int width, int splitSize) {
        withRandomVae(RandomVae.config(halvings, 4, 6, 8), vae -> {
            Tensor video = random(1, 2, 3, frames, height, width);
            Posterior whole = vae.encode(video, 0);
            Posterior chunked = vae.encode(video, splitSize);
            assertClose(chunked.mean(), whole.mean());
            assertClose(chunked.logvar(), whole.logvar());
            assertClose(vae.decode(whole.mean(), splitSize), vae.decode(whole.mean(), 0));
        });
    }

    @Test
    void theConfiguredChunksAreTheDefault() {
        JsonObject settings = JsonObject.parse("{\"norm_num_groups\": 2, \"slicing\": {\"split_size\": 4}}", "s");
        withVae(RandomVae.checkpoint(folder, RandomVae.config(2, 4, 4, 4), 7), settings, vae -> {
            assertThat(vae.config().splitSize()).isEqualTo(4);
            Tensor video = random(1, 1, 3, 9, 4, 4);
            assertThat(vae.encode(video).mean().toFloatArray())
                    .isEqualTo(vae.encode(video, 4).mean().toFloatArray());
        });
    }

    @Test
    void chunksBoundTheMemoryOfLongVideos() {
        withRandomVae(RandomVae.config(2, 8, 8, 8), vae -> {
            long whole = extraPeak(vae, 33, 0);
            long chunked = extraPeak(vae, 33, 4);
            assertThat(chunked).isLessThan(whole / 3);
        });
    }

    private static long extraPeak(CausalVideoVae vae, int frames, int splitSize) {
        try (Scope scope = Scope.open()) {
            Tensor video = scope.call(() -> random(1, 1, 3, frames, 16, 16));
            long before = scope.liveBytes();
            Posterior posterior = scope.call(() -> vae.encode(video, splitSize));
            assertThat(scope.liveBytes() - before)
                    .as("only the posterior stays")
                    .isLessThanOrEqualTo(4 * 4 * (posterior.mean().elements() + 256));
            return scope.peakBytes() - before;
        }
    }

    @Test
    void aVideosFirstFrameIsTheImage() {
        withRandomVae(RandomVae.config(2, 4, 6, 8), vae -> {
            Tensor video = random(1, 1, 3, 5, 8, 12);
            Tensor latents = vae.encode(video).mean(); // (1, 4, 2, 2, 3)
            Tensor image = vae.encode(video.select(2, 0)).mean(); // (1, 4, 1, 2, 3)
            assertThat(latents.shape()).isEqualTo(Shape.of(1, 4, 2, 2, 3));
            assertClose(image, latents.slice(2, 0, 1));
            Tensor pixels = vae.decode(latents); // (1, 3, 5, 8, 12)
            assertThat(pixels.shape()).isEqualTo(video.shape());
            assertClose(vae.decode(image), pixels.select(2, 0));
            assertClose(vae.decode(image.squeeze(2)), pixels.select(2, 0));
        });
    }

    @Test
    void picturesOfABatchAreIndependent() {
        withRandomVae(RandomVae.config(1, 4, 6), vae -> {
            Tensor pictures = random(1, 3, 3, 6, 4);
            Tensor latents = vae.encode(pictures).mean(); // (3, 4, 1, 3, 2)
            for (int i = 0; i < 3; i++) {
                assertClose(vae.encode(pictures.slice(0, i, i + 1)).mean(), latents.slice(0, i, i + 1));
            }
        });
    }

    // ---- latents

    @Test
    void samplesAreTheMeanPlusScaledNoise() {
        withRandomVae(RandomVae.config(1, 4, 6), vae -> {
            Posterior posterior = vae.encode(random(1, 1, 3, 4, 4));
            Tensor eps = random(5, 1, 4, 1, 2, 2);
            Tensor expected = posterior.mode().add(posterior.std().mul(eps));
            assertClose(posterior.sample(eps), expected);
            assertClose(posterior.sample(new TorchCpuRandom(5)), expected);
            assertThatThrownBy(() -> posterior.sample(random(5, 4, 2, 2)))
                    .hasMessage("posterior sample: noise (4, 2, 2) does not fit the means (1, 4, 1, 2, 2)");
        });
    }

    @Test
    void variancesAreLimited() {
        Scope.run(() -> {
            Posterior posterior = Posterior.of(Tensor.of(new float[] {1, 2, -100, 100}, 1, 4, 1, 1, 1));
            assertThat(posterior.mean().toFloatArray()).containsExactly(1, 2);
            assertThat(posterior.logvar().toFloatArray()).containsExactly(-30, 20);
            return null;
        });
    }

    @Test
    void latentsAreScaledByOneNumberOrOneForEachChannel() {
        Path path = RandomVae.checkpoint(folder, RandomVae.config(1, 4, 6), 7);
        withVae(path, SETTINGS, vae -> {
            assertThat(vae.config().useSample()).isFalse();
            assertThat(vae.scale(Tensor.ones(1, 4, 1, 1, 1)).toFloatArray()).containsOnly(0.9152f);
        });
        JsonObject lists = JsonObject.parse(
                "{\"norm_num_groups\": 2, \"scaling_factor\": [1, 2, 4, 8], \"shifting_factor\": [0, 1, 2, 3]}",
                "settings");
        withVae(path, lists, vae -> {
            Tensor sample = Tensor.of(new float[] {5, 5, 5, 5, 5, 5, 5, 5}, 1, 4, 2);
            Tensor latent = vae.scale(sample);
            assertThat(latent.toFloatArray()).containsExactly(5, 5, 8, 8, 12, 12, 16, 16);
            assertThat(vae.unscale(latent).toFloatArray()).containsOnly(5);
            assertThatThrownBy(() -> vae.scale(Tensor.ones(1, 3, 2)))
                    .hasMessage("vae scale: (1, 3, 2) needs the axes (N, 4, ...)");
        });
    }

    // ---- observers

    @Test
    void anObserverSeesLayersWithoutTheSumsFusedIntoThem() {
        withRandomVae(RandomVae.config(1, 4, 6), vae -> {
            Tensor image = random(1, 1, 3, 4, 4);
            Scope scope = Scope.current();
            Map<String, Tensor> seen = new HashMap<>();
            Tensor observed = Observer.observing(
                    (path, out) -> {
                        seen.put(path, scope.keep(out));
                        return out;
                    },
                    () -> vae.encode(image).mean());
            assertClose(observed, vae.encode(image).mean());
            assertThat(seen)
                    .containsKeys(
                            "encoder.conv_in",
                            "encoder.down_blocks.0.downsamplers.0.conv",
                            "encoder.down_blocks.1.resnets.0.conv_shortcut",
                            "encoder.mid_block.attentions.0.to_out.0",
                            "encoder");
            String resnet = "encoder.down_blocks.0.resnets.0";
            assertClose(named(seen, resnet + ".conv2").add(named(seen, "encoder.conv_in")), named(seen, resnet));
            String wider = "encoder.down_blocks.1.resnets.0";
            assertClose(named(seen, wider + ".conv2").add(named(seen, wider + ".conv_shortcut")), named(seen, wider));
        });
    }

    // ---- loading

    @ParameterizedTest
    @CsvSource({"0, 4 6", "1, 4 6", "2, 8 4 6 2", "3, 2 4 6 8"})
    void sizesAreReadFromShapes(int halvings, String widths) {
        Integer[] channels =
                List.of(widths.split(" ")).stream().map(Integer::valueOf).toArray(Integer[]::new);
        CausalVideoVaeConfig config = RandomVae.config(halvings, channels);
        try (Checkpoint checkpoint = Checkpoint.open(RandomVae.checkpoint(folder, config, 7))) {
            CausalVideoVaeConfig read = CausalVideoVaeConfig.of(
                    WeightTree.of(checkpoint), JsonObject.parse("{\"norm_num_groups\": 2}", "settings"));
            assertThat(read).isEqualTo(config);
        }
    }

    @Test
    void theDefaultsAreTheReleasedModel() {
        Map<String, Shape> shapes = RandomVae.shapes(folder, CausalVideoVaeConfig.defaults());
        assertThat(shapes).hasSize(250);
        assertThat(shapes.values().stream().mapToLong(Shape::elements).sum()).isEqualTo(250_648_227);
        assertThat(shapes)
                .containsEntry("encoder.down_blocks.0.downsamplers.0.conv.weight", Shape.of(128, 128, 1, 3, 3))
                .containsEntry("encoder.down_blocks.1.downsamplers.0.conv.weight", Shape.of(256, 256, 3, 3, 3))
                .containsEntry("decoder.up_blocks.1.upsamplers.0.upscale_conv.weight", Shape.of(4096, 512, 1, 1, 1))
                .containsEntry("decoder.up_blocks.2.upsamplers.0.upscale_conv.weight", Shape.of(1024, 256, 1, 1, 1))
                .containsEntry("decoder.up_blocks.3.resnets.0.conv_shortcut.weight", Shape.of(128, 256, 1, 1, 1));
        assertThat(CausalVideoVaeConfig.defaults().spatialFactor()).isEqualTo(8);
        assertThat(CausalVideoVaeConfig.defaults().temporalFactor()).isEqualTo(4);
    }

    @Test
    void oldNamesOfTheAttentionAreUnderstood() {
        Path path = RandomVae.checkpoint(folder, RandomVae.config(1, 4, 6), 7);
        Map<String, String> renamed = Map.of("to_q", "query", "to_k", "key", "to_v", "value", "to_out.0", "proj_attn");
        try (Checkpoint checkpoint = Checkpoint.open(path);
                Checkpoint old = Checkpoint.open(path).renaming(name -> {
                    String other = name;
                    for (Map.Entry<String, String> e : renamed.entrySet()) {
                        other = other.replace("." + e.getKey() + ".", "." + e.getValue() + ".");
                    }
                    return other;
                })) {
            assertThat(old.names()).contains("decoder.mid_block.attentions.0.proj_attn.bias");
            Scope.run(() -> {
                Tensor image = random(1, 1, 3, 4, 4);
                Tensor expected =
                        CausalVideoVae.load(checkpoint, SETTINGS).encode(image).mean();
                Tensor actual = CausalVideoVae.load(old, SETTINGS).encode(image).mean();
                assertThat(actual.toFloatArray()).isEqualTo(expected.toFloatArray());
                return null;
            });
        }
    }

    @Test
    void narrowWeightsAreWidenedAsTheyAreUsed() {
        Scope.run(() -> {
            Map<String, Tensor> narrow = new LinkedHashMap<>();
            Map<String, Tensor> wide = new LinkedHashMap<>();
            RandomVae.tensors(folder, RandomVae.config(1, 4, 6), 7).forEach((name, tensor) -> {
                narrow.put(name, tensor.to(DType.BF16));
                wide.put(name, tensor.to(DType.BF16).to(DType.F32));
            });
            Tensor image = random(1, 1, 3, 4, 4);
            Path narrowPath = RandomVae.write(folder.resolve("narrow.safetensors"), narrow);
            Path widePath = RandomVae.write(folder.resolve("wide.safetensors"), wide);
            withVae(
                    narrowPath,
                    SETTINGS,
                    a -> withVae(widePath, SETTINGS, b -> {
                        assertClose(a.encode(image).mean(), b.encode(image).mean());
                        Tensor latent = random(2, 1, 4, 2, 2);
                        assertClose(a.decode(latent), b.decode(latent));
                    }));
            return null;
        });
    }

    @Test
    void kernelsOfAnImageAutoencoderCanBeInflated() {
        Scope.run(() -> {
            Map<String, Tensor> flat = new LinkedHashMap<>();
            RandomVae.tensors(folder, RandomVae.config(1, 4, 6), 7)
                    .forEach((name, tensor) -> flat.put(
                            name, tensor.rank() == 5 && !name.contains("upscale_conv") ? tensor.select(2, 0) : tensor));
            Path path = RandomVae.write(folder.resolve("flat.safetensors"), flat);
            Tensor image = random(1, 1, 3, 4, 4);
            Map<String, Tensor> pictures = new HashMap<>();
            for (String mode : List.of("constant", "replicate")) {
                JsonObject settings = JsonObject.parse(
                        "{\"norm_num_groups\": 2, \"temporal_scale_num\": 1, \"inflation_mode\": \"%s\"}"
                                .formatted(mode),
                        "settings");
                Scope scope = Scope.current();
                withVae(path, settings, vae -> {
                    assertThat(vae.config().inflation()).isEqualTo(KernelInflation.of(mode));
                    pictures.put(mode, scope.keep(vae.decode(vae.encode(image).mean())));
                    pictures.put(
                            mode + " video",
                            scope.keep(vae.encode(random(1, 1, 3, 3, 4, 4)).mean()));
                });
            }
            assertClose(named(pictures, "constant"), named(pictures, "replicate"));
            assertThat(distance(named(pictures, "constant video"), named(pictures, "replicate video")))
                    .as("over time they differ")
                    .isGreaterThan(1e-3);
            JsonObject none = JsonObject.parse("{\"norm_num_groups\": 2, \"temporal_scale_num\": 1}", "settings");
            assertThatThrownBy(() -> withVae(path, none, vae -> {}))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("encoder.conv_in.weight is (4, 3, 3, 3) instead of (4, 3, 3, 3, 3)");
            return null;
        });
    }

    @Test
    void everythingThatDoesNotFitIsReportedAtOnce() {
        Scope.run(() -> {
            Map<String, Tensor> tensors = RandomVae.tensors(folder, RandomVae.config(1, 4, 6), 7);
            tensors.remove("encoder.mid_block.resnets.1.conv2.bias");
            tensors.put("decoder.conv_norm_out.weight", Tensor.ones(5));
            tensors.put("quant_conv.weight", Tensor.ones(8, 8, 1, 1, 1));
            Path path = RandomVae.write(folder.resolve("broken.safetensors"), tensors);
            assertThatThrownBy(() -> withVae(path, SETTINGS, vae -> {}))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("1 tensor missing (encoder.mid_block.resnets.1.conv2.bias (6)")
                    .hasMessageContaining(
                            "1 tensor of another shape (decoder.conv_norm_out.weight is (5) instead of (4))")
                    .hasMessageContaining("1 tensor unexpected (quant_conv.weight");
            return null;
        });
    }

    @Test
    void anotherModelIsRefused() {
        Path path = folder.resolve("other.safetensors");
        Scope.run(() -> RandomVae.write(path, Map.of("vid_in.proj.weight", Tensor.ones(2, 2))));
        assertThatThrownBy(() -> withVae(path, SETTINGS, vae -> {}))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("encoder.conv_in.weight");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{} | vae: norm_num_groups 32 does not divide a width of 4 channels; set vae.norm_num_groups in config.json to what the model was made with",
                "{'norm_num_groups': 2, 'act_fn': 'gelu'} | vae: act_fn gelu is not known; it must be silu",
                "{'norm_num_groups': 2, 'scaling_factor': [1, 2]} | vae: scaling_factor has 2 numbers; it must have one, or one for each of the 4 latent channels",
                "{'norm_num_groups': 2, 'scaling_factor': 0} | vae: scaling_factor must not be 0",
                "{'norm_num_groups': 2, 'slicing': {'split_size': 3}} | vae: split_size 3 is not a multiple of the temporal factor 2",
            })
    void settingsThatDoNotFitAreNamed(String settings, String message) {
        Path path = RandomVae.checkpoint(folder, RandomVae.config(1, 4, 6), 7);
        assertThatThrownBy(() -> withVae(path, JsonObject.parse(settings.replace('\'', '"'), "s"), vae -> {}))
                .hasMessage(message);
    }

    @Test
    void shapesThatDoNotFitAreNamed() {
        withRandomVae(RandomVae.config(1, 4, 6), vae -> {
            assertThatThrownBy(() -> vae.encode(Tensor.ones(3, 8, 8)))
                    .hasMessage("vae encode: (3, 8, 8) needs the axes (N, C, H, W) of pictures or (N, C, T, H, W) of a"
                            + " video");
            assertThatThrownBy(() -> vae.encode(Tensor.ones(1, 4, 8, 8)))
                    .hasMessage("vae encode: (1, 4, 8, 8) has 4 channels where 3 are expected");
            assertThatThrownBy(() -> vae.encode(Tensor.ones(1, 3, 8, 1)))
                    .hasMessage("vae encode: (1, 3, 8, 1) has pictures smaller than 2x2");
            assertThatThrownBy(() -> vae.encode(Tensor.ones(1, 3, 4, 8, 8)))
                    .hasMessage("vae encode: (1, 3, 4, 8, 8) has 4 frames; their number must be 1 more than a multiple"
                            + " of 2");
            assertThatThrownBy(() -> vae.encode(Tensor.ones(0, 3, 8, 8)))
                    .hasMessage("vae encode: (0, 3, 8, 8) is empty");
            assertThatThrownBy(() -> vae.decode(Tensor.ones(1, 3, 2, 2)))
                    .hasMessage("vae decode: (1, 3, 2, 2) has 3 channels where 4 are expected");
            assertThatThrownBy(() -> vae.decode(Tensor.ones(1, 4, 3, 2, 2), 3))
                    .hasMessage("vae: split_size 3 is not a multiple of the temporal factor 2");
            assertThatThrownBy(() -> KernelInflation.CONSTANT.inflate(Tensor.ones(2, 2), 3))
                    .hasMessage("inflate: (2, 2) to depth 3: the kernel must have the axes (O, C, kH, kW) and the depth"
                            + " must be at least 1");
        });
    }

    @Test
    void theTinyOriginalLoads() {
        Path tiny = Path.of("../../shared/data/checkpoints/vincie-tiny");
        assumeTrue(Files.exists(tiny), "needs ../shared");
        JsonObject settings = JsonObject.read(tiny.resolve("config.json")).object("vae");
        withVae(tiny.resolve("vae.pth"), settings, vae -> {
            assertThat(vae.config().blockOutChannels()).containsExactly(8, 8, 16, 16);
            assertThat(vae.config().layersPerBlock()).isEqualTo(1);
            Tensor image = random(1, 1, 3, 32, 48);
            assertThat(vae.encode(image).mean().shape()).isEqualTo(Shape.of(1, 16, 1, 4, 6));
        });
    }

    // ---- the released widths

    @ParameterizedTest(name = "{0}x{0} pixels in {1} MB")
    @Tag("slow")
    @CsvSource({"64, 18", "256, 200"})
    void theReleasedWidthsNeedLittleMemoryBesideTheWeights(int size, long megabytes) {
        Path path = RandomVae.largeCheckpoint(folder, CausalVideoVaeConfig.defaults(), DType.BF16);
        withVae(path, JsonObject.empty("settings"), vae -> {
            try (Scope scope = Scope.open()) {
                Tensor image = scope.call(() -> random(1, 1, 3, size, size));
                Tensor latent = scope.call(() -> vae.encode(image).mean());
                Tensor pixels = scope.call(() -> vae.decode(latent));
                assertThat(latent.shape()).isEqualTo(Shape.of(1, 16, 1, size / 8, size / 8));
                assertThat(pixels.shape()).isEqualTo(image.shape());
                assertThat(pixels.toFloatArray()).doesNotContain(Float.NaN);
                assertThat(scope.peakBytes()).isLessThan(megabytes * 1_000_000);
            }
        });
    }
}
