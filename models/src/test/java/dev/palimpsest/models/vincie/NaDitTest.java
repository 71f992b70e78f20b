package dev.palimpsest.models.vincie;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class NaDitTest {
    /// Two separate blocks and two shared ones; heads that are wider together than the hidden states.
    static final NaDitConfig CONFIG = new NaDitConfig(5, 3, 16, 10, 2, 12, 24, 4, 2, false, 12, 1e-5f, 2, 2);

    @TempDir
    static Path folder;

    private Checkpoint checkpoint;
    private NaDit model;

    @BeforeAll
    void writeModel() {
        Path file = RandomWeights.write(folder.resolve("dit.safetensors"), 7, tree -> new NaDit(tree, CONFIG), n -> n);
        checkpoint = Checkpoint.open(file);
        WeightTree tree = NaDit.weights(checkpoint);
        model = new NaDit(tree, CONFIG);
        tree.requireComplete();
    }

    @AfterAll
    void closeModel() {
        checkpoint.close();
    }

    @Test
    void samplesPackedTogetherComeOutAsEachAlone() {
        Scope.run(() -> {
            VideoShape first = new VideoShape(2, 4, 6);
            VideoShape second = new VideoShape(3, 2, 4);
            Tensor vid = random(1, first.tokens() + second.tokens(), 5);
            Tensor txt = random(2, 7 + 4, 10);
            Tensor together = model.forward(
                    new PackedInput(vid, List.of(first, second), txt, List.of(7, 4), Tensor.of(new float[] {900, 20})));
            Tensor alone0 =
                    model.forward(PackedInput.of(vid.slice(0, 0, first.tokens()), first, txt.slice(0, 0, 7), 900));
            Tensor alone1 = model.forward(
                    PackedInput.of(vid.slice(0, first.tokens(), vid.dim(0)), second, txt.slice(0, 7, 11), 20));
            assertClose(together, Tensor.concat(List.of(alone0, alone1), 0));
            return null;
        });
    }

    @Test
    void turnsWithAKeyValueCacheGiveTheNumbersOfTheWholeSequence() {
        Scope.run(() -> {
            VideoShape frame = new VideoShape(1, 4, 6);
            int n = frame.tokens();
            Tensor vid = random(3, 3 * n, 5);
            Tensor txt = random(4, 5 + 3, 10);
            Tensor whole = model.forward(
                    PackedInput.of(vid, new VideoShape(3, 4, 6), txt, 400),
                    AttentionLayout.BlockCausal.alternating(5, 3),
                    new Cancellation());
            try (KeyValueCache cache = new KeyValueCache(CONFIG, 1)) {
                Tensor none = Tensor.zeros(0, 10);
                AttentionLayout.BlockCausal image = AttentionLayout.BlockCausal.of(AttentionLayout.Block.image());
                // first turn: picture and prompt; a candidate for the next picture is looked at, but not kept
                Tensor out0 = extend(
                        cache,
                        PackedInput.of(vid.slice(0, 0, n), frame, txt.slice(0, 0, 5), 400),
                        AttentionLayout.BlockCausal.of(AttentionLayout.Block.image(), AttentionLayout.Block.text(5)),
                        true);
                extend(cache, PackedInput.of(random(9, n, 5), frame, none, 400), image, false);
                Tensor out1 = extend(cache, PackedInput.of(vid.slice(0, n, 2 * n), frame, none, 400), image, true);
                // second turn: prompt and picture at once
                Tensor out2 = extend(
                        cache,
                        PackedInput.of(vid.slice(0, 2 * n, 3 * n), frame, txt.slice(0, 5, 8), 400),
                        AttentionLayout.BlockCausal.of(AttentionLayout.Block.text(3), AttentionLayout.Block.image()),
                        true);
                assertClose(Tensor.concat(List.of(out0, out1, out2), 0), whole);
                assertThat(cache.tokens(0)).isEqualTo(3 * n / 4 + 8);
                assertThat(cache.frames(0)).isEqualTo(3);
                assertThat(cache.textTokens(0)).isEqualTo(8);
            }
            return null;
        });
    }

    @Test
    void aKeyValueCacheHoldsSamplesOfDifferentSizes() {
        Scope.run(() -> {
            VideoShape a = new VideoShape(1, 4, 2);
            VideoShape b = new VideoShape(1, 2, 6);
            Tensor vidA = random(1, 2 * a.tokens(), 5);
            Tensor vidB = random(2, 2 * b.tokens(), 5);
            Tensor txtA = random(3, 3, 10);
            Tensor txtB = random(4, 6, 10);
            List<AttentionLayout.Block> blocksA = List.of(
                    AttentionLayout.Block.image(), AttentionLayout.Block.text(3), AttentionLayout.Block.image());
            List<AttentionLayout.Block> blocksB = List.of(
                    AttentionLayout.Block.image(), AttentionLayout.Block.text(6), AttentionLayout.Block.image());
            Tensor whole = model.forward(
                    new PackedInput(
                            Tensor.concat(List.of(vidA, vidB), 0),
                            List.of(new VideoShape(2, 4, 2), new VideoShape(2, 2, 6)),
                            Tensor.concat(List.of(txtA, txtB), 0),
                            List.of(3, 6),
                            Tensor.of(new float[] {100, 700})),
                    new AttentionLayout.BlockCausal(List.of(blocksA, blocksB)),
                    new Cancellation());
            try (KeyValueCache cache = new KeyValueCache(CONFIG, 2)) {
                Tensor times = Tensor.of(new float[] {100, 700});
                PackedInput start = new PackedInput(
                        Tensor.concat(List.of(vidA.slice(0, 0, a.tokens()), vidB.slice(0, 0, b.tokens())), 0),
                        List.of(a, b),
                        Tensor.concat(List.of(txtA, txtB), 0),
                        List.of(3, 6),
                        times);
                Tensor first = extend(
                        cache,
                        start,
                        new AttentionLayout.BlockCausal(List.of(blocksA.subList(0, 2), blocksB.subList(0, 2))),
                        true);
                PackedInput end = new PackedInput(
                        Tensor.concat(
                                List.of(
                                        vidA.slice(0, a.tokens(), 2 * a.tokens()),
                                        vidB.slice(0, b.tokens(), 2 * b.tokens())),
                                0),
                        List.of(a, b),
                        Tensor.zeros(0, 10),
                        List.of(0, 0),
                        times);
                Tensor second = extend(
                        cache,
                        end,
                        new AttentionLayout.BlockCausal(List.of(blocksA.subList(2, 3), blocksB.subList(2, 3))),
                        true);
                List<Tensor> parts = List.of(
                        first.slice(0, 0, a.tokens()),
                        second.slice(0, 0, a.tokens()),
                        first.slice(0, a.tokens(), first.dim(0)),
                        second.slice(0, a.tokens(), second.dim(0)));
                assertClose(Tensor.concat(parts, 0), whole);
            }
            return null;
        });
    }

    @Test
    void laterBlocksDoNotTouchEarlierOnesAndEarlierOnesTouchLaterOnes() {
        Scope.run(() -> {
            VideoShape shape = new VideoShape(2, 4, 4);
            Tensor vid = random(1, shape.tokens(), 5);
            Tensor txt = random(2, 4, 10);
            int n = shape.tokens() / 2;
            AttentionLayout layout = AttentionLayout.BlockCausal.alternating(4);
            Tensor base = model.forward(PackedInput.of(vid, shape, txt, 5), layout, new Cancellation());
            Tensor lastChanged = Tensor.concat(List.of(vid.slice(0, 0, n), random(8, n, 5)), 0);
            Tensor a = model.forward(PackedInput.of(lastChanged, shape, txt, 5), layout, new Cancellation());
            assertThat(a.slice(0, 0, n).toFloatArray())
                    .isEqualTo(base.slice(0, 0, n).toFloatArray());
            Tensor b = model.forward(PackedInput.of(vid, shape, random(9, 4, 10), 5), layout, new Cancellation());
            assertThat(b.slice(0, 0, n).toFloatArray())
                    .isEqualTo(base.slice(0, 0, n).toFloatArray());
            assertThat(b.slice(0, n, 2 * n).toFloatArray())
                    .isNotEqualTo(base.slice(0, n, 2 * n).toFloatArray());
            return null;
        });
    }

    @Test
    void aSingleBlockIsFullAttention() {
        Scope.run(() -> {
            VideoShape shape = new VideoShape(2, 4, 4);
            PackedInput in = PackedInput.of(random(1, shape.tokens(), 5), shape, Tensor.zeros(0, 10), 5);
            AttentionLayout one = AttentionLayout.BlockCausal.of(new AttentionLayout.Video(2));
            assertThat(model.forward(in, one, new Cancellation()).toFloatArray())
                    .isEqualTo(model.forward(in).toFloatArray());
            return null;
        });
    }

    @Test
    void theSameInputGivesTheSameBitsAndLeavesOnlyTheResult() {
        Scope.run(() -> {
            VideoShape shape = new VideoShape(1, 4, 4);
            PackedInput in = PackedInput.of(random(1, shape.tokens(), 5), shape, random(2, 3, 10), 5);
            long before = Scope.current().liveBytes();
            Tensor once = model.forward(in);
            long after = Scope.current().liveBytes();
            assertThat(after - before).isBetween(once.elements() * 4, once.elements() * 4 + 4096);
            assertThat(model.forward(in).toFloatArray()).isEqualTo(once.toFloatArray());
            return null;
        });
    }

    @Test
    void theNumberOfThreadsDoesNotShowInTheBits() {
        VideoShape shape = new VideoShape(2, 28, 36);
        List<float[]> results = new ArrayList<>();
        for (int threads : List.of(1, 2, 3)) {
            try (Parallel parallel = new Parallel(threads)) {
                results.add(Backend.with(
                        KernelProviders.create(
                                KernelProviders.lookup().kernels().name(), parallel),
                        () -> Scope.run(() -> model.forward(
                                        PackedInput.of(random(1, shape.tokens(), 5), shape, random(2, 30, 10), 5))
                                .toFloatArray())));
            }
        }
        assertThat(results.get(1)).isEqualTo(results.get(0));
        assertThat(results.get(2)).isEqualTo(results.get(0));
    }

    @Test
    void moreBlocksTakeHardlyMoreMemory() {
        long few = peakBytes(3);
        long many = peakBytes(24);
        long state = 1 << 14; // 252 + 3 tokens of width 16, rounded up as the pool does
        assertThat(many - few).isLessThanOrEqualTo(4 * state);
    }

    private static long peakBytes(int layers) {
        NaDitConfig config = new NaDitConfig(5, 3, 16, 10, 2, 12, 24, layers, 1, false, 12, 1e-5f, 2, 2);
        Path file = RandomWeights.write(
                folder.resolve("deep" + layers + ".safetensors"), 3, tree -> new NaDit(tree, config), n -> n);
        try (Checkpoint checkpoint = Checkpoint.open(file);
                Scope scope = Scope.open()) {
            NaDit deep = new NaDit(NaDit.weights(checkpoint), config);
            VideoShape shape = new VideoShape(1, 28, 36);
            scope.call(() -> deep.forward(PackedInput.of(random(1, shape.tokens(), 5), shape, random(2, 3, 10), 5)));
            return scope.peakBytes();
        }
    }

    @Test
    void anObserverSeesEveryBlockByItsPathAndCanChangeIt() {
        Scope.run(() -> {
            VideoShape shape = new VideoShape(1, 4, 4);
            PackedInput in = PackedInput.of(random(1, shape.tokens(), 5), shape, random(2, 3, 10), 5);
            Tensor plain = model.forward(in);
            Set<String> seen = new LinkedHashSet<>();
            Tensor watched = Observer.observing(
                    (path, out) -> {
                        seen.add(path);
                        return out;
                    },
                    () -> model.forward(in));
            assertThat(watched.toFloatArray()).isEqualTo(plain.toFloatArray());
            assertThat(seen)
                    .contains("vid_in", "txt_in", "emb_in", "blocks.0.vid", "blocks.3.txt", "vid_out")
                    .contains("blocks.0.attn.proj_qkv.txt", "blocks.2.attn.proj_qkv.all", "blocks.1.attn.attended")
                    .contains("blocks.0.mlp.vid.proj_in_gate", "vid_out_norm", "vid_out_ada");
            Tensor changed = Observer.observing(
                    (path, out) -> path.equals("blocks.1.vid") ? out.mul(0.5) : out, () -> model.forward(in));
            assertThat(changed.toFloatArray()).isNotEqualTo(plain.toFloatArray());
            return null;
        });
    }

    @Test
    void aCancelledPassStopsAndTheCacheKeepsNothingOfIt() {
        Scope.run(() -> {
            VideoShape shape = new VideoShape(1, 4, 4);
            PackedInput in = PackedInput.of(random(1, shape.tokens(), 5), shape, Tensor.zeros(0, 10), 5);
            Cancellation cancellation = new Cancellation();
            try (KeyValueCache cache = new KeyValueCache(CONFIG, 1)) {
                Observer stop = (path, out) -> {
                    if (path.equals("blocks.1.vid")) {
                        cancellation.cancel();
                    }
                    return out;
                };
                assertThatExceptionOfType(CancellationException.class)
                        .isThrownBy(() -> Observer.observing(
                                stop,
                                () -> model.extend(
                                        cache,
                                        in,
                                        AttentionLayout.BlockCausal.of(AttentionLayout.Block.image()),
                                        true,
                                        cancellation)));
                assertThat(cache.tokens(0)).isZero();
            }
            return null;
        });
    }

    @Test
    void aClosedCacheGivesItsMemoryBackAndIsNotUsed() {
        Scope.run(() -> {
            VideoShape shape = new VideoShape(1, 4, 4);
            PackedInput in = PackedInput.of(random(1, shape.tokens(), 5), shape, Tensor.zeros(0, 10), 5);
            AttentionLayout.BlockCausal image = AttentionLayout.BlockCausal.of(AttentionLayout.Block.image());
            long before = Scope.current().liveBytes();
            KeyValueCache cache = new KeyValueCache(CONFIG, 1);
            for (int turn = 0; turn < 5; turn++) {
                Scope.run(() -> {
                    extend(cache, in, image, true);
                    return null;
                });
            }
            assertThat(Scope.current().liveBytes()).isGreaterThan(before);
            cache.close();
            assertThat(Scope.current().liveBytes()).isEqualTo(before);
            assertThatExceptionOfType(IllegalStateException.class).isThrownBy(() -> extend(cache, in, image, true));
            return null;
        });
    }

    @Test
    void inputThatDoesNotFitIsRefusedInOneSentence() {
        Scope.run(() -> {
            VideoShape odd = new VideoShape(1, 3, 4);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.forward(PackedInput.of(random(1, 12, 5), odd, random(2, 3, 10), 5)))
                    .withMessage("nadit: a latent of 3 x 4 cannot be cut into patches of 2 x 2");
            VideoShape even = new VideoShape(1, 4, 4);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.forward(PackedInput.of(random(1, 16, 6), even, random(2, 3, 10), 5)))
                    .withMessageContaining("(16, 6)");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> PackedInput.of(random(1, 15, 5), even, random(2, 3, 10), 5))
                    .withMessageContaining("16 positions");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.forward(
                            PackedInput.of(random(1, 16, 5), even, random(2, 3, 10), 5),
                            AttentionLayout.BlockCausal.alternating(3),
                            new Cancellation()))
                    .withMessageContaining("2 frames and 3 text tokens");
            return null;
        });
    }

    @Test
    void theWrappersOfSomeCheckpointsAreTakenOutOfTheNames() {
        Path file = RandomWeights.write(
                folder.resolve("wrapped.safetensors"),
                7,
                tree -> new NaDit(tree, CONFIG),
                n -> n.replace("attn.", "attn._flops_wrap_module.").replace("mlp.", "_flops_wrap_module.mlp."));
        try (Checkpoint wrapped = Checkpoint.open(file)) {
            WeightTree tree = NaDit.weights(wrapped);
            new NaDit(tree, CONFIG);
            assertThat(tree.report().isComplete()).isTrue();
        }
    }

    @Test
    void everythingThatIsMissingOrUnexpectedIsReportedAtOnce() {
        Path file = RandomWeights.write(
                folder.resolve("broken.safetensors"),
                7,
                tree -> new NaDit(tree, CONFIG),
                n -> n.equals("vid_out_norm.weight")
                        ? null
                        : n.equals("blocks.1.ada.txt.mlp_gate") ? "blocks.1.ada.txt.mlp_gat" : n);
        try (Checkpoint broken = Checkpoint.open(file)) {
            WeightTree tree = NaDit.weights(broken);
            new NaDit(tree, CONFIG);
            assertThatExceptionOfType(CheckpointException.class)
                    .isThrownBy(tree::requireComplete)
                    .withMessageContaining("vid_out_norm.weight")
                    .withMessageContaining("blocks.1.ada.txt.mlp_gate")
                    .withMessageContaining("blocks.1.ada.txt.mlp_gat");
        }
    }

    @Test
    void theSizesAreReadOffTheShapes() {
        assertThat(NaDitConfig.of(NaDit.weights(checkpoint), JsonObject.empty("no settings")))
                .isEqualTo(CONFIG);
    }

    private Tensor extend(KeyValueCache cache, PackedInput in, AttentionLayout.BlockCausal blocks, boolean keep) {
        return model.extend(cache, in, blocks, keep, new Cancellation());
    }

    static Tensor random(long seed, int... dims) {
        Random random = new Random(seed);
        float[] values = new float[dims[0] * dims[1]];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, dims);
    }

    private static void assertClose(Tensor actual, Tensor expected) {
        assertThat(actual.shape()).isEqualTo(expected.shape());
        assertThat(actual.toFloatArray()).containsExactly(expected.toFloatArray(), within(2e-5f));
    }
}
