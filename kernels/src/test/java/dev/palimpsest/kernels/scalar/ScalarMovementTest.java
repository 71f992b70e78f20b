package dev.palimpsest.kernels.scalar;

import static dev.palimpsest.kernels.cases.TestArrays.array;
import static dev.palimpsest.kernels.cases.TestArrays.elements;
import static dev.palimpsest.kernels.cases.TestArrays.matrix;
import static dev.palimpsest.kernels.cases.TestArrays.row;
import static dev.palimpsest.kernels.cases.TestArrays.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Reduction;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The reference's reductions, copies, row picking, interpolation and rotary embedding against values computed by
/// hand.
class ScalarMovementTest {
    private final ScalarKernels kernels = new ScalarKernels();

    @ParameterizedTest
    @CsvSource({"SUM, 6 22 38, 66", "MEAN, 1.5 5.5 9.5, 5.5", "MAX, 3 7 11, 11", "MIN, 0 4 8, 0"})
    void reducesTheAxesOnWhichTheOutputIsOne(Reduction op, String rows, double all) {
        NdArray x = matrix(new double[] {0, 1, 2, 3}, new double[] {4, 5, 6, 7}, new double[] {8, 9, 10, 11});
        NdArray eachRow = zeros(3, 1);
        NdArray everything = zeros(1, 1);
        NdArray nothing = zeros(3, 4);

        kernels.reduce(op, x, eachRow);
        kernels.reduce(op, x, everything);
        kernels.reduce(op, x, nothing);

        String[] expected = rows.split(" ", -1);
        for (int i = 0; i < 3; i++) {
            assertThat(eachRow.get(i, 0)).isEqualTo(Double.parseDouble(expected[i]));
        }
        assertThat(everything.get(0, 0)).isEqualTo(all);
        assertThat(elements(nothing)).containsExactly(elements(x));
    }

    @ParameterizedTest
    @CsvSource({"SUM, 0", "MEAN, NaN", "MAX, -Infinity", "MIN, Infinity"})
    void reducingNothingGivesTheNeutralElement(Reduction op, double expected) {
        NdArray out = row(7);

        kernels.reduce(op, zeros(0), out);

        assertThat(out.get(0)).isEqualTo(Double.valueOf(expected));
    }

    @Test
    void sumsOfIntegersAreExact() {
        NdArray out = zeros(DType.I64, 1);

        kernels.reduce(Reduction.SUM, array(DType.I64, Shape.of(3), 0x1p53, 1, 0x1p53), out);

        assertThat(out.getLong(0)).isEqualTo((1L << 54) + 1);
    }

    @Test
    void sumsDoNotLoseSmallTerms() {
        NdArray x = zeros(4097);
        kernels.fill(x, 1);
        x.set(0x1p24, 0);
        NdArray out = zeros(1);

        kernels.reduce(Reduction.SUM, x, out);

        assertThat(out.get(0)).isEqualTo(0x1p24 + 4096);
    }

    @Test
    void argmaxTakesTheFirstOfEqualsAndNaNBeforeAll() {
        double infinity = Double.POSITIVE_INFINITY;
        NdArray out = zeros(DType.I64, 3);

        kernels.argmax(
                matrix(
                        new double[] {1, 3, 3, 2},
                        new double[] {infinity, Double.NaN, infinity, Double.NaN},
                        new double[] {-infinity, -infinity, -infinity, -infinity}),
                out);

        assertThat(elements(out)).containsExactly(1, 1, 0);
    }

    @ParameterizedTest
    @CsvSource({
        "F32, I32, -2.9, -2",
        "F32, U8, 200.7, 200",
        "F32, BOOL, 0.1, 1",
        "F32, BOOL, 0, 0",
        "F32, F16, 1.00048828125, 1",
        "F32, F16, 70000, Infinity",
        "F32, BF16, 1.00390625, 1",
        "F32, BF16, 1.01171875, 1.015625",
        "F64, F32, 1.00000006, 1.00000011920928955078125",
        "I64, F32, 16777217, 16777216",
        "I32, I8, 300, 44",
        "U8, I64, 255, 255",
        "BOOL, F32, 1, 1",
        "I8, BOOL, -3, 1",
        "F32, U64, 1.8446742974197924e19, 1.8446742974197924e19",
    })
    void convertsBetweenTypes(DType from, DType to, double value, double expected) {
        NdArray out = zeros(to, 1);

        kernels.copy(array(from, Shape.of(1), value), out);

        assertThat(out.get(0)).isEqualTo(expected);
    }

    @Test
    void integersAreRoundedToFloatOnce() {
        // by way of f64 this would first become 2^62 + 2^38 and then, a tie, 2^62
        long value = (1L << 62) + (1L << 38) + 1;
        NdArray x = zeros(DType.I64, 1);
        x.memory().set(ValueLayout.JAVA_LONG, 0, value);
        NdArray out = zeros(1);

        kernels.copy(x, out);
        assertThat((float) out.get(0)).isEqualTo((float) value);

        kernels.copy(x.reinterpret(DType.U64), out);
        assertThat((float) out.get(0)).isEqualTo((float) value);
    }

    @Test
    void equalTypesAreCopiedBitForBit() {
        NdArray x = zeros(DType.F32, 1);
        x.memory().set(ValueLayout.JAVA_INT, 0, 0x7fa12345);
        NdArray out = zeros(1);

        kernels.copy(x, out);

        assertThat(out.memory().get(ValueLayout.JAVA_INT, 0)).isEqualTo(0x7fa12345);
    }

    @Test
    void copiesPermutedAndStretchedArrays() {
        NdArray x = matrix(new double[] {1, 2, 3}, new double[] {4, 5, 6});
        NdArray out = zeros(2, 3, 2);

        kernels.copy(x.transpose(0, 1), out);

        assertThat(elements(out)).containsExactly(1, 4, 2, 5, 3, 6, 1, 4, 2, 5, 3, 6);
    }

    @Test
    void gathersAndScattersRows() {
        NdArray table = matrix(new double[] {1, 2}, new double[] {3, 4}, new double[] {5, 6});
        NdArray indices = array(DType.I32, Shape.of(4), 2, 0, 2, 1);
        NdArray picked = zeros(4, 2);

        kernels.gather(table, indices, picked);
        kernels.scatterAdd(picked, indices, table);

        assertThat(elements(picked)).containsExactly(5, 6, 1, 2, 5, 6, 3, 4);
        assertThat(elements(table)).containsExactly(2, 4, 6, 8, 15, 18);
    }

    @Test
    void gatherWidensNarrowTables() {
        NdArray out = zeros(1, 2);

        kernels.gather(array(DType.BF16, Shape.of(2, 2), 1, 2, 3, 4), array(DType.I64, Shape.of(1), 1), out);

        assertThat(elements(out)).containsExactly(3, 4);
    }

    @ParameterizedTest
    @CsvSource({
        "NEAREST, 5 6 7, 5 5 6 6 7",
        "NEAREST, 1 2 3 4 5, 1 2 4",
        "LINEAR, 1 3, 1 1.5 2.5 3",
        "LINEAR, 0 1 2 3, 0.5 2.5",
        "LINEAR_ALIGN_CORNERS, 0 1 2, 0 0.5 1 1.5 2",
        "LINEAR_ALIGN_CORNERS, 4 1 2, 4",
        "AREA, 1 2 3 4 5, 1.5 3 4.5",
        "AREA, 1 5, 1 1 5 5",
        // weights 0.8671875, 0.8671875, 0.2265625, -0.0703125 over their sum
        "BICUBIC_ANTIALIAS, 1 2 3 4, 1.5867768595041323 3.4132231404958677",
        "BICUBIC_ANTIALIAS, 1 2 3 4, 1 2 3 4",
        // the same weights, -0.0703125 / (0.8671875 - 0.0703125) and 0.2265625 / (0.8671875 + 0.2265625) for the first
        // two
        "BICUBIC_ANTIALIAS, 0 1, -0.08823529411764706 0.20714285714285716 0.7928571428571428 1.088235294117647",
    })
    void interpolatesOneAxis(Interpolation mode, String from, String to) {
        double[] x = numbers(from);
        double[] expected = numbers(to);
        NdArray out = zeros(1, 1, 1, expected.length);

        kernels.interpolate(mode, row(x).reshape(Shape.of(1, 1, 1, x.length)), out);
        assertThat(elements(out)).containsExactly(expected, within(1e-6));

        NdArray upright = zeros(1, 1, expected.length, 1);
        kernels.interpolate(mode, row(x).reshape(Shape.of(1, 1, x.length, 1)), upright);
        assertThat(elements(upright)).containsExactly(elements(out));
    }

    private static double[] numbers(String text) {
        return Arrays.stream(text.split(" ", -1))
                .mapToDouble(Double::parseDouble)
                .toArray();
    }

    @Test
    void interpolatesVolumesAlongEveryAxis() {
        NdArray x = row(0, 1, 10, 11, 100, 101, 110, 111).reshape(Shape.of(1, 1, 2, 2, 2));
        NdArray out = zeros(1, 1, 3, 3, 3);

        kernels.interpolate(Interpolation.LINEAR_ALIGN_CORNERS, x, out);

        assertThat(out.get(0, 0, 1, 1, 1)).isEqualTo(55.5);
        assertThat(out.get(0, 0, 2, 0, 1)).isEqualTo(100.5);
        assertThat(out.get(0, 0, 0, 1, 2)).isEqualTo(6);
    }

    @Test
    void rotatesPairsByAngles() {
        // a quarter turn for the first pair, none for the second; the last element stays
        NdArray x = row(1, 2, 3, 4, 5).reshape(Shape.of(1, 1, 5));
        NdArray cos = row(0, 1).unsqueeze(0);
        NdArray sin = row(1, 0).unsqueeze(0);
        NdArray out = zeros(1, 1, 5);

        kernels.rope(RopeLayout.INTERLEAVED, x, cos, sin, out);
        assertThat(elements(out)).containsExactly(-2, 1, 3, 4, 5);

        kernels.rope(RopeLayout.HALF_SPLIT, x, cos, sin, out);
        assertThat(elements(out)).containsExactly(-3, 2, 1, 4, 5);
    }
}
