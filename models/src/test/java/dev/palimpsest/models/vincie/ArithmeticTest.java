package dev.palimpsest.models.vincie;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.LoadOptions;
import dev.palimpsest.models.api.RecordedKernels;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.PackedWeights;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Which arithmetic reaches which part of VINCIE, and what the copies of its weights leave in memory.
class ArithmeticTest {
    private static final NaDitConfig DIT = new NaDitConfig(33, 16, 256, 64, 2, 128, 688, 2, 1, false, 128, 1e-5f, 2, 2);
    private static final Path MAPPINGS = Path.of("/proc/self/smaps");

    @TempDir
    Path folder;

    private static LoadOptions options(Arithmetic arithmetic) {
        return LoadOptions.defaults().withArithmetic(arithmetic);
    }

    private static Arithmetic floating(Arithmetic arithmetic) {
        return arithmetic == Arithmetic.BF16 ? Arithmetic.BF16 : Arithmetic.F32;
    }

    private static Tensor randn(long seed, int... dims) {
        int count = 1;
        for (int dim : dims) {
            count *= dim;
        }
        float[] values = new float[count];
        new TorchCpuRandom(seed).randn(values);
        return Tensor.of(values, dims);
    }

    private Checkpoint naDit() {
        return Checkpoint.open(
                RandomWeights.write(folder.resolve("dit.safetensors"), 1, w -> new NaDit(w, DIT), name -> name));
    }

    private static PackedInput input(int frames) {
        VideoShape shape = new VideoShape(frames, 8, 6);
        return PackedInput.of(randn(2, shape.tokens(), 33), shape, randn(3, 17, 64), 700);
    }

    @ParameterizedTest
    @EnumSource(Arithmetic.class)
    void theTransformerComputesAsAsked(Arithmetic arithmetic) {
        try (Checkpoint checkpoint = naDit();
                PackedWeights packed = options(arithmetic).packedWeights(List.of(checkpoint))) {
            NaDit dit = new NaDit(WeightTree.of(checkpoint), DIT);
            packed.attach(dit);
            assertThat(new RecordedKernels().secondRun(() -> dit.forward(input(2))))
                    .isEqualTo(Set.of("matmul " + arithmetic, "attention " + floating(arithmetic)));
        }
    }

    @Test
    void soDoesATransformerThatKeepsKeysAndValues() {
        try (Checkpoint checkpoint = naDit();
                PackedWeights packed = options(Arithmetic.BF16).packedWeights(List.of(checkpoint))) {
            NaDit dit = new NaDit(WeightTree.of(checkpoint), DIT);
            packed.attach(dit);
            AttentionLayout.BlockCausal layout =
                    AttentionLayout.BlockCausal.of(AttentionLayout.Block.image(), AttentionLayout.Block.text(17));
            assertThat(new RecordedKernels().secondRun(() -> {
                        try (KeyValueCache cache = new KeyValueCache(DIT, 1)) {
                            dit.extend(cache, input(1), layout, true, new Cancellation());
                        }
                    }))
                    .isEqualTo(Set.of("matmul BF16", "attention BF16"));
        }
    }

    @ParameterizedTest
    @EnumSource(Arithmetic.class)
    void theAutoencoderComputesIntegersInLinearLayersOnly(Arithmetic arithmetic) {
        CausalVideoVaeConfig config = RandomVae.config(1, 8, 16);
        try (Checkpoint checkpoint = Checkpoint.open(RandomVae.checkpoint(folder, config, 1));
                PackedWeights packed = options(arithmetic).packedWeights(List.of(checkpoint))) {
            CausalVideoVae vae = new CausalVideoVae(WeightTree.of(checkpoint), config);
            packed.attach(vae);
            for (int frames : new int[] {1, 3}) {
                assertThat(new RecordedKernels()
                                .secondRun(() -> vae.decode(vae.encode(randn(4, 1, 3, frames, 16, 16))
                                        .mode())))
                        .as("%d frames", frames)
                        .isEqualTo(Set.of(
                                "matmul " + arithmetic,
                                "attention " + floating(arithmetic),
                                "convolution " + floating(arithmetic)));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Arithmetic.class)
    void theTextEncoderKeepsNoCopiesAndHasNoIntegers(Arithmetic arithmetic) {
        QwenConfig config = new QwenConfig(64, 96, 2, 32, 136, 1e-6f, 10_000, 20);
        Path file = RandomWeights.write(
                folder.resolve("text.safetensors"), 1, w -> new QwenEncoder(config, w, 63), name -> name);
        try (Checkpoint checkpoint = Checkpoint.open(file);
                PackedWeights passing = options(arithmetic).withoutCopies()) {
            List<int[]> texts = List.of(new int[] {1, 2, 3}, new int[] {4, 5, 6, 7, 8});
            QwenEncoder encoder = new QwenEncoder(config, WeightTree.of(checkpoint), 63);
            Scope.run(() -> {
                float[] exact =
                        encoder.encode(texts, new Cancellation()).embeddings().toFloatArray();
                passing.attach(encoder);
                assertThat(new RecordedKernels().secondRun(() -> encoder.encode(texts, new Cancellation())))
                        .isEqualTo(Set.of("matmul " + floating(arithmetic), "attention " + floating(arithmetic)));
                float[] made =
                        encoder.encode(texts, new Cancellation()).embeddings().toFloatArray();
                if (arithmetic == Arithmetic.BF16) {
                    assertThat(distance(made, exact)).isBetween(1e-4, 2e-2);
                } else {
                    assertThat(made).isEqualTo(exact);
                }
                assertThat(passing.bytes()).isZero();
                return null;
            });
        }
    }

    private static double distance(float[] a, float[] b) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < a.length; i++) {
            difference += Math.pow((double) a[i] - b[i], 2);
            size += Math.pow(b[i], 2);
        }
        return Math.sqrt(difference / size);
    }

    /// Bytes of a file that are mapped and in memory at the moment.
    private static long resident(Path file) throws IOException {
        long kilobytes = 0;
        boolean mine = false;
        for (String line : Files.readAllLines(MAPPINGS)) {
            if (line.endsWith(file.toString())) {
                mine = true;
            } else if (mine && line.startsWith("Rss:")) {
                kilobytes += Long.parseLong(line.replaceAll("\\D", ""));
                mine = false;
            }
        }
        return kilobytes << 10;
    }

    @Test
    void copiesTakeThePlaceOfWeightsInMemory() throws IOException {
        assumeTrue(Files.isReadable(MAPPINGS));
        try (Checkpoint checkpoint = naDit()) {
            long weights = Files.size(checkpoint.path());
            NaDit dit = new NaDit(WeightTree.of(checkpoint), DIT);
            Scope.run(() -> dit.forward(input(1)).shape());
            assertThat(resident(checkpoint.path())).isGreaterThan(weights * 3 / 4);
            for (LoadOptions options : List.of(
                    options(Arithmetic.F32),
                    options(Arithmetic.BF16),
                    options(Arithmetic.F32).withPackedBytes(0))) {
                try (PackedWeights packed = options.packedWeights(List.of(checkpoint))) {
                    packed.attach(dit);
                    Scope.run(() -> dit.forward(input(1)).shape());
                    if (options.packedBytes() == 0) {
                        assertThat(packed.bytes()).isZero();
                        assertThat(resident(checkpoint.path())).isGreaterThan(weights * 3 / 4);
                    } else {
                        long expected = options.arithmetic() == Arithmetic.F32 ? weights : weights / 2;
                        assertThat(packed.bytes()).isBetween(expected * 9 / 10, expected * 11 / 10);
                        assertThat(resident(checkpoint.path())).isLessThan(weights / 10);
                    }
                }
            }
        }
    }
}
