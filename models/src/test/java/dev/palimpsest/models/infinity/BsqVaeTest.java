package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.vincie.RandomWeights;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BsqVaeTest {
    /// Small sizes that differ from each other.
    private static final BsqVaeConfig CONFIG = new BsqVaeConfig(5, List.of(24, 48, 32), List.of(32, 24, 72), 2, 2);

    private static final ScaleSchedule SCHEDULE =
            new ScaleSchedule(List.of(new Scale(1, 1), new Scale(2, 1), new Scale(3, 2)));

    @TempDir
    private Path folder;

    private Path weights(String name, BsqVaeConfig config, UnaryOperator<String> rename) {
        return RandomWeights.write(folder.resolve(name), 11, tree -> new BsqVae(tree, config), rename);
    }

    private static void withVae(Path path, Consumer<BsqVae> body) {
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            Scope.run(() -> {
                body.accept(BsqVae.load(checkpoint));
                return null;
            });
        }
    }

    /// The same weights as another file says them give the same numbers.
    private void assertSame(Path one, Path other) {
        Scope.run(() -> {
            Tensor pixels = Checks.random(1, 2, 3, 12, 8);
            float[][] decoded = new float[2][];
            withVae(one, vae -> decoded[0] = roundTrip(vae, pixels));
            withVae(other, vae -> decoded[1] = roundTrip(vae, pixels));
            assertThat(decoded[1]).isEqualTo(decoded[0]);
            return null;
        });
    }

    private static float[] roundTrip(BsqVae vae, Tensor pixels) {
        Tensor features = vae.encode(pixels); // (2, 5, 3, 2)
        return vae.decode(vae.quantiser().quantise(features, SCHEDULE).sum()).toFloatArray();
    }

    @Test
    void sizesAreReadFromTheTensors() {
        withVae(weights("vae.safetensors", CONFIG, name -> name), vae -> {
            assertThat(vae.config()).isEqualTo(CONFIG);
            assertThat(vae.config().patchSize()).isEqualTo(4);
            assertThat(vae.quantiser().channels()).isEqualTo(5);
        });
    }

    @Test
    void bothSpellingsOfNamesAreRead() {
        Path longNames = weights("long.safetensors", CONFIG, name -> name);
        Path shortNames = weights(
                "short.safetensors", CONFIG, name -> name.replaceFirst("\\.(conv|norm)\\.(weight|bias)$", ".$2"));
        try (Checkpoint checkpoint = Checkpoint.open(shortNames)) {
            assertThat(checkpoint.names())
                    .contains("encoder.conv_in.weight", "decoder.up.1.upsample.conv.bias", "decoder.norm_out.weight");
        }
        assertSame(longNames, shortNames);
    }

    @Test
    void theReleasedFilesWrapTheWeightsAndCarryOthers() {
        Path plain = weights("plain.safetensors", CONFIG, name -> name);
        Path wrapped = folder.resolve("wrapped.safetensors");
        try (Checkpoint checkpoint = Checkpoint.open(plain)) {
            Scope.run(() -> {
                SafeTensorsWriter writer = new SafeTensorsWriter();
                checkpoint.names().forEach(name -> writer.add("vae." + name, checkpoint.tensor(name)));
                writer.add("vae.quantizer.lfq.mask", Checks.random(1, 5).array());
                writer.add("vae.quantize.lfq.mask", Checks.random(1, 5).array());
                writer.add(
                        "ema.encoder.conv_in.conv.weight", Checks.random(1, 5).array());
                writer.write(wrapped);
                return null;
            });
        }
        assertSame(plain, wrapped);
    }

    @Test
    void whatIsMissingIsNamed() {
        Path path = weights(
                "missing.safetensors",
                CONFIG,
                name -> name.equals("decoder.up.2.block.1.norm2.norm.bias") ? null : name);
        assertThatThrownBy(() -> withVae(path, vae -> {}))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("decoder.up.2.block.1.norm2.norm.bias");
    }

    @Test
    void attentionInTheMiddleIsUsedWhereAFileHasIt() {
        Path plain = weights("plain.safetensors", CONFIG, name -> name);
        Path attentive = folder.resolve("attentive.safetensors");
        try (Checkpoint checkpoint = Checkpoint.open(plain)) {
            Scope.run(() -> {
                SafeTensorsWriter writer = new SafeTensorsWriter();
                checkpoint.names().forEach(name -> writer.add(name, checkpoint.tensor(name)));
                String attention = "decoder.mid.attn_1.";
                for (String part : List.of("q", "k", "v", "proj_out")) {
                    writer.add(
                            attention + part + ".conv.weight",
                            Checks.random(2, 72, 72, 1, 1).mul(0.1).array());
                    writer.add(
                            attention + part + ".conv.bias",
                            Checks.random(3, 72).array());
                }
                writer.add(attention + "norm.norm.weight", Checks.random(4, 72).array());
                writer.add(attention + "norm.norm.bias", Checks.random(5, 72).array());
                writer.write(attentive);
                return null;
            });
        }
        Scope.run(() -> {
            Tensor latent = Checks.random(6, 1, 5, 3, 2);
            float[][] decoded = new float[2][];
            withVae(plain, vae -> decoded[0] = vae.decodeUnlimited(latent).toFloatArray());
            withVae(attentive, vae -> decoded[1] = vae.decodeUnlimited(latent).toFloatArray());
            assertThat(decoded[1]).hasSameSizeAs(decoded[0]).isNotEqualTo(decoded[0]);
            return null;
        });
    }

    @Test
    void picturesOfABatchDoNotSeeEachOther() {
        withVae(weights("vae.safetensors", CONFIG, name -> name), vae -> {
            Tensor pixels = Checks.random(7, 3, 3, 9, 14); // not multiples of the patch size
            Tensor features = vae.encode(pixels);
            assertThat(features.shape().dims()).containsExactly(3, 5, 2, 3);
            Tensor alone = vae.encode(pixels.slice(0, 1, 2));
            assertThat(Checks.distance(alone, features.slice(0, 1, 2))).isLessThan(1e-6);
            assertThat(vae.decode(features).shape().dims()).containsExactly(3, 3, 8, 12);
        });
    }

    @Test
    void bitsAreDecodedLikeTheSumOfTheirCodes() {
        withVae(weights("vae.safetensors", CONFIG, name -> name), vae -> {
            var q = vae.quantiser().quantise(Checks.random(8, 1, 5, 3, 2), SCHEDULE);
            Tensor decoded = vae.decode(q.bits(), SCHEDULE.last());
            assertThat(Checks.distance(decoded, vae.decode(q.sum()))).isLessThan(1e-5);
            Tensor far = vae.decodeUnlimited(Checks.random(9, 1, 5, 3, 2).mul(100));
            assertThat(vae.decode(Checks.random(9, 1, 5, 3, 2).mul(100)).toFloatArray())
                    .isEqualTo(far.clamp(-1, 1).toFloatArray());
            assertThat(far.max().item()).isGreaterThan(1);
        });
    }

    @Test
    void activationsAreReleasedAsSoonAsTheNextLayerHasItsResult() {
        withVae(weights("vae.safetensors", CONFIG, name -> name), vae -> {
            try (Scope scope = Scope.open()) {
                scope.call(() -> vae.decode(Checks.random(1, 1, 5, 24, 24)));
                long widest = 4L * 96 * 96 * 32; // the first block of the widest level
                assertThat(scope.peakBytes()).isLessThan(5 * widest);
            }
        });
    }

    @Test
    void whatDoesNotFitIsRefused() {
        withVae(weights("vae.safetensors", CONFIG, name -> name), vae -> {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> vae.encode(Tensor.zeros(1, 4, 8, 8)))
                    .withMessage("vae encode: (1, 4, 8, 8) needs the axes (B, 3, H, W)");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> vae.encode(Tensor.zeros(1, 3, 3, 8)))
                    .withMessage("vae encode: (1, 3, 3, 8) has pictures smaller than 4x4");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> vae.decode(Tensor.zeros(1, 5, 0, 8)))
                    .withMessage("vae decode: (1, 5, 0, 8) is empty");
        });
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BsqVaeConfig(5, List.of(24), List.of(24), 1, 2))
                .withMessageContaining("too few");
        var odd = new BsqVaeConfig(5, List.of(20), List.of(24), 1, 0);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> weights("odd.safetensors", odd, name -> name))
                .withMessageContaining("20 channels")
                .withMessageContaining("32 nor 24");
    }

    /// Released sizes: the model of patch 16, whose tensors are listed, and that of patch 8.
    @ParameterizedTest
    @CsvSource({"32, 5, 4, 16", "14, 4, 3, 8"})
    void releasedModelsAreOfThisShape(int bits, int levels, int halvings, int patch) {
        List<Integer> widths = List.of(128, 256, 512, 512, 512).subList(0, levels);
        BsqVaeConfig config = new BsqVaeConfig(bits, widths, widths, 2, halvings);
        assertThat(config.patchSize()).isEqualTo(patch);
        Path empty = folder.resolve("empty.safetensors");
        new SafeTensorsWriter().write(empty);
        var shapes = new TreeMap<String, List<Integer>>();
        try (Checkpoint nothing = Checkpoint.open(empty)) {
            BsqVae vae = new BsqVae(WeightTree.of(nothing), config);
            vae.parameters().forEach((name, p) -> {
                // A kernel of rows and columns has gained an axis of time.
                int[] dims = p.shape().dims();
                int[] stored = dims.length == 5 ? new int[] {dims[0], dims[1], dims[3], dims[4]} : dims;
                shapes.put(name, Arrays.stream(stored).boxed().toList());
            });
        }
        long parameters = shapes.values().stream()
                .mapToLong(dims -> dims.stream().mapToLong(n -> n).reduce(1, (a, b) -> a * b))
                .sum();
        if (bits == 32) {
            assertThat(parameters).isEqualTo(110_118_051);
            JsonObject listed = JsonObject.read(Checks.shared("spec/infinity_vae_d32_state_dict.json"));
            var expected = new TreeMap<String, List<Integer>>();
            for (String name : listed.names()) {
                if (!name.endsWith("lfq.mask")) {
                    expected.put(
                            name, Arrays.stream(listed.int32s(name)).boxed().toList());
                }
            }
            assertThat(shapes).isEqualTo(expected);
        }
    }

    /// Weights of zeros that take no memory, since only that of activations counts here.
    @ParameterizedTest
    @Tag("slow")
    @CsvSource({"128, 44", "256, 175"})
    void theReleasedWidthsNeedLittleMemoryBesideTheWeights(int size, long megabytes) {
        List<Integer> widths = List.of(128, 256, 512, 512, 512);
        Path empty = folder.resolve("empty.safetensors");
        new SafeTensorsWriter().write(empty);
        try (Checkpoint nothing = Checkpoint.open(empty);
                Scope scope = Scope.open()) {
            BsqVae vae = new BsqVae(WeightTree.of(nothing), new BsqVaeConfig(32, widths, widths, 2, 4));
            Tensor pixels = scope.call(() -> Checks.random(1, 1, 3, size, size));
            Tensor features = scope.call(() -> vae.encode(pixels));
            Tensor decoded = scope.call(() -> vae.decode(features));
            assertThat(features.shape().dims()).containsExactly(1, 32, size / 16, size / 16);
            assertThat(decoded.shape()).isEqualTo(pixels.shape());
            assertThat(scope.peakBytes()).isLessThan(megabytes * 1_000_000);
        }
    }

    @Test
    void aReleasedFileFormatOpens() {
        withVae(Checks.shared("data/checkpoints/infinity-tiny/infinity_vae_d32reg.pth"), vae -> {
            assertThat(vae.config())
                    .isEqualTo(new BsqVaeConfig(16, List.of(24, 24, 24, 24, 24), List.of(24, 24, 24, 24, 24), 1, 4));
        });
    }
}
