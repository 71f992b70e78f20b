package dev.palimpsest.kernels.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The matrix product against its definition, over the edges of tiles, groups, panels and blocks.
class VectorMatmulTest {
    private static final DType[] TYPES = {DType.F32, DType.BF16, DType.F16};
    private static final int[] ROW_MAJOR = {0, 1};
    private static final int[] TRANSPOSED = {1, 0};

    private final Kernels reference = new ScalarKernels();
    private final Arena arena = Arena.ofShared();
    private final Operands operands = new Operands(arena, 17);

    @AfterEach
    void release() {
        arena.close();
    }

    static IntStream widths() {
        return Operands.widths();
    }

    /// Every sum of k products of normal numbers accumulates a rounding error of about 2^-25 k.
    private static double tolerance(int k) {
        return 3e-7 * (k + 16);
    }

    private void check(Kernels kernels, NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
        NdArray expected = operands.poisoned(out.shape().dims());
        reference.matmul(a, b, expected, epilogue);
        kernels.matmul(a, b, out, epilogue);
        Operands.assertClose(out, expected, tolerance(a.dim(-1)), a + " x " + b);
        assertThat(Operands.written(out)).as("elements written").isEqualTo(out.elements());
    }

    @ParameterizedTest
    @MethodSource("widths")
    void everyEdgeOfATileComputesItsRowsAndColumnsAndNothingElse(int bits) {
        Tiles tiles = Tiles.of(bits);
        int lanes = tiles.lanes();
        int[] columns = {1, lanes - 1, lanes, lanes + 1, 2 * lanes + 1, tiles.columns(), tiles.columns() + 1, 131};
        int variant = 0;
        try (Parallel parallel = new Parallel(2)) {
            Kernels kernels = new VectorKernels(parallel, bits);
            for (int m : new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 47, 49, 100}) {
                for (int n : columns) {
                    int k = new int[] {1, 3, 37, 80, 129}[variant % 5];
                    NdArray a = operands.strided(
                            TYPES[variant % 3], variant % 4, variant % 2 == 0 ? ROW_MAJOR : TRANSPOSED, m, k);
                    NdArray b = operands.strided(
                            TYPES[variant / 3 % 3], variant % 3, variant / 2 % 2 == 0 ? ROW_MAJOR : TRANSPOSED, k, n);
                    NdArray out = operands.poisoned(variant % 2 * 5, variant % 7 == 0 ? TRANSPOSED : ROW_MAJOR, m, n);
                    check(kernels, a, b, out, operands.epilogue(variant % 16, out.shape(), 1));
                    variant++;
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("widths")
    void longInnerDimensionsRunInBlocks(int bits) {
        try (Parallel parallel = new Parallel(2)) {
            Kernels kernels = new VectorKernels(parallel, bits);
            for (int m : new int[] {3, 20, 70}) {
                for (int k : new int[] {2048, 2049, 5000, 16385}) {
                    NdArray a = operands.dense(m, k);
                    NdArray b = operands.dense(DType.BF16, 70, k).transpose(0, 1);
                    check(kernels, a, b, operands.poisoned(m, 70), operands.epilogue(9, Shape.of(m, 70), 1));
                }
            }
        }
    }

    @Test
    void manyPanelsAreSharedInSeveralPortions() {
        try (Parallel parallel = new Parallel(2)) {
            int k = 3000;
            NdArray a = operands.dense(50, k);
            NdArray b = operands.dense(k, 800);
            check(new VectorKernels(parallel), a, b, operands.poisoned(50, 800), Epilogue.NONE);
        }
    }

    @Test
    void elementsWithStridesOnEveryAxisArePackedOneByOne() {
        try (Parallel parallel = new Parallel(1)) {
            Kernels kernels = new VectorKernels(parallel);
            for (int m : new int[] {2, 60}) {
                NdArray a = operands.dense(DType.F16, m, 120).every(1, 1, 3);
                NdArray b = operands.dense(40, 90).every(0, 0, 1).every(1, 0, 2);
                NdArray out = operands.poisoned(m, 90).every(1, 0, 2);
                check(kernels, a, b, out, operands.epilogue(15, out.shape(), 1));
            }
        }
    }

    @Test
    void anEmptyInnerDimensionGivesTheEpilogueOfZero() {
        try (Parallel parallel = new Parallel(2)) {
            Kernels kernels = new VectorKernels(parallel);
            for (int m : new int[] {1, 60}) {
                NdArray a = operands.dense(m, 0);
                NdArray b = operands.dense(0, 20);
                check(kernels, a, b, operands.poisoned(m, 20), operands.epilogue(9, Shape.of(m, 20), 1));
            }
        }
    }

    @Test
    void emptyOutputsAreLeftAlone() {
        try (Parallel parallel = new Parallel(2)) {
            Kernels kernels = new VectorKernels(parallel);
            kernels.matmul(operands.dense(0, 5), operands.dense(5, 3), operands.poisoned(0, 3), Epilogue.NONE);
            kernels.matmul(operands.dense(3, 5), operands.dense(5, 0), operands.poisoned(3, 0), Epilogue.NONE);
        }
    }

    @Test
    void batchesShareTheRightSideOrHaveTheirOwn() {
        try (Parallel parallel = new Parallel(2)) {
            Kernels kernels = new VectorKernels(parallel);
            int[][] rightSides = {{1, 1}, {4, 1}, {1, 3}, {4, 3}};
            for (int[] lead : rightSides) {
                for (int m : new int[] {1, 11, 40}) {
                    NdArray a = operands.strided(DType.F32, 2, new int[] {1, 0, 2, 3}, 4, 3, m, 65);
                    NdArray b = operands.dense(DType.F16, lead[0], lead[1], 70, 65)
                            .transpose(2, 3)
                            .expand(Shape.of(4, 3, 65, 70));
                    for (int which : new int[] {0, 13}) {
                        NdArray out = operands.poisoned(4, 3, m, 70);
                        check(kernels, a, b, out, operands.epilogue(which, out.shape(), 3));
                    }
                }
            }
        }
    }

    @Test
    void largeProductsOfABatchRunOneAfterAnother() {
        try (Parallel parallel = new Parallel(2)) {
            NdArray a = operands.dense(2, 300, 300);
            NdArray b = operands.dense(2, 300, 300);
            check(new VectorKernels(parallel), a, b, operands.poisoned(2, 300, 300), Epilogue.NONE);
        }
    }

    @Test
    void gatesAndResidualsStretchAlongAnyAxis() {
        try (Parallel parallel = new Parallel(2)) {
            Kernels kernels = new VectorKernels(parallel);
            NdArray a = operands.dense(2, 30, 64);
            NdArray b = operands.dense(64, 50).unsqueeze(0).expand(Shape.of(2, 64, 50));
            for (int[] shape : new int[][] {{1}, {50}, {30, 1}, {2, 1, 50}, {2, 30, 1}}) {
                Epilogue epilogue =
                        Epilogue.NONE.withGate(operands.dense(shape)).withResidual(operands.dense(shape));
                check(kernels, a, b, operands.poisoned(2, 30, 50), epilogue);
            }
        }
    }

    @Test
    void theResidualMayBeTheOutputItself() {
        try (Parallel parallel = new Parallel(2)) {
            NdArray a = operands.dense(33, 64);
            NdArray b = operands.dense(64, 50);
            NdArray expected = operands.dense(33, 50);
            NdArray actual = operands.poisoned(33, 50);
            reference.copy(expected, actual);
            reference.matmul(a, b, expected, Epilogue.NONE.withResidual(expected));
            new VectorKernels(parallel).matmul(a, b, actual, Epilogue.NONE.withResidual(actual));
            Operands.assertClose(actual, expected, tolerance(64), "in place");
        }
    }

    @Test
    void infinitiesAndNansReachTheirRowOrColumnOnly() {
        try (Parallel parallel = new Parallel(1)) {
            Kernels kernels = new VectorKernels(parallel);
            for (DType type : TYPES) {
                for (int m : new int[] {5, 50}) {
                    NdArray a = operands.dense(m, 70);
                    NdArray b = operands.dense(type, 40, 70).transpose(0, 1);
                    a.set(Double.NaN, 2, 3);
                    b.set(Double.POSITIVE_INFINITY, 69, 7);
                    NdArray out = operands.dense(m, 40);
                    kernels.matmul(a, b, out, Epilogue.NONE);
                    for (int i = 0; i < m; i++) {
                        for (int j = 0; j < 40; j++) {
                            assertThat(Double.isNaN(out.get(i, j))).isEqualTo(i == 2);
                            assertThat(Double.isInfinite(out.get(i, j))).isEqualTo(i != 2 && j == 7);
                        }
                    }
                }
            }
        }
    }

    @Test
    void theNumberOfThreadsDoesNotChangeABit() {
        int[][] shapes = {{1, 300, 700}, {8, 130, 1024}, {33, 257, 515}, {200, 700, 2500}, {130, 90, 17000}};
        for (int[] s : shapes) {
            NdArray a = operands.dense(s[0], s[2]);
            NdArray b = operands.dense(DType.BF16, s[1], s[2]).transpose(0, 1);
            Epilogue epilogue = operands.epilogue(11, Shape.of(s[0], s[1]), 1);
            byte[] expected = null;
            for (int threads : new int[] {1, 2, 3}) {
                try (Parallel parallel = new Parallel(threads)) {
                    NdArray out = operands.poisoned(s[0], s[1]);
                    new VectorKernels(parallel).matmul(a, b, out, epilogue);
                    byte[] bits = Operands.bits(out);
                    assertThat(expected == null || Arrays.equals(bits, expected))
                            .as("%d threads, %s", threads, Arrays.toString(s))
                            .isTrue();
                    expected = bits;
                }
            }
        }
    }

    @Test
    void packedOperandsStayWithinTheirBudget() {
        try (Parallel parallel = new Parallel(2)) {
            VectorKernels kernels = new VectorKernels(parallel);
            kernels.matmul(operands.dense(64, 9000), operands.dense(9000, 700), operands.dense(64, 700), Epilogue.NONE);
            assertThat(kernels.workspaceBytes()).isBetween(1L << 20, 16L << 20);
        }
    }
}
