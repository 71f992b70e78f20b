package dev.palimpsest.models.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import org.junit.jupiter.api.Test;

class TensorComparisonTest {
    private static final Tolerance CLOSE = new Tolerance.Close(1e-3, 1e-6);

    @Test
    void theErrorIsThatOfTheTensorAsAWhole() {
        TensorComparison c = compare(floats(3.003f, 4), floats(3, 4), CLOSE);
        assertThat(c.relL2()).isCloseTo(0.003 / 5, within(1e-6));
        assertThat(c.maxAbs()).isCloseTo(0.003, within(1e-6));
        assertThat(c.passed()).isTrue();
        assertThat(compare(floats(3.006f, 4), floats(3, 4), CLOSE).passed()).isFalse();
    }

    @Test
    void whereNothingButNoiseIsExpectedTheLargestErrorCounts() {
        assertThat(compare(floats(9e-7f, 0), floats(0, 0), CLOSE).passed()).isTrue();
        assertThat(compare(floats(2e-6f, 0), floats(0, 0), CLOSE).passed()).isFalse();
        // a small error does not excuse a tensor that is not all but zero
        assertThat(compare(floats(1.0e-5f, 0), floats(1.1e-5f, 0), CLOSE).passed())
                .isFalse();
    }

    @Test
    void infinitiesMatchThemselvesAndNothingElse() {
        float inf = Float.POSITIVE_INFINITY;
        assertThat(compare(floats(inf, 1), floats(inf, 1), CLOSE).passed()).isTrue();
        assertThat(compare(floats(-inf, 1), floats(inf, 1), CLOSE).passed()).isFalse();
        assertThat(compare(floats(1, 1), floats(inf, 1), CLOSE).passed()).isFalse();
        assertThat(compare(floats(inf, 1), floats(1, 1), CLOSE).passed()).isFalse();
    }

    @Test
    void aNanOnOneSideFails() {
        assertThat(compare(floats(Float.NaN, 1), floats(1, 1), CLOSE).passed()).isFalse();
        assertThat(compare(floats(1, 1), floats(Float.NaN, 1), CLOSE).passed()).isFalse();
        assertThat(compare(floats(Float.NaN, 1), floats(1, 1), Tolerance.EXACT).passed())
                .isFalse();
        assertThat(compare(floats(Float.NaN, 1), floats(0, 0), CLOSE).passed()).isFalse();
    }

    @Test
    void integersAreEqualOrNot() {
        Scope.run(() -> {
            Tensor a = Tensor.of(new long[] {1, Long.MAX_VALUE});
            Tensor b = Tensor.of(new long[] {1, Long.MAX_VALUE - 1});
            assertThat(TensorComparison.compare("out.x", a, a, Tolerance.EXACT).passed())
                    .isTrue();
            assertThat(TensorComparison.compare("out.x", a, b, Tolerance.EXACT).problem())
                    .isEqualTo("1 of 2 values differ");
            return null;
        });
    }

    @Test
    void aPictureMayDifferByTwoLevelsHereAndThere() {
        Scope.run(() -> {
            Tensor expected = Tensor.full(DType.U8, Shape.of(10, 10), 100);
            assertThat(picture(expected, 2, 5)).isTrue();
            assertThat(picture(expected, 2, 6)).isFalse(); // 0.12 on average
            assertThat(picture(expected, 3, 1)).isFalse();
            return null;
        });
    }

    private static boolean picture(Tensor expected, int levels, int pixels) {
        Tensor actual = expected.copy();
        actual.select(0, 0).slice(0, 0, pixels).fillInPlace(100 + levels);
        return TensorComparison.compare("out.image", actual, expected, Tolerance.PICTURE)
                .passed();
    }

    @Test
    void whatWasNotComputedOrHasAnotherShapeOrTypeFailsWithTheReason() {
        Scope.run(() -> {
            Tensor x = Tensor.of(new float[] {1, 2});
            assertThat(TensorComparison.compare("out.x", null, x, CLOSE).problem())
                    .isEqualTo("was not computed");
            assertThat(TensorComparison.compare("out.x", x.reshape(1, 2), x, CLOSE)
                            .problem())
                    .isEqualTo("has the shape (1, 2) instead of (2)");
            assertThat(TensorComparison.compare("out.x", x.to(DType.I64), x, CLOSE)
                            .problem())
                    .isEqualTo("has the type i64 instead of f32");
            return null;
        });
    }

    private record Pair(float a, float b) {}

    private static Pair floats(float a, float b) {
        return new Pair(a, b);
    }

    private static TensorComparison compare(Pair actual, Pair expected, Tolerance tolerance) {
        return Scope.run(() -> TensorComparison.compare(
                "out.x",
                Tensor.of(new float[] {actual.a(), actual.b()}),
                Tensor.of(new float[] {expected.a(), expected.b()}),
                tolerance));
    }
}
