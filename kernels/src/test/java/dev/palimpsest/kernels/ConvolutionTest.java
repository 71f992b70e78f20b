package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ConvolutionTest {
    @Test
    void theOutputShapeFollowsFromPaddingKernelAndStride() {
        assertThat(Convolution.planar(1, 1).outputShape(Shape.of(2, 3, 1, 7, 9), Shape.of(5, 3, 1, 3, 3)))
                .isEqualTo(Shape.of(2, 5, 1, 7, 9));
        assertThat(Convolution.planar(2, 1).outputShape(Shape.of(1, 3, 1, 7, 8), Shape.of(5, 3, 1, 3, 3)))
                .isEqualTo(Shape.of(1, 5, 1, 4, 4));
        Convolution causal = new Convolution(2, 1, 3, 2, 0, 1, 0, 4, 5, true);
        assertThat(causal.outputShape(Shape.of(1, 3, 5, 7, 8), Shape.of(4, 3, 3, 2, 2)))
                .isEqualTo(Shape.of(1, 4, 3, 7, 6));
    }

    @Test
    void refusesStridesAndPaddingsThatMeanNothing() {
        assertThatThrownBy(() -> Convolution.planar(0, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("convolution: strides 1, 0, 0 must be at least 1");
        assertThatThrownBy(() -> Convolution.planar(1, -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("convolution: padding must not be negative");
    }

    @Test
    void refusesTheArithmeticOfIntegers() {
        assertThatThrownBy(() -> Convolution.planar(1, 1).in(Arithmetic.INT8))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("convolution: the arithmetic INT8 is for matrix products; use F32 or BF16");
    }
}
