package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.LoadOptions;
import dev.palimpsest.models.api.RecordedKernels;
import dev.palimpsest.models.infinity.InfinityTransformer.InnerGuidance;
import dev.palimpsest.models.infinity.InfinityTransformer.TextCondition;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.vincie.RandomWeights;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.nn.PackedWeights;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class InfinityTransformerTest {
    private static final InfinityConfig CONFIG = InfinityConfigTest.TINY;
    private static final PictureLayout LAYOUT = new PictureLayout(
            new ScaleSchedule(List.of(new Scale(1, 1), new Scale(2, 1), new Scale(2, 3), new Scale(4, 3))),
            new Scale(9, 6));
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
        WeightTree tree = WeightTree.of(checkpoint);
        model = new InfinityTransformer(tree, CONFIG);
        tree.requireComplete();
    }

    @AfterAll
    void closeModel() {
        checkpoint.close();
    }

    private static TextFeatures texts(long seed, int... lengths) {
        int sum = Arrays.stream(lengths).sum();
        return new TextFeatures(Checks.random(seed, sum, CONFIG.textChannels()), lengths);
    }

    private static Tensor codes(long seed, int samples) {
        return Checks.random(seed, samples, LENGTH - 1, CONFIG.bits());
    }

    private Tensor forward(Tensor codes, TextFeatures texts, BiasMode biases) {
        return model.forward(codes, model.condition(texts, biases), LAYOUT, new Cancellation());
    }

    @ParameterizedTest
    @EnumSource
    void scalesOneAfterTheOtherGiveTheNumbersOfAllAtOnce(BiasMode biases) {
        Scope.run(() -> {
            TextCondition text = model.condition(texts(1, 4, 7), biases);
            Tensor codes = codes(2, 2); // (2, L - 1, bits)
            Tensor whole = model.forward(codes, text, LAYOUT, new Cancellation()); // (2, L, 2 bits)
            List<Tensor> parts = new ArrayList<>();
            try (ScaleCache cache = new ScaleCache(CONFIG, LAYOUT, 2)) {
                for (int k = 0; k < LAYOUT.schedule().size(); k++) {
                    int from = LAYOUT.schedule().start(k);
                    int to = LAYOUT.schedule().start(k + 1);
                    assertThat(cache.next()).isEqualTo(k);
                    Tensor x = k == 0 ? model.firstToken(text) : model.tokens(codes.slice(1, from - 1, to - 1));
                    parts.add(model.logits(model.extend(cache, x, text, null, new Cancellation()), text.sos()));
                }
                assertThatIllegalStateException().isThrownBy(cache::next).withMessageContaining("all 4 scales");
            }
            assertThat(Checks.distance(Tensor.concat(parts, 1), whole)).isLessThan(2e-6);
            return null;
        });
    }

    @ParameterizedTest
    @EnumSource
    void productsAreComputedAsAsked(Arithmetic arithmetic) {
        InfinityTransformer other = new InfinityTransformer(WeightTree.of(checkpoint), CONFIG);
        Arithmetic floating = arithmetic == Arithmetic.BF16 ? Arithmetic.BF16 : Arithmetic.F32;
        Set<String> expected = Set.of("matmul " + arithmetic, "attention " + floating);
        LoadOptions options = LoadOptions.defaults().withArithmetic(arithmetic);
        try (PackedWeights packed = options.packedWeights(List.of(checkpoint))) {
            packed.attach(other);
            RecordedKernels kernels = new RecordedKernels();
            assertThat(kernels.secondRun(() -> {
                        TextCondition text = other.condition(texts(1, 4, 7), BiasMode.ORIGINAL);
                        other.forward(codes(2, 2), text, LAYOUT, new Cancellation());
                    }))
                    .isEqualTo(expected);
            assertThat(kernels.secondRun(() -> {
                        TextCondition text = other.condition(texts(1, 4, 7), BiasMode.ORIGINAL);
                        try (ScaleCache cache = new ScaleCache(CONFIG, LAYOUT, 2)) {
                            other.extend(cache, other.firstToken(text), text, null, new Cancellation());
                        }
                    }))
                    .isEqualTo(expected);
        }
    }

    @Test
    void samplesComeOutAsEachAlone() {
        Scope.run(() -> {
            TextFeatures both = texts(1, 4, 7);
            Tensor codes = codes(2, 2); // (2, L - 1, bits)
            Tensor together = forward(codes, both, BiasMode.ORIGINAL);
            Tensor second = forward(
                    codes.slice(0, 1, 2),
                    new TextFeatures(both.rows().slice(0, 4, 11), new int[] {7}),
                    BiasMode.ORIGINAL);
            assertThat(Checks.distance(together.slice(0, 1, 2), second)).isLessThan(2e-6);
            return null;
        });
    }

    @Test
    void laterScalesDoNotTouchEarlierOnesAndEarlierOnesTouchLaterOnes() {
        Scope.run(() -> {
            TextFeatures text = texts(1, 5);
            Tensor codes = codes(2, 1); // (1, L - 1, bits)
            int last = LAYOUT.schedule().start(3);
            Tensor base = forward(codes, text, BiasMode.ORIGINAL);
            Tensor lateChanged = Tensor.concat(
                    List.of(codes.slice(1, 0, last - 1), codes(9, 1).slice(1, 0, 12)), 1);
            Tensor earlyChanged = Tensor.concat(List.of(codes(9, 1).slice(1, 0, 2), codes.slice(1, 2, LENGTH - 1)), 1);
            assertThat(forward(lateChanged, text, BiasMode.ORIGINAL)
                            .slice(1, 0, last)
                            .toFloatArray())
                    .isEqualTo(base.slice(1, 0, last).toFloatArray());
            assertThat(Checks.distance(
                            forward(earlyChanged, text, BiasMode.ORIGINAL).slice(1, last, LENGTH),
                            base.slice(1, last, LENGTH)))
                    .isGreaterThan(1e-3);
            return null;
        });
    }

    @Test
    void aSingleScaleNeedsNoInput() {
        Scope.run(() -> {
            PictureLayout one = new PictureLayout(LAYOUT.schedule().first(1), LAYOUT.frame());
            TextCondition text = model.condition(texts(1, 5), BiasMode.ORIGINAL);
            Tensor scores = model.forward(Tensor.zeros(1, 0, CONFIG.bits()), text, one, new Cancellation());
            Tensor whole = model.forward(codes(2, 1), text, LAYOUT, new Cancellation());
            assertThat(Checks.distance(scores, whole.slice(1, 0, 1))).isLessThan(2e-6);
            return null;
        });
    }

    @Test
    void biasesAreAddedInOneModeAndLeftOutInTheOther() {
        Scope.run(() -> {
            TextFeatures text = texts(1, 5);
            Tensor with = forward(codes(2, 1), text, BiasMode.of("original"));
            Tensor without = forward(codes(2, 1), text, BiasMode.of("editinfinity"));
            assertThat(Checks.distance(with, without)).isGreaterThan(1e-2);
            return null;
        });
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BiasMode.of("none"))
                .withMessage("bias mode: 'none' is not one of original, editinfinity");
    }

    @Test
    void aDroppedTextIsTheOneThatStandsForNone() {
        Scope.run(() -> {
            TextFeatures text = texts(1, 4, 6);
            Tensor codes = codes(2, 2); // (2, L - 1, bits)
            Tensor dropped = forward(codes, model.dropping(text, false, true), BiasMode.ORIGINAL);
            assertThat(Checks.distance(
                            dropped.slice(0, 0, 1),
                            forward(codes, text, BiasMode.ORIGINAL).slice(0, 0, 1)))
                    .isLessThan(2e-6);
            assertThat(Checks.distance(
                            dropped.slice(0, 1, 2),
                            forward(codes, model.unconditional(4, 6), BiasMode.ORIGINAL)
                                    .slice(0, 1, 2)))
                    .isLessThan(2e-6);
            return null;
        });
    }

    @Test
    void guidanceInsideLeavesBothHalvesAlike() {
        Scope.run(() -> {
            TextCondition text = model.condition(texts(1, 4, 7), BiasMode.ORIGINAL);
            Tensor plain = firstScale(text, null); // (2, 1, C)
            Tensor last = firstScale(text, new InnerGuidance(3, Set.of(CONFIG.depth() - 1))); // (2, 1, C)
            assertThat(last.slice(0, 0, 1).toFloatArray())
                    .isEqualTo(last.slice(0, 1, 2).toFloatArray());
            Tensor expected =
                    plain.slice(0, 0, 1).mul(3).sub(plain.slice(0, 1, 2).mul(2)); // (1, 1, C)
            assertThat(Checks.distance(last.slice(0, 0, 1), expected)).isLessThan(1e-6);
            assertThat(Checks.distance(firstScale(text, new InnerGuidance(3, Set.of(2))), last))
                    .isGreaterThan(1e-3);
            return null;
        });
    }

    private Tensor firstScale(TextCondition text, @Nullable InnerGuidance guidance) {
        try (ScaleCache cache = new ScaleCache(CONFIG, LAYOUT, 2)) {
            return model.extend(cache, model.firstToken(text), text, guidance, new Cancellation());
        }
    }

    /// Along the gradient the loss must rise by the gradient's length.
    @ParameterizedTest
    @EnumSource
    void derivativesByTheTextAreThoseOfSmallSteps(BiasMode biases) {
        Scope.run(() -> {
            Tensor rows = texts(1, 4, 7).rows(); // (11, text channels)
            Tensor direction = Checks.random(5, 2, LENGTH, 2 * CONFIG.bits()); // (2, L, 2 bits)
            try (Tape tape = new Tape()) {
                tape.watch(rows);
                Tensor loss = tape.record(() -> loss(rows, direction, biases));
                // what is not recorded goes through packed weights, which may be added up in another order
                assertThat(loss.item()).isCloseTo(loss(rows, direction, biases).item(), withinPercentage(1e-3));
                Tensor gradient = tape.backward(loss).of(rows); // (11, text channels)
                double length = Math.sqrt(gradient.square().sum().item());
                Tensor step = gradient.mul(0.02 / length); // (11, text channels)
                double rise = loss(rows.add(step), direction, biases).item()
                        - loss(rows.sub(step), direction, biases).item();
                assertThat(rise / 0.04).isCloseTo(length, withinPercentage(1));
            }
            return null;
        });
    }

    private Tensor loss(Tensor rows, Tensor direction, BiasMode biases) {
        return forward(codes(2, 2), new TextFeatures(rows, new int[] {4, 7}), biases)
                .mul(direction)
                .sum();
    }

    /// Whoever attaches something to a layer, or looks at it, finds it under its checkpoint name.
    @Test
    void everyLayerIsReachableByItsCheckpointName() {
        assertThat(model.at("block_chunks.2.module.1.ffn.fc1")).isInstanceOf(Linear.class);
        assertThat(model.parameters().keySet()).isEqualTo(new HashSet<>(checkpoint.names()));
        Set<String> seen = Collections.synchronizedSet(new HashSet<>());
        Observer everything = (path, output) -> {
            seen.add(path);
            return output;
        };
        Scope.run(() -> Observer.observing(
                everything,
                () -> forward(codes(2, 1), texts(1, 5), BiasMode.EDITINFINITY).shape()));
        assertThat(seen)
                .contains(
                        "text_norm",
                        "text_proj_for_sos.ca",
                        "word_embed",
                        "block_chunks.0.module.0",
                        "block_chunks.1.module.1.sa.mat_qkv",
                        "block_chunks.1.module.1.ca.queries",
                        "block_chunks.1.module.1.ca.keys",
                        "block_chunks.2.module.1.ffn.fc2",
                        "head_nm",
                        "head");
    }

    @Test
    void aCancelledScaleLeavesTheCacheAsItWas() {
        Scope.run(() -> {
            TextCondition text = model.condition(texts(1, 4), BiasMode.ORIGINAL);
            Cancellation cancellation = new Cancellation();
            Observer cancelling = (path, output) -> {
                assertThat(path).doesNotStartWith("block_chunks.1");
                if (path.equals("block_chunks.0.module.1")) {
                    cancellation.cancel();
                }
                return output;
            };
            try (ScaleCache cache = new ScaleCache(CONFIG, LAYOUT, 1)) {
                assertThatExceptionOfType(CancellationException.class)
                        .isThrownBy(() -> Observer.observing(
                                cancelling,
                                () -> model.extend(cache, model.firstToken(text), text, null, cancellation)));
                assertThat(cache.next()).isZero();
                Tensor again = model.extend(cache, model.firstToken(text), text, null, new Cancellation());
                try (ScaleCache fresh = new ScaleCache(CONFIG, LAYOUT, 1)) {
                    Tensor first = model.extend(fresh, model.firstToken(text), text, null, new Cancellation());
                    assertThat(again.toFloatArray()).isEqualTo(first.toFloatArray());
                }
            }
            return null;
        });
    }

    @Test
    void aScaleThatWasForgottenComesOutAsBefore() {
        Scope.run(() -> {
            TextCondition text = model.condition(texts(1, 4), BiasMode.ORIGINAL);
            Tensor codes = codes(2, 1); // (1, L - 1, bits)
            Tensor second = model.tokens(codes.slice(1, 0, LAYOUT.schedule().start(2) - 1)); // (1, h w, C)
            try (ScaleCache cache = new ScaleCache(CONFIG, LAYOUT, 1)) {
                model.extend(cache, model.firstToken(text), text, null, new Cancellation());
                Tensor before = model.extend(cache, second, text, null, new Cancellation()); // (1, h w, C)
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> cache.rewind(2))
                        .withMessageContaining("scale 2 cannot be forgotten, 2 scales have been there");
                cache.rewind(1);
                assertThat(cache.next()).isEqualTo(1);
                Tensor again = model.extend(cache, second, text, null, new Cancellation()); // (1, h w, C)
                assertThat(again.toFloatArray()).isEqualTo(before.toFloatArray());
            }
            return null;
        });
    }

    @Test
    void whatDoesNotFitIsRefusedInASentence() {
        Scope.run(() -> {
            TextCondition text = model.condition(texts(1, 4), BiasMode.ORIGINAL);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.unconditional(3, 10))
                    .withMessageContaining("a text of 10 tokens is longer than the 9");
            assertThatIllegalArgumentException()
                    .isThrownBy(() ->
                            model.condition(new TextFeatures(Tensor.zeros(2, 5), new int[] {2}), BiasMode.ORIGINAL))
                    .withMessageContaining("(2, 5) are not 12 wide");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.forward(Tensor.zeros(1, 3, 8), text, LAYOUT, new Cancellation()))
                    .withMessageContaining("(1, 3, 8) need the axes (1, 20, 8)");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.tokens(Tensor.zeros(1, 3, 7)))
                    .withMessageContaining("(1, 3, 7)");
            PictureLayout deep =
                    new PictureLayout(new ScaleSchedule(Collections.nCopies(16, new Scale(1, 1))), new Scale(1, 1));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.forward(Tensor.zeros(1, 15, 8), text, deep, new Cancellation()))
                    .withMessageContaining("16 scales, but the model has embeddings for 15");
            return null;
        });
    }
}
