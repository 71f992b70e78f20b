package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.vincie.RandomWeights;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The whole transformer backward, as an inversion needs it.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class InfinityGradientTest {
    private static final InfinityConfig CONFIG = InfinityConfigTest.TINY;
    private static final PictureLayout LAYOUT = new PictureLayout(
            new ScaleSchedule(List.of(new Scale(1, 1), new Scale(2, 2), new Scale(4, 4))), new Scale(8, 8));
    private static final int LENGTH = LAYOUT.schedule().length();

    @TempDir
    static Path folder;

    private Checkpoint checkpoint;
    private InfinityTransformer model;

    @BeforeAll
    void writeModel() {
        Path file = folder.resolve("infinity.safetensors");
        RandomWeights.write(file, 3, tree -> new InfinityTransformer(tree, CONFIG), name -> name);
        checkpoint = Checkpoint.open(file);
        model = new InfinityTransformer(WeightTree.of(checkpoint), CONFIG);
    }

    @AfterAll
    void closeModel() {
        checkpoint.close();
    }

    /// The text's path to the logits leads through every layer: pool, adaptive norms, cross attention and all behind
    /// it.
    @ParameterizedTest
    @EnumSource
    void theGradientByTheTextIsTheSlopeOfTheLoss(BiasMode biases) {
        Scope.run(() -> {
            Tensor rows = Checks.random(1, 9, CONFIG.textChannels()); // (N, text channels)
            Tensor codes = Checks.random(2, 2, LENGTH - 1, CONFIG.bits()); // (2, L - 1, bits)
            Tensor cotangent = Checks.random(3, 2, LENGTH, 2 * CONFIG.bits()); // (2, L, 2 bits)
            Tensor gradient;
            try (Tape tape = new Tape()) {
                tape.watch(rows);
                Tensor loss = tape.record(() -> loss(rows, codes, cotangent, biases));
                gradient = tape.backward(loss).of(rows); // (N, text channels)
            }
            double norm = Math.sqrt(gradient.square().sum().item());
            assertThat(norm).isPositive();
            Tensor direction = gradient.div(norm); // (N, text channels)
            double step = 1e-2;
            double slope = (loss(rows.add(direction.mul(step)), codes, cotangent, biases)
                                    .item()
                            - loss(rows.add(direction.mul(-step)), codes, cotangent, biases)
                                    .item())
                    / (2 * step);
            assertThat(slope).isCloseTo(norm, within(1e-3 * norm));
            return null;
        });
    }

    private Tensor loss(Tensor rows, Tensor codes, Tensor cotangent, BiasMode biases) {
        InfinityTransformer.TextCondition text =
                model.condition(new TextFeatures(rows, new int[] {4, rows.dim(0) - 4}), biases);
        return model.forward(codes, text, LAYOUT, new Cancellation())
                .mul(cotangent)
                .sum();
    }
}
