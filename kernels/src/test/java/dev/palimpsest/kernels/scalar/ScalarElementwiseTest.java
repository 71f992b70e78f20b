package dev.palimpsest.kernels.scalar;

import static dev.palimpsest.kernels.cases.TestArrays.array;
import static dev.palimpsest.kernels.cases.TestArrays.elements;
import static dev.palimpsest.kernels.cases.TestArrays.row;
import static dev.palimpsest.kernels.cases.TestArrays.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.Unary;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// The reference's elementwise functions against known values.
class ScalarElementwiseTest {
    private static final double INFINITY = Double.POSITIVE_INFINITY;
    private static final double NAN = Double.NaN;

    private final ScalarKernels kernels = new ScalarKernels();

    static Stream<Arguments> unary() {
        return Stream.of(
                arguments(Unary.NEGATE, 2.5, -2.5),
                arguments(Unary.NEGATE, 0.0, -0.0),
                arguments(Unary.ABS, -2.5, 2.5),
                arguments(Unary.ABS, -INFINITY, INFINITY),
                arguments(Unary.EXP, 1, Math.E),
                arguments(Unary.EXP, -INFINITY, 0),
                arguments(Unary.EXP, 89, INFINITY),
                arguments(Unary.LOG, 10, 2.302585092994046),
                arguments(Unary.LOG, 0, -INFINITY),
                arguments(Unary.LOG, -1, NAN),
                arguments(Unary.SQRT, 2, 1.4142135623730951),
                arguments(Unary.SQRT, -1, NAN),
                arguments(Unary.RSQRT, 16, 0.25),
                arguments(Unary.RSQRT, 0, INFINITY),
                arguments(Unary.RECIPROCAL, -8, -0.125),
                arguments(Unary.RECIPROCAL, -0.0, -INFINITY),
                arguments(Unary.SQUARE, -3, 9),
                arguments(Unary.SIN, 1, 0.8414709848078965),
                arguments(Unary.COS, 1, 0.5403023058681398),
                arguments(Unary.COS, INFINITY, NAN),
                arguments(Unary.TANH, 0.5, 0.4621171572600098),
                arguments(Unary.TANH, -INFINITY, -1),
                arguments(Unary.SIGMOID, 2, 0.8807970779778823),
                arguments(Unary.SIGMOID, -INFINITY, 0),
                arguments(Unary.SILU, 2, 1.7615941559557646),
                arguments(Unary.SILU, -1, -0.2689414213699951),
                arguments(Unary.SILU, INFINITY, INFINITY),
                // torch.nn.functional.gelu(torch.tensor(...), approximate="tanh")
                arguments(Unary.GELU_TANH, 1, 0.8411919906082768),
                arguments(Unary.GELU_TANH, -2, -0.04540230591222494),
                arguments(Unary.GELU, 1, 0.8413447460685429),
                arguments(Unary.GELU, -2, -0.04550026389635842),
                arguments(Unary.GELU, -10, -7.619853024160528E-23),
                arguments(Unary.GELU, INFINITY, INFINITY),
                arguments(Unary.RELU, -3, 0),
                arguments(Unary.RELU, 3, 3),
                arguments(Unary.RELU, NAN, NAN),
                arguments(Unary.FLOOR, -1.5, -2),
                arguments(Unary.FLOOR, -0.0, -0.0),
                arguments(Unary.ROUND, 2.5, 2),
                arguments(Unary.ROUND, 3.5, 4),
                arguments(Unary.ROUND, -0.3, -0.0));
    }

    @ParameterizedTest
    @MethodSource("unary")
    void computesUnaryFunctions(Unary op, double x, double expected) {
        NdArray narrow = zeros(1);
        kernels.unary(op, row(x), narrow);
        assertThat((float) narrow.get(0)).isEqualTo(Float.valueOf((float) expected));

        NdArray wide = zeros(DType.F64, 1);
        if (Math.abs(x) < 80) { // f64 reaches further
            kernels.unary(op, array(DType.F64, Shape.of(1), x), wide);
            if (Double.isFinite(expected)) {
                assertThat(wide.get(0)).isCloseTo(expected, within(1e-14 * Math.abs(expected)));
            } else {
                assertThat(wide.get(0)).isEqualTo(Double.valueOf(expected));
            }
        }
    }

    @Test
    void everyUnaryFunctionHasAKnownValue() {
        assertThat(unary().map(a -> a.get()[0]).distinct()).containsExactly((Object[]) Unary.values());
    }

    @ParameterizedTest
    @CsvSource({
        "0.5, 0.5204998778130465",
        "1, 0.8427007929497149",
        "2, 0.9953222650189527",
        "2.5, 0.999593047982555",
        "3, 0.9999779095030014",
        "-1, -0.8427007929497149",
        "-4, -0.9999999845827421",
        "1e-10, 1.1283791670955126e-10",
    })
    void errorFunctionHasKnownValues(double x, double expected) {
        assertThat(ErrorFunction.erf(x)).isCloseTo(expected, within(4e-16 * Math.max(1e-10, Math.abs(expected))));
    }

    @ParameterizedTest
    @CsvSource({
        "0, 1",
        "0.5, 0.4795001221869535",
        "2.4999, 0.0004071699003334514",
        "2.5, 4.069520174449589e-04",
        "3, 2.209049699858544e-05",
        "5, 1.5374597944280349e-12",
        "10, 2.088487583762545e-45",
        "-1, 1.8427007929497148",
        "-30, 2",
    })
    void complementaryErrorFunctionKeepsItsDigitsInTheTail(double x, double expected) {
        assertThat(ErrorFunction.erfc(x)).isCloseTo(expected, within(1e-9 * expected));
    }

    static Stream<Arguments> binary() {
        return Stream.of(
                arguments(Binary.ADD, 1.5, -4, -2.5),
                arguments(Binary.SUBTRACT, 1.5, -4, 5.5),
                arguments(Binary.MULTIPLY, 1.5, -4, -6),
                arguments(Binary.MULTIPLY, 0, INFINITY, NAN),
                arguments(Binary.DIVIDE, 1.5, -4, -0.375),
                arguments(Binary.DIVIDE, 1, 0, INFINITY),
                arguments(Binary.MIN, 1, 2, 1),
                arguments(Binary.MIN, NAN, 2, NAN),
                arguments(Binary.MAX, 1, 2, 2),
                arguments(Binary.MAX, 1, NAN, NAN),
                arguments(Binary.POWER, 2, -3, 0.125),
                arguments(Binary.POWER, -2, 0.5, NAN),
                arguments(Binary.EQUAL, 2, 2, 1),
                arguments(Binary.EQUAL, NAN, NAN, 0),
                arguments(Binary.EQUAL, 0.0, -0.0, 1),
                arguments(Binary.LESS, 1, 2, 1),
                arguments(Binary.LESS, 2, 2, 0),
                arguments(Binary.LESS, NAN, 2, 0),
                arguments(Binary.LESS_EQUAL, 2, 2, 1),
                arguments(Binary.LESS_EQUAL, 3, 2, 0));
    }

    @ParameterizedTest
    @MethodSource("binary")
    void computesBinaryFunctions(Binary op, double a, double b, double expected) {
        NdArray out = zeros(op.isComparison() ? DType.BOOL : DType.F32, 1);

        kernels.binary(op, row(a), row(b), out);

        assertThat(out.get(0)).isEqualTo(Double.valueOf(expected));
    }

    @ParameterizedTest
    @CsvSource({
        "ADD, 9223372036854775807, 1, -9223372036854775808",
        "SUBTRACT, 3, 10, -7",
        "MULTIPLY, 4611686018427387904, 2, -9223372036854775808",
        "DIVIDE, -7, 2, -3",
        "MIN, -7, 2, -7",
        "MAX, -7, 2, 2",
        "POWER, 3, 4, 81",
        "POWER, -2, 63, -9223372036854775808",
        "POWER, 5, 0, 1",
        "POWER, 2, -1, 0",
        "POWER, -1, -3, -1",
        "POWER, -1, -4, 1",
        "EQUAL, 9007199254740993, 9007199254740992, 0",
        "LESS, 9007199254740992, 9007199254740993, 1",
        "LESS_EQUAL, 5, 5, 1",
    })
    void computesWithIntegersExactly(Binary op, long a, long b, long expected) {
        NdArray out = zeros(op.isComparison() ? DType.BOOL : DType.I64, 1);

        kernels.binary(op, integer(a), integer(b), out);

        assertThat(out.getLong(0)).isEqualTo(expected);
    }

    private static NdArray integer(long value) {
        NdArray x = zeros(DType.I64, 1);
        x.memory().set(ValueLayout.JAVA_LONG, 0, value);
        return x;
    }

    @Test
    void anIntegerCannotBeDividedByZero() {
        assertThatThrownBy(() -> kernels.binary(Binary.DIVIDE, integer(3), integer(0), zeros(DType.I64, 1)))
                .isInstanceOf(ArithmeticException.class)
                .hasMessage("binary DIVIDE: the integer 3 is divided by 0");
    }

    @Test
    void unsignedIntegersCompareAsUnsigned() {
        NdArray large = integer(-1).reinterpret(DType.U64);
        NdArray out = zeros(DType.BOOL, 1);

        kernels.binary(Binary.LESS, integer(1).reinterpret(DType.U64), large, out);

        assertThat(out.getLong(0)).isEqualTo(1);
    }

    @Test
    void stretchesBothArguments() {
        NdArray out = zeros(2, 3);

        kernels.binary(Binary.ADD, row(10, 20).unsqueeze(1), row(1, 2, 3), out);

        assertThat(elements(out)).containsExactly(11, 12, 13, 21, 22, 23);
    }

    @Test
    void choosesByCondition() {
        NdArray out = zeros(2, 2);

        kernels.where(array(DType.BOOL, Shape.of(2), 1, 0), row(5, 6), row(7, 8).unsqueeze(1), out);

        assertThat(elements(out)).containsExactly(5, 7, 5, 8);
    }

    @Test
    void inPlaceGivesTheSameAsIntoAnotherArray() {
        NdArray x = row(-2, -0.5, 0.25, 3);
        NdArray other = zeros(4);
        kernels.unary(Unary.GELU, x, other);

        kernels.unary(Unary.GELU, x, x);

        assertThat(elements(x)).containsExactly(elements(other));
        assertThat(Arrays.stream(elements(x)).sum()).isNotZero();
    }
}
