package dev.palimpsest.models.editinfinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.BitSampling;
import dev.palimpsest.models.infinity.GenerationRequest;
import dev.palimpsest.models.infinity.InfinityConfig;
import dev.palimpsest.models.infinity.InfinityGenerator;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.Rope2d;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.models.vincie.RandomWeights;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class InversionTrainerTest {
    private static final InfinityConfig CONFIG =
            new InfinityConfig(3, 1, 16, 2, 24, 12, 40, 2, 6, 5, false, Rope2d.Mode.STRETCHED, true, 1e-6f);
    private static final PictureLayout LAYOUT = new PictureLayout(
            new ScaleSchedule(List.of(new Scale(1, 1), new Scale(2, 2), new Scale(4, 4))), new Scale(8, 8));
    private static final InversionTrainer.Listener SILENT = (update, loss, norm) -> {};

    @TempDir
    static Path folder;

    private Checkpoint checkpoint;
    private InfinityTransformer model;

    @BeforeAll
    void writeModel() {
        Path file = folder.resolve("infinity.safetensors");
        RandomWeights.write(file, 3, tree -> new InfinityTransformer(tree, CONFIG), name -> name);
        checkpoint = Checkpoint.open(file);
        WeightTree tree = WeightTree.of(checkpoint);
        model = new InfinityTransformer(tree, CONFIG);
        tree.requireComplete();
    }

    @AfterAll
    void closeModel() {
        checkpoint.close();
    }

    private static Tensor random(long seed, int... dims) {
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        new TorchCpuRandom(seed).randn(values);
        return Tensor.of(values, dims);
    }

    private static TextFeatures text(long seed, int length) {
        return new TextFeatures(random(seed, length, CONFIG.textChannels()), new int[] {length});
    }

    private InversionTrainer trainer(long seed) {
        return new InversionTrainer(
                model, LAYOUT, random(7, 1, CONFIG.bits(), 4, 4), BiasMode.EDITINFINITY, new TorchCpuRandom(seed));
    }

    @Test
    void bothStagesLowerTheLoss() {
        Scope.run(() -> {
            List<Double> losses = new ArrayList<>();
            LearnedPrompt prompt = LearnedPrompt.create(CONFIG.textChannels());
            InversionTrainer trainer = trainer(1);
            LearningSettings quick = LearningSettings.PROMPT.withoutRandomness().withRate(0.02);
            trainer.learnPrompt(prompt, text(2, 5), 8, quick, (i, loss, norm) -> losses.add(loss), new Cancellation());
            assertThat(losses).hasSize(8);
            assertThat(losses.getLast()).isLessThan(losses.getFirst() - 0.01);
            Lora lora = Lora.create(
                            model,
                            Lora.Settings.DEFAULTS.withDropout(0),
                            new TorchCpuRandom(4),
                            InversionTrainer.ADAPTED_LAYERS.toArray(String[]::new))
                    .attach();
            try {
                trainer.learnAdapters(
                        lora,
                        prompt.appendedTo(text(2, 5)),
                        8,
                        quick.withLoss(BitLoss.ADAPTERS),
                        (i, loss, norm) -> losses.add(loss),
                        new Cancellation());
            } finally {
                lora.detach();
            }
            assertThat(losses.getLast()).isLessThan(losses.get(8) - 0.1);
            return null;
        });
    }

    @Test
    void randomUpdatesRepeatWithTheirSeed() {
        Scope.run(() -> {
            float[] first = learned(11);
            assertThat(learned(11)).containsExactly(first);
            assertThat(learned(12)).isNotEqualTo(first);
            return null;
        });
    }

    private float[] learned(long seed) {
        Lora lora = Lora.create(model, new Lora.Settings(2, 4, 0.3), new TorchCpuRandom(4), "*.ffn.fc1", "*.ffn.fc2")
                .attach();
        try {
            LearningSettings settings = LearningSettings.ADAPTERS.withRate(0.01).withDropouts(0.2, 0.5);
            trainer(seed).learnAdapters(lora, text(2, 5), 3, settings, SILENT, new Cancellation());
            return Tensor.concat(
                            lora.parameters().values().stream()
                                    .map(p -> p.value().reshape(-1))
                                    .toList(),
                            0)
                    .toFloatArray();
        } finally {
            lora.detach();
        }
    }

    @Test
    void anUpdateWithoutTextLeavesThePromptToItsMomentum() {
        Scope.run(() -> {
            LearnedPrompt prompt = LearnedPrompt.create(CONFIG.textChannels());
            List<Double> norms = new ArrayList<>();
            LearningSettings textless =
                    LearningSettings.PROMPT.withoutRandomness().withDropouts(Math.nextDown(1.0), 0);
            trainer(1)
                    .learnPrompt(
                            prompt, text(2, 5), 2, textless, (i, loss, norm) -> norms.add(norm), new Cancellation());
            assertThat(norms).containsExactly(0.0, 0.0);
            assertThat(prompt.embedding().square().sum().item()).isZero();
            return null;
        });
    }

    @Test
    void aCancelledInversionKeepsWhatItHasLearnedSoFar() {
        Scope.run(() -> {
            LearnedPrompt prompt = LearnedPrompt.create(CONFIG.textChannels());
            Cancellation cancellation = new Cancellation();
            List<Integer> updates = new ArrayList<>();
            assertThatThrownBy(() -> trainer(1)
                            .learnPrompt(
                                    prompt,
                                    text(2, 5),
                                    5,
                                    LearningSettings.PROMPT.withoutRandomness(),
                                    (i, loss, norm) -> {
                                        updates.add(i);
                                        cancellation.cancel();
                                    },
                                    cancellation))
                    .isInstanceOf(CancellationException.class);
            assertThat(updates).containsExactly(1);
            assertThat(prompt.embedding().square().sum().item()).isPositive();
            return null;
        });
    }

    @Test
    void blendingKeepsTheSourceWhereTheWeightIsOneAndNothingOfItWhereItIsZero() {
        Scope.run(() -> {
            MultiScaleBsq quantiser = new MultiScaleBsq(CONFIG.bits());
            MultiScaleBsq.Quantised source = quantiser.quantise(random(5, 1, CONFIG.bits(), 4, 4), LAYOUT.schedule());
            SourceCodes codes =
                    SourceCodes.of(quantiser, source.bits(), LAYOUT.schedule().last());
            Tensor weights = Tensor.zeros(4, 4);
            weights.slice(1, 0, 2).fillInPlace(1);
            Tensor blended = generate(codes.blending(weights));
            float[] left = blended.slice(3, 0, 2).toFloatArray();
            float[] kept = source.sum().slice(3, 0, 2).toFloatArray();
            for (int i = 0; i < left.length; i++) {
                assertThat(Math.abs(left[i] - kept[i])).isLessThan(1e-5f);
            }
            assertThat(blended.slice(3, 2, 4).toFloatArray())
                    .isNotEqualTo(source.sum().slice(3, 2, 4).toFloatArray());
            assertThat(generate(codes.blending(Tensor.zeros(4, 4))).toFloatArray())
                    .containsExactly(generate(GenerationRequest.Steering.NONE).toFloatArray());
            assertThatThrownBy(() -> generate(codes.blending(Tensor.zeros(4, 3))))
                    .hasMessageContaining("(4, 3)");
            return null;
        });
    }

    private Tensor generate(GenerationRequest.Steering steering) {
        GenerationRequest request = GenerationRequest.of(text(2, 5), LAYOUT, (scale, p) -> {
                    int[] bits = new int[p.length / 2];
                    for (int i = 0; i < bits.length; i++) {
                        bits[i] = p[2 * i + 1] > p[2 * i] ? 1 : 0;
                    }
                    return bits;
                })
                .withBiases(BiasMode.EDITINFINITY)
                .withSampling(BitSampling.defaults().withTopK(1))
                .withSteering(steering);
        return new InfinityGenerator(model).generate(request);
    }

    @Test
    void theAttentionToAllTokensIsTheSameEverywhere() {
        Scope.run(() -> {
            AttentionMap all = new AttentionMap(LAYOUT, 5, 0, 5);
            Observer.observing(all, () -> generate(GenerationRequest.Steering.NONE));
            for (float share : all.mean().toFloatArray()) {
                assertThat(share).isBetween(0.19999f, 0.20001f); // of one, over five tokens
            }
            AttentionMap some = new AttentionMap(LAYOUT, 5, 1, 3);
            AttentionMap others = new AttentionMap(LAYOUT, 5, 3, 5);
            AttentionMap first = new AttentionMap(LAYOUT, 5, 0, 1);
            for (AttentionMap map : List.of(some, others, first)) {
                Observer.observing(map, () -> generate(GenerationRequest.Steering.NONE));
            }
            Tensor sum = some.mean().mul(2.0).add(others.mean().mul(2.0)).add(first.mean());
            assertThat(sum.shape()).isEqualTo(Shape.of(8, 8));
            for (float share : sum.toFloatArray()) {
                assertThat(share).isBetween(0.9999f, 1.0001f);
            }
            assertThatThrownBy(() -> Observer.observing(some, () -> generate(GenerationRequest.Steering.NONE)))
                    .hasMessageContaining("new map");
            assertThatThrownBy(() -> new AttentionMap(LAYOUT, 5, 4, 6)).hasMessageContaining("5 tokens");
            return null;
        });
    }
}
