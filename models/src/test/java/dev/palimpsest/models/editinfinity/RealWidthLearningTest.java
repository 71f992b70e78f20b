package dev.palimpsest.models.editinfinity;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.InfinityConfig;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.Rope2d;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.models.vincie.RandomWeights;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Parameter;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What an update of adapters needs in memory with blocks of Infinity-2B's size and all tokens of a 512x512 picture.
class RealWidthLearningTest {
    private static final int BLOCKS = 32;
    private static final double WEIGHTS = 2.2e9 * 2; // bf16
    private static final double LIMIT = 18e9;

    @TempDir
    Path folder;

    private static InfinityConfig config(int blocks) {
        return new InfinityConfig(
                blocks, blocks, 2048, 16, 8192, 2048, 512, 16, 32, 15, false, Rope2d.Mode.STRETCHED, true, 1e-6f);
    }

    private static Tensor randn(long seed, int... dims) {
        int n = 1;
        for (int dim : dims) {
            n *= dim;
        }
        float[] values = new float[n];
        new TorchCpuRandom(seed).randn(values);
        return Tensor.of(values, dims);
    }

    @Test
    @Tag("slow")
    void allBlocksOfThe2BModelLearnWithin18Gigabytes() {
        Path file = folder.resolve("infinity.safetensors");
        RandomWeights.write(file, 1, weights -> new InfinityTransformer(weights, config(4)), name -> name);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            // nothing flows back out of the first block, so one alone would not tell
            double two = peakBytes(checkpoint, 2);
            double perBlock = (peakBytes(checkpoint, 4) - two) / 2;
            double state = 4.0 * 2521 * 2048;
            assertThat(perBlock).isBetween(state, 1.5 * state);
            assertThat(two + (BLOCKS - 2) * perBlock + WEIGHTS).isLessThan(LIMIT);
            assertThat(two).isLessThan(1.5e9);
        }
    }

    /// Memory of tensors while adapters of some blocks are differentiated.
    private static long peakBytes(Checkpoint checkpoint, int blocks) {
        try (Scope scope = Scope.open()) {
            scope.call(() -> {
                InfinityTransformer model = new InfinityTransformer(WeightTree.of(checkpoint), config(blocks));
                PictureLayout layout = PictureLayout.of(1, PictureSize.P_0_25M);
                int tokens = layout.schedule().length();
                Lora lora = Lora.create(model, Lora.Settings.DEFAULTS, new TorchCpuRandom(2), "*.ffn.fc1", "*.ffn.fc2")
                        .attach();
                TextFeatures text = new TextFeatures(randn(3, 50, 2048), new int[] {50});
                Tensor inputs = randn(4, 1, tokens - 1, 32); // (1, L - 1, d)
                try (Tape tape = new Tape()) {
                    tape.watchAll(lora.parameters().values());
                    Tensor loss = tape.record(() -> model.forward(
                                    inputs, model.condition(text, BiasMode.EDITINFINITY), layout, new Cancellation())
                            .square()
                            .mean());
                    Gradients gradients = tape.backward(loss);
                    for (Parameter learned : lora.parameters().values()) {
                        assertThat(gradients.of(learned).sum().item()).isFinite();
                    }
                }
                return null;
            });
            return scope.peakBytes();
        }
    }
}
