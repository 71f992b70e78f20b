package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WeightTreeTest {
    @TempDir
    Path folder;

    /// A checkpoint of byte tensors whose elements are 1.
    private Checkpoint checkpoint(Map<String, Shape> tensors) throws IOException {
        StringBuilder header = new StringBuilder("{");
        int at = 0;
        for (Map.Entry<String, Shape> e : tensors.entrySet()) {
            int end = at + Math.toIntExact(e.getValue().elements());
            String dims = e.getValue().toString().replace('(', '[').replace(')', ']');
            header.append(at == 0 ? "" : ",")
                    .append("\"%s\":{\"dtype\":\"U8\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                            .formatted(e.getKey(), dims, at, end));
            at = end;
        }
        byte[] data = new byte[at];
        Arrays.fill(data, (byte) 1);
        return Checkpoint.open(Files.write(
                folder.resolve("w.safetensors"),
                SafeTensorsBytes.file(header.append('}').toString(), data)));
    }

    private static Map<String, Shape> blocks() {
        Map<String, Shape> tensors = new LinkedHashMap<>();
        for (int i = 0; i < 3; i++) {
            tensors.put("blocks." + i + ".attn.weight", Shape.of(4, 2));
            tensors.put("blocks." + i + ".bias", Shape.of(4));
        }
        tensors.put("head", Shape.of(1));
        return tensors;
    }

    @Test
    void nodesSpellTheNamesOfTensors() throws IOException {
        try (Checkpoint c = checkpoint(blocks())) {
            WeightTree tree = WeightTree.of(c);
            WeightTree block = tree.at("blocks").at(1);
            assertThat(block.path()).isEqualTo("blocks.1");
            NdArray weight = block.at("attn").get("weight", Shape.of(4, 2));
            assertThat(weight.get(3, 1)).isEqualTo(1);
            assertThat(block.has("bias")).isTrue();
            assertThat(block.has("attn")).isFalse();
            assertThat(block.hasUnder("attn")).isTrue();
            assertThat(block.hasUnder("att")).isFalse();
            assertThat(tree.shape("blocks.2.bias")).isEqualTo(Shape.of(4));
            assertThat(tree.count("blocks")).isEqualTo(3);
            assertThat(tree.count("layers")).isZero();
        }
    }

    @Test
    void aModelThatTakesEverythingIsComplete() throws IOException {
        try (Checkpoint c = checkpoint(blocks())) {
            WeightTree tree = WeightTree.of(c);
            blocks().forEach(tree::get);
            assertThat(tree.report().isComplete()).isTrue();
            assertThatCode(tree::requireComplete).doesNotThrowAnyException();
        }
    }

    @Test
    void allProblemsAreReportedAtOnce() throws IOException {
        try (Checkpoint c = checkpoint(blocks())) {
            WeightTree tree = WeightTree.of(c);
            tree.get("head", Shape.of(1));
            for (int i = 0; i < 3; i++) {
                NdArray placeholder = tree.at("blocks").at(i).get("attn.wieght", Shape.of(1000, 1000, 1000));
                assertThat(placeholder.shape()).isEqualTo(Shape.of(1000, 1000, 1000));
                assertThat(placeholder.memory().byteSize()).isEqualTo(4);
            }
            assertThat(tree.get("blocks.0.bias", Shape.of(5)).shape()).isEqualTo(Shape.of(5));
            LoadReport report = tree.report();
            assertThat(report.missing())
                    .contains(new LoadReport.Missing(
                            "blocks.1.attn.wieght", Shape.of(1000, 1000, 1000), Optional.of("blocks.1.attn.weight")))
                    .hasSize(3);
            assertThat(report.misshaped())
                    .containsExactly(new LoadReport.Misshaped("blocks.0.bias", Shape.of(5), Shape.of(4)));
            assertThat(report.unexpected())
                    .extracting(LoadReport.Unexpected::name)
                    .containsExactly(
                            "blocks.0.attn.weight",
                            "blocks.1.attn.weight",
                            "blocks.1.bias",
                            "blocks.2.attn.weight",
                            "blocks.2.bias");
            assertThatThrownBy(tree::requireComplete)
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining(
                            "does not fit the model: 3 tensors missing (blocks.0.attn.wieght (1000, 1000, 1000),"
                                    + " did you mean blocks.0.attn.weight?")
                    .hasMessageContaining("; 1 tensor of another shape (blocks.0.bias is (4) instead of (5))")
                    .hasMessageContaining("; 5 tensors unexpected (");
            assertThat(report.toString().lines()).hasSize(1 + 3 + 1 + 5);
        }
    }

    @Test
    void theMessageStaysShortHoweverMuchIsMissing() throws IOException {
        try (Checkpoint c = checkpoint(blocks())) {
            WeightTree tree = WeightTree.of(c);
            for (int i = 0; i < 5000; i++) {
                tree.get("x".repeat(300) + i, Shape.of(i));
            }
            assertThatThrownBy(tree::requireComplete)
                    .hasMessageContaining("5000 tensors missing")
                    .hasMessageContaining("and 4992 more")
                    .message()
                    .hasSizeLessThan(3000);
        }
    }

    @Test
    void aWrappedNameIsSuggested() throws IOException {
        try (Checkpoint c = checkpoint(Map.of("module.encoder.norm.weight", Shape.of(1)))) {
            WeightTree tree = WeightTree.of(c);
            tree.get("encoder.norm.weight", Shape.of(1));
            assertThat(tree.report().missing().getFirst().nearest()).contains("module.encoder.norm.weight");
        }
    }

    @Test
    void ignoredNamesAreNotUnexpected() throws IOException {
        try (Checkpoint c = checkpoint(blocks())) {
            WeightTree tree = WeightTree.of(c);
            tree.at("blocks").ignore("*.bias", "0.*");
            tree.ignore("h");
            assertThat(tree.report().unexpected())
                    .extracting(LoadReport.Unexpected::name)
                    .containsExactly("blocks.1.attn.weight", "blocks.2.attn.weight", "head");
        }
    }

    @Test
    void anOptionalTensorIsAProblemOnlyInAnotherShape() throws IOException {
        try (Checkpoint c = checkpoint(Map.of("bias", Shape.of(3)))) {
            WeightTree tree = WeightTree.of(c);
            assertThat(tree.optional("gain", Shape.of(3))).isEmpty();
            assertThat(tree.optional("bias", Shape.of(3))).isPresent();
            assertThat(tree.report().isComplete()).isTrue();
            assertThat(tree.optional("bias", Shape.of(4))).isPresent();
            assertThat(tree.report().misshaped()).hasSize(1);
        }
    }

    @Test
    void sizesCannotBeReadFromAMissingTensor() throws IOException {
        try (Checkpoint c = checkpoint(blocks())) {
            WeightTree tree = WeightTree.of(c).at("blocks").at(0);
            assertThatThrownBy(() -> tree.shape("bais"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("has no tensor 'blocks.0.bais'; did you mean 'blocks.0.bias'?");
        }
    }

    @Test
    void countIncludesAMissingChildButNotAWildNumber() throws IOException {
        try (Checkpoint c = checkpoint(Map.of(
                "a.0.w",
                Shape.of(1),
                "a.1",
                Shape.of(1),
                "a.3.w",
                Shape.of(1),
                "b.999999999.w",
                Shape.of(1),
                "a.x",
                Shape.of(1)))) {
            WeightTree tree = WeightTree.of(c);
            assertThat(tree.count("a")).isEqualTo(4);
            assertThatThrownBy(() -> tree.count("b"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("'b' has children numbered up to 999999999, but only 1 of them");
        }
    }

    @Test
    void namesCanBeCleanedAndNarrowed() throws IOException {
        try (Checkpoint c = checkpoint(Map.of("vae._wrap.conv._wrap.w", Shape.of(2), "step", Shape.of(1)))) {
            Checkpoint clean = c.stripping("_wrap.").under("vae").renaming(n -> n.replace("conv", "to_q"));
            assertThat(clean.names()).containsExactly("to_q.w");
            assertThat(clean.tensor("to_q.w").shape()).isEqualTo(Shape.of(2));
            assertThatThrownBy(() -> clean.tensor("conv.w")).isInstanceOf(CheckpointException.class);
            assertThatThrownBy(() -> c.under("ema"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("has no tensors under 'ema'; it has '");
            assertThatThrownBy(() -> c.renaming(n -> "same"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("would both be called 'same'");
        }
    }
}
