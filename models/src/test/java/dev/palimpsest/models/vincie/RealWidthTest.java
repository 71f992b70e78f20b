package dev.palimpsest.models.vincie;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.diffusion.EulerSampler;
import dev.palimpsest.models.diffusion.Guidance;
import dev.palimpsest.models.diffusion.Prediction;
import dev.palimpsest.models.diffusion.Schedule;
import dev.palimpsest.models.diffusion.Timesteps;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A transformer of VINCIE-3B's width with random weights: what it needs in memory, and that threads do not change its
/// numbers.
class RealWidthTest {
    private static final int MEBIBYTE = 1 << 20;

    @TempDir
    Path folder;

    private static NaDitConfig config(int layers, int mmLayers, int dim, int heads) {
        return new NaDitConfig(33, 16, dim, 64, heads, 128, dim / 32 * 86, layers, mmLayers, false, 128, 1e-5f, 2, 2);
    }

    private static Tensor randn(long seed, int... dims) {
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        new TorchCpuRandom(seed).randn(values);
        return Tensor.of(values, dims);
    }

    private NaDit build(WeightTree weights, NaDitConfig config) {
        return new NaDit(weights, config);
    }

    /// Two context pictures and one to be made at 256x256, so 3 frames of 32x32 latents, and 150 tokens of text.
    @Test
    @Tag("slow")
    void denoisingAtFullWidthNeedsLittleMoreThanItsWeights() {
        NaDitConfig config = config(4, 2, 2560, 20);
        Path file = folder.resolve("dit.safetensors");
        RandomWeights.write(file, 1, w -> build(w, config), name -> name);
        try (Checkpoint checkpoint = Checkpoint.open(file);
                Scope scope = Scope.open()) {
            float[] values = scope.call(() -> {
                WeightTree weights = WeightTree.of(checkpoint);
                NaDit dit = build(weights, config);
                weights.requireComplete();
                EulerSampler sampler = new EulerSampler(
                        new Schedule.Lerp(1000), Timesteps.uniformTrailing(1, 12, 1000), Prediction.V_LERP);
                VideoShape shape = new VideoShape(3, 32, 32);
                Tensor condition = randn(2, shape.tokens(), 17); // (positions, 17)
                Tensor positive = randn(3, 150, 64); // (L, width)
                Tensor negative = randn(4, 120, 64); // (L', width)
                return sampler.sample(randn(5, shape.tokens(), 16), (x, t, step) -> {
                            Tensor vid = Tensor.concat(List.of(x, condition), 1); // (positions, 33)
                            return Guidance.of(7.5)
                                    .combine(
                                            dit.forward(PackedInput.of(vid, shape, positive, t)),
                                            dit.forward(PackedInput.of(vid, shape, negative, t)));
                        })
                        .toFloatArray();
            });
            assertThat(values).hasSize(3 * 32 * 32 * 16);
            for (float v : values) {
                assertThat(v).isFinite();
            }
            assertThat(scope.peakBytes()).isBetween(50L * MEBIBYTE, 600L * MEBIBYTE);
            assertThat(scope.liveBytes()).isZero();
        }
    }

    @Test
    void theNumberOfThreadsDoesNotChangeABit() {
        NaDitConfig config = config(2, 1, 256, 2);
        Path file = folder.resolve("dit.safetensors");
        RandomWeights.write(file, 1, w -> build(w, config), name -> name);
        float[] alone = forward(file, config, 1);
        assertThat(forward(file, config, 2)).isEqualTo(alone);
        assertThat(forward(file, config, 3)).isEqualTo(alone);
    }

    private float[] forward(Path file, NaDitConfig config, int threads) {
        try (Checkpoint checkpoint = Checkpoint.open(file);
                Parallel parallel = new Parallel(threads)) {
            String provider = KernelProviders.lookup().kernels().name();
            Kernels kernels = KernelProviders.create(provider, parallel);
            return Backend.with(
                    kernels,
                    () -> Scope.run(() -> {
                        NaDit dit = build(WeightTree.of(checkpoint), config);
                        VideoShape shape = new VideoShape(2, 16, 12);
                        PackedInput in = PackedInput.of(randn(2, shape.tokens(), 33), shape, randn(3, 37, 64), 700);
                        return dit.forward(in, AttentionLayout.FULL, new Cancellation())
                                .toFloatArray();
                    }));
        }
    }
}
