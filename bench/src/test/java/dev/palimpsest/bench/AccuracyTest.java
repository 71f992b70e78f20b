package dev.palimpsest.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.bench.Shapes.Conv;
import dev.palimpsest.bench.Shapes.Heads;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import org.junit.jupiter.api.Test;

class AccuracyTest {
    private final Kernels kernels = new ScalarKernels();

    @Test
    void productsAreAsExactAsTheirNumbersAreWide() {
        double f32 = product(Arithmetic.F32, 0);
        double bf16 = product(Arithmetic.BF16, 0);
        double int8 = product(Arithmetic.INT8, 0);
        double weights = product(Arithmetic.INT8_WEIGHT_ONLY, 0);
        double groups = product(Arithmetic.INT8_WEIGHT_ONLY, 64);

        assertThat(f32).isBetween(1e-9, 1e-6);
        assertThat(bf16).isBetween(1e-3, 4e-3);
        assertThat(groups).isBetween(1e-3, weights);
        assertThat(weights).isLessThan(int8);
        assertThat(int8).isBetween(5e-3, 3e-2);
    }

    private double product(Arithmetic arithmetic, int group) {
        return Accuracy.product(kernels, arithmetic, group, 8, 48, 512);
    }

    @Test
    void convolutionsAndAttentionInF32AreExactToItsRounding() {
        assertThat(Accuracy.convolution(kernels, Arithmetic.F32, Conv.DECODER_IN))
                .isBetween(1e-9, 1e-6);
        assertThat(Accuracy.attention(kernels, Arithmetic.F32, Heads.T5)).isBetween(1e-9, 1e-6);
    }
}
