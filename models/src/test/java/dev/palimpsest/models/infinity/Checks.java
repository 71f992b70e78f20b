package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import java.nio.file.Files;
import java.nio.file.Path;

/// What the tests of this package share.
final class Checks {
    private Checks() {}

    /// Normally distributed numbers.
    static Tensor random(long seed, int... dims) {
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        new TorchCpuRandom(seed).randn(values);
        return Tensor.of(values, dims);
    }

    /// `||a - b|| / ||b||`
    static double distance(Tensor a, Tensor b) {
        assertThat(a.shape()).isEqualTo(b.shape());
        return Scope.run(() ->
                Math.sqrt(a.sub(b).square().sum().item() / b.square().sum().item()));
    }

    /// A file or folder below `../shared`; skips the calling test if it is absent.
    static Path shared(String path) {
        Path file = Path.of("../../shared").resolve(path);
        assumeTrue(Files.exists(file), () -> file + " is absent");
        return file;
    }
}
