package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.vincie.RandomWeights;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.LoadReport;
import dev.palimpsest.weights.SafeTensorsWriter;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class InfinityConfigTest {
    /// Six blocks in three chunks, and patches of 2 x 2 positions with 2 bits each.
    static final InfinityConfig TINY =
            new InfinityConfig(6, 3, 16, 2, 24, 12, 9, 4, 8, 15, true, Rope2d.Mode.STRETCHED, true, 1e-6f);

    private static final InfinityConfig INFINITY_2B =
            new InfinityConfig(32, 8, 2048, 16, 8192, 2048, 512, 16, 32, 15, false, Rope2d.Mode.STRETCHED, true, 1e-6f);

    @TempDir
    Path folder;

    private WeightTree tree(Checkpoint checkpoint) {
        return WeightTree.of(checkpoint);
    }

    private Checkpoint tiny() {
        Path file = folder.resolve("tiny.safetensors");
        RandomWeights.write(file, 1, t -> new InfinityTransformer(t, TINY), name -> name);
        return Checkpoint.open(file);
    }

    private static JsonObject settings(String json) {
        return JsonObject.parse(json, "config.json");
    }

    @Test
    void sizesAreReadOffTheCheckpointAndTheRestOffTheSettings() {
        try (Checkpoint checkpoint = tiny()) {
            assertThat(InfinityConfig.of(tree(checkpoint), settings("{\"apply_spatial_patchify\": 1}")))
                    .isEqualTo(TINY);
            InfinityConfig other = InfinityConfig.of(
                    tree(checkpoint),
                    settings("{\"apply_spatial_patchify\": 0, \"rope2d_normalized_by_hw\": 1,"
                            + " \"add_lvl_embeding_only_first_block\": 0, \"norm_eps\": 1e-5, \"depth\": 6}"));
            assertThat(other.latentChannels()).isEqualTo(8);
            assertThat(other.ropeMode()).isEqualTo(Rope2d.Mode.INTERPOLATED);
            assertThat(other.levelEmbeddingOnce()).isFalse();
            assertThat(other.normEps()).isEqualTo(1e-5f);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "rms_norm\": true",
                "cos_attn\": 0",
                "shared_aln\": false",
                "use_bit_label\": 0",
                "rope2d_each_sa_layer\": 0",
                "rope2d_normalized_by_hw\": 4",
                "num_heads\": 4",
                "depth\": 12",
                "vae_type\": 16",
                "text_channels\": 2048"
            })
    void whatIsNotSupportedOrContradictsTheCheckpointIsRefusedByName(String setting) {
        try (Checkpoint checkpoint = tiny()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> InfinityConfig.of(tree(checkpoint), settings("{\"" + setting + "}")))
                    .withMessageContaining(setting.substring(0, setting.indexOf('"')));
        }
    }

    @ParameterizedTest
    @CsvSource({"7, 16, 2, chunks", "6, 18, 2, heads", "6, 16, 3, heads"})
    void sizesThatDoNotDivideAreRefused(int depth, int width, int heads, String what) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new InfinityConfig(
                        depth, 3, width, heads, 24, 12, 9, 2, 8, 15, false, Rope2d.Mode.STRETCHED, true, 1e-6f))
                .withMessageContaining(what);
    }

    @Test
    void aCheckpointOfAnotherModelIsRefused() {
        Path file = folder.resolve("empty.safetensors");
        new SafeTensorsWriter().write(file);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            assertThatExceptionOfType(CheckpointException.class)
                    .isThrownBy(() -> InfinityConfig.of(tree(checkpoint), settings("{}")));
        }
    }

    /// The list of the released checkpoint's tensors, but for buffers of zeros.
    @Test
    void theReleasedModelHasExactlyTheseTensors() {
        JsonObject list = JsonObject.read(Checks.shared("spec/infinity_2b_state_dict.json"));
        Map<String, Shape> released = new TreeMap<>();
        for (String name : list.names()) {
            if (!name.endsWith("zero_k_bias")) {
                released.put(name, Shape.of(list.int32s(name)));
            }
        }
        Path file = folder.resolve("empty.safetensors");
        new SafeTensorsWriter().write(file);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            WeightTree tree = tree(checkpoint);
            InfinityTransformer model = new InfinityTransformer(tree, INFINITY_2B);
            Map<String, Shape> asked = new TreeMap<>();
            for (LoadReport.Missing m : tree.report().missing()) {
                asked.put(m.name(), m.expected());
            }
            assertThat(asked).isEqualTo(released);
            assertThat(model.parameters().keySet()).isEqualTo(released.keySet());
            assertThat(model.at("block_chunks.7.module.3.ffn.fc2")).isInstanceOf(Linear.class);
        }
    }
}
