package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ShapeTest {
    @Test
    void aScalarHasNoAxisAndOneElement() {
        assertThat(Shape.scalar().rank()).isZero();
        assertThat(Shape.scalar().elements()).isEqualTo(1);
        assertThat(Shape.of()).isSameAs(Shape.scalar()).hasToString("()");
    }

    @Test
    void countsElementsBeyondAnInt() {
        assertThat(Shape.of(100_000, 100_000).elements()).isEqualTo(10_000_000_000L);
        assertThat(Shape.of(7, 0, 5).elements()).isZero();
    }

    @Test
    void axesCountFromEitherEnd() {
        Shape shape = Shape.of(2, 3, 5);

        assertThat(shape.dim(0)).isEqualTo(2);
        assertThat(shape.dim(-1)).isEqualTo(5);
        assertThat(shape.axis(-3)).isZero();
        assertThatThrownBy(() -> shape.dim(3))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessage("axis 3 of shape (2, 3, 5) does not exist");
        assertThatThrownBy(() -> shape.dim(-4)).hasMessage("axis -4 of shape (2, 3, 5) does not exist");
    }

    @Test
    void changesOneAxis() {
        Shape shape = Shape.of(2, 3);

        assertThat(shape.with(-1, 7)).isEqualTo(Shape.of(2, 7));
        assertThat(shape.remove(0)).isEqualTo(Shape.of(3));
        assertThat(shape.unsqueeze(0)).isEqualTo(Shape.of(1, 2, 3));
        assertThat(shape.unsqueeze(2)).isEqualTo(Shape.of(2, 3, 1));
        assertThat(shape.unsqueeze(-1)).isEqualTo(Shape.of(2, 3, 1));
        assertThat(shape.unsqueeze(-3)).isEqualTo(Shape.of(1, 2, 3));
        assertThatThrownBy(() -> shape.unsqueeze(3))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessage("axis 3 cannot be inserted into shape (2, 3)");
        assertThat(shape).as("is not changed itself").isEqualTo(Shape.of(2, 3));
    }

    @Test
    void isNotChangedThroughArrays() {
        int[] dims = {2, 3};
        Shape shape = Shape.of(dims);
        dims[0] = 9;
        shape.dims()[1] = 9;

        assertThat(shape).isEqualTo(Shape.of(2, 3)).hasSameHashCodeAs(Shape.of(2, 3));
        assertThat(shape).isNotEqualTo(Shape.of(3, 2)).isNotEqualTo(Shape.of(2, 3, 1));
    }

    @Test
    void contiguousStridesAreRowMajor() {
        assertThat(Shape.of(2, 3, 5).contiguousStrides()).containsExactly(15, 5, 1);
        assertThat(Shape.of(2, 0, 5).contiguousStrides()).containsExactly(5, 5, 1);
        assertThat(Shape.scalar().contiguousStrides()).isEmpty();
    }

    @Test
    void broadcastsAlignedAtTheEnd() {
        assertThat(Shape.broadcast("add", Shape.of(4, 1, 5), Shape.of(3, 1))).isEqualTo(Shape.of(4, 3, 5));
        assertThat(Shape.broadcast("add", Shape.scalar(), Shape.of(2, 0))).isEqualTo(Shape.of(2, 0));
        assertThat(Shape.broadcast("add", Shape.of(1), Shape.of(0))).isEqualTo(Shape.of(0));
        assertThatThrownBy(() -> Shape.broadcast("add", Shape.of(2, 3), Shape.of(4)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("add: (2, 3) and (4): extents 3 and 4 differ and neither is 1");
    }

    @Test
    void refusesImpossibleExtents() {
        assertThatThrownBy(() -> Shape.of(2, -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("shape [2, -1] has a negative extent");
        assertThatThrownBy(() -> Shape.of(Integer.MAX_VALUE, Integer.MAX_VALUE, 8))
                .isInstanceOf(ArithmeticException.class);
    }
}
