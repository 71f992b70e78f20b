package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What the op cases, which run on every provider, are too small for: several groups of rows, blocks of the inner
/// dimension and portions of panels; and numbers that are none.
class X86MatmulTest {
    private final Kernels reference = new ScalarKernels();
    private final Arena arena = Arena.ofShared();
    private final Random random = new Random(23);

    @BeforeEach
    void needsMachineCode() {
        assumeTrue(MachineCode.isAvailable(), MachineCode.detail());
    }

    @AfterEach
    void release() {
        arena.close();
    }

    private NdArray array(DType type, int... dims) {
        Shape shape = Shape.of(dims);
        NdArray x = NdArray.of(arena.allocate(Math.max(1, shape.elements() * type.bytes()), 64), type, shape);
        for (long i = 0; i < shape.elements(); i++) {
            float v = (float) random.nextGaussian();
            switch (type) {
                case F32 -> x.memory().setAtIndex(JAVA_FLOAT, i, v);
                case BF16 -> x.memory().setAtIndex(JAVA_SHORT, i, BFloat16.fromFloat(v));
                default -> x.memory().setAtIndex(JAVA_SHORT, i, Float.floatToFloat16(v));
            }
        }
        return x;
    }

    private static byte[] bits(NdArray x) {
        return x.memory().toArray(JAVA_BYTE);
    }

    private static void assertClose(NdArray actual, NdArray expected, double tolerance) {
        for (int i = 0; i < expected.dim(0); i++) {
            for (int j = 0; j < expected.dim(1); j++) {
                double difference = Math.abs(actual.get(i, j) - expected.get(i, j));
                assertThat(difference).as("element (%d, %d)", i, j).isLessThanOrEqualTo(tolerance);
            }
        }
    }

    /// Asserts that two numbers are equal, any NaN to any other.
    private static void assertSame(double actual, double expected, String what) {
        assertThat(Double.valueOf(actual)).as(what).isEqualTo(Double.valueOf(expected));
    }

    /// Rounding errors of sums of k products of normal numbers.
    private static double tolerance(int k) {
        return 3e-7 * (k + 16);
    }

    @Test
    void groupsBlocksAndPortionsMakeNoDifference() {
        int[][] sizes = {{230, 3000, 70}, {101, 1281, 97}, {1, 4100, 700}, {29, 8200, 330}, {400, 64, 33}};
        try (Parallel one = new Parallel(1);
                Parallel three = new Parallel(3)) {
            for (int[] s : sizes) {
                NdArray a = array(DType.F32, s[0], s[1]);
                NdArray weight = array(DType.F32, s[2], s[1]);
                Epilogue epilogue = Epilogue.bias(array(DType.F32, s[2])).withActivation(Activation.SILU);
                NdArray expected = array(DType.F32, s[0], s[2]);
                reference.matmul(a, weight.transpose(0, 1), expected, epilogue);

                NdArray out = array(DType.F32, s[0], s[2]);
                new X86Kernels(one).matmul(a, weight.transpose(0, 1), out, epilogue);
                assertClose(out, expected, tolerance(s[1]));

                NdArray again = array(DType.F32, s[0], s[2]);
                new X86Kernels(three).matmul(a, weight.transpose(0, 1), again, epilogue);
                assertThat(bits(again)).isEqualTo(bits(out));
            }
        }
    }

    @Test
    void packedProductsHaveTheSameBitsOnAnyNumberOfThreads() {
        try (Parallel one = new Parallel(1);
                Parallel three = new Parallel(3)) {
            NdArray a = array(DType.F32, 230, 3001);
            NdArray b = array(DType.F32, 150, 3001).transpose(0, 1);
            for (Arithmetic arithmetic : Arithmetic.values()) {
                Kernels kernels = new X86Kernels(one);
                PackedMatrix packed = kernels.pack(b, arithmetic, 0, arena);
                NdArray out = array(DType.F32, 230, 150);
                kernels.matmul(a, packed, out, Epilogue.NONE);

                NdArray again = array(DType.F32, 230, 150);
                Kernels more = new X86Kernels(three);
                more.matmul(a, more.pack(b, arithmetic, 0, arena), again, Epilogue.NONE);
                assertThat(bits(again)).as(arithmetic.toString()).isEqualTo(bits(out));
            }
        }
    }

    @Test
    void sumsThatGoFromRegistersToTheOutputHaveTheSameBits() {
        try (Parallel two = new Parallel(2)) {
            Kernels kernels = new X86Kernels(two);
            for (int k : new int[] {70, 6001}) {
                NdArray a = array(DType.F32, 45, k);
                NdArray b = array(DType.F32, 112, k).transpose(0, 1); // the last panel has one vector
                Epilogue[] epilogues = {
                    Epilogue.NONE,
                    Epilogue.bias(array(DType.F32, 112)),
                    Epilogue.NONE.withResidual(array(DType.F32, 45, 112)),
                    Epilogue.bias(array(DType.F32, 112))
                            .withResidual(array(DType.F32, 45, 130).slice(1, 9, 121))
                };
                // a gate of ones changes nothing, but micro-kernels do not know gates
                NdArray ones = NdArray.of(arena.allocate(4, 4), DType.F32, Shape.of(1));
                ones.set(1, 0);
                for (Arithmetic arithmetic : Arithmetic.values()) {
                    PackedMatrix packed = kernels.pack(b, arithmetic, 0, arena);
                    for (Epilogue epilogue : epilogues) {
                        NdArray out = array(DType.F32, 45, 112);
                        kernels.matmul(a, packed, out, epilogue);
                        NdArray gated = array(DType.F32, 45, 112);
                        kernels.matmul(a, packed, gated, epilogue.withGate(ones.expand(Shape.of(45, 112))));
                        assertThat(bits(out))
                                .as("%s, %d, %s", arithmetic, k, epilogue)
                                .isEqualTo(bits(gated));
                    }
                }
            }
        }
    }

    @Test
    void tasksThatBecomeSmallerTowardsTheEndMakeNoDifference() {
        NdArray a = array(DType.F32, 200, 1500);
        NdArray b = array(DType.F32, 1300, 1500).transpose(0, 1); // 41 panels, the last with 20 columns
        for (Arithmetic arithmetic : Arithmetic.values()) {
            NdArray expected = array(DType.F32, 200, 1300);
            for (int threads : new int[] {1, 2, 5}) {
                try (Parallel parallel = new Parallel(threads)) {
                    Kernels kernels = new X86Kernels(parallel);
                    NdArray out = threads == 1 ? expected : array(DType.F32, 200, 1300);
                    kernels.matmul(a, kernels.pack(b, arithmetic, 0, arena), out, Epilogue.NONE);
                    assertThat(bits(out))
                            .as("%s on %d threads", arithmetic, threads)
                            .isEqualTo(bits(expected));
                }
            }
        }
    }

    @Test
    void leftSidesOfAnyLayoutAreConvertedInPortions() {
        try (Parallel two = new Parallel(2)) {
            Kernels kernels = new X86Kernels(two);
            int k = 5000; // 12 MiB hold 629 rows of f32
            NdArray b = array(DType.BF16, 40, k).transpose(0, 1);
            for (NdArray a : new NdArray[] {
                array(DType.F32, k, 700).transpose(0, 1),
                array(DType.F16, 700, k),
                array(DType.F32, 700, 2 * k).every(1, 0, 2)
            }) {
                NdArray expected = array(DType.F32, 700, 40);
                reference.matmul(a, b, expected, Epilogue.NONE);
                NdArray out = array(DType.F32, 700, 40);
                kernels.matmul(a, b, out, Epilogue.NONE);
                assertClose(out, expected, tolerance(k));
                PackedMatrix packed = kernels.pack(b, Arithmetic.F32, 0, arena);
                kernels.matmul(a, packed, out, Epilogue.NONE);
                assertClose(out, expected, tolerance(k));
            }
        }
    }

    @Test
    void infinitiesAndNansStayInTheirRowsAndColumns() {
        try (Parallel one = new Parallel(1)) {
            Kernels kernels = new X86Kernels(one);
            int k = 70;
            for (DType type : new DType[] {DType.F32, DType.BF16, DType.F16}) {
                NdArray a = array(DType.F32, 30, k);
                NdArray b = array(type, 50, k);
                a.set(Float.NaN, 3, 69);
                a.set(Float.POSITIVE_INFINITY, 17, 0);
                b.set(Float.NEGATIVE_INFINITY, 49, 5);
                b.set(Float.NaN, 11, 68);
                NdArray expected = array(DType.F32, 30, 50);
                reference.matmul(a, b.transpose(0, 1), expected, Epilogue.NONE);
                NdArray out = array(DType.F32, 30, 50);
                kernels.matmul(a, b.transpose(0, 1), out, Epilogue.NONE);
                for (int i = 0; i < 30; i++) {
                    for (int j = 0; j < 50; j++) {
                        double e = expected.get(i, j);
                        if (Double.isFinite(e)) {
                            assertThat(out.get(i, j)).isCloseTo(e, offset(tolerance(k)));
                        } else {
                            assertSame(out.get(i, j), e, type + " (" + i + ", " + j + ")");
                        }
                    }
                }
            }
        }
    }

    @Test
    void aRowThatIsNotFiniteBecomesNanWhenItIsQuantised() {
        try (Parallel one = new Parallel(1)) {
            Kernels kernels = new X86Kernels(one);
            assumeTrue(MachineCode.kernels().supports(TileType.U8_I8), "no 8-bit products on this processor");
            NdArray a = array(DType.F32, 20, 33);
            a.set(Float.NaN, 2, 32);
            a.set(Float.NEGATIVE_INFINITY, 5, 0);
            PackedMatrix packed = kernels.pack(array(DType.F32, 40, 33).transpose(0, 1), Arithmetic.INT8, 0, arena);
            NdArray out = array(DType.F32, 20, 40);

            kernels.matmul(a, packed, out, Epilogue.NONE);

            for (int i = 0; i < 20; i++) {
                for (int j = 0; j < 40; j++) {
                    assertThat(Double.isNaN(out.get(i, j))).as("(%d, %d)", i, j).isEqualTo(i == 2 || i == 5);
                }
            }
        }
    }

    @Test
    void subnormalNumbersCount() {
        try (Parallel one = new Parallel(1)) {
            NdArray a = array(DType.F32, 10, 40);
            NdArray b = array(DType.F32, 20, 40);
            for (int i = 0; i < 40; i++) {
                for (int r = 0; r < 10; r++) {
                    a.set(Float.MIN_VALUE * (1 + (i + r) % 7), r, i);
                }
                for (int j = 0; j < 20; j++) {
                    b.set(1 + j % 3, j, i);
                }
            }
            NdArray expected = array(DType.F32, 10, 20);
            reference.matmul(a, b.transpose(0, 1), expected, Epilogue.NONE);
            NdArray out = array(DType.F32, 10, 20);
            new X86Kernels(one).matmul(a, b.transpose(0, 1), out, Epilogue.NONE);

            assertThat(bits(out)).isEqualTo(bits(expected));
        }
    }

    @Test
    void activationsOfExtremeNumbersAreThoseOfTheReference() {
        try (Parallel one = new Parallel(1)) {
            float[] values = {
                0,
                -0f,
                1e-30f,
                -1e-30f,
                1,
                -1,
                20,
                -20,
                88,
                -88,
                100,
                -100,
                1e30f,
                -1e30f,
                Float.MAX_VALUE,
                Float.POSITIVE_INFINITY,
                Float.NEGATIVE_INFINITY,
                Float.NaN
            };
            NdArray a = array(DType.F32, 9, 1);
            NdArray b = array(DType.F32, 1, values.length);
            for (int i = 0; i < 9; i++) {
                a.set(1, i, 0);
            }
            for (int j = 0; j < values.length; j++) {
                b.set(values[j], 0, j);
            }
            for (Activation activation : Activation.values()) {
                NdArray expected = array(DType.F32, 9, values.length);
                reference.matmul(a, b, expected, Epilogue.NONE.withActivation(activation));
                NdArray out = array(DType.F32, 9, values.length);
                new X86Kernels(one).matmul(a, b, out, Epilogue.NONE.withActivation(activation));
                for (int j = 0; j < values.length; j++) {
                    double e = expected.get(8, j);
                    if (Double.isFinite(e)) {
                        assertThat(out.get(8, j))
                                .as("%s of %s", activation, values[j])
                                .isCloseTo(e, offset(3e-7 * Math.abs(e) + 1e-37));
                    } else {
                        assertSame(out.get(8, j), e, activation + " of " + values[j]);
                    }
                }
            }
        }
    }

    @Test
    void memoryThatIsGoneIsNoticedBeforeItIsRead() {
        try (Parallel one = new Parallel(1)) {
            Kernels kernels = new X86Kernels(one);
            NdArray a = array(DType.F32, 20, 30);
            NdArray out = array(DType.F32, 20, 10);
            PackedMatrix packed;
            NdArray gone;
            try (Arena brief = Arena.ofShared()) {
                packed = kernels.pack(array(DType.F32, 30, 10), Arithmetic.F32, 0, brief);
                gone = NdArray.of(brief.allocate(4 * 300, 64), DType.F32, Shape.of(30, 10));
            }
            assertThatThrownBy(() -> kernels.matmul(a, packed, out, Epilogue.NONE))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("matmul: the arena of an operand is already closed");
            assertThatThrownBy(() -> kernels.matmul(a, gone, out, Epilogue.NONE))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void weightsThatNoIntegerCanStandForAreNamed() {
        try (Parallel one = new Parallel(1)) {
            Kernels kernels = new X86Kernels(one);
            NdArray b = array(DType.F32, 50, 40);
            b.set(Float.NaN, 7, 38);
            assertThatThrownBy(() -> kernels.pack(b, Arithmetic.INT8_WEIGHT_ONLY, 0, arena))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("pack: (50, 40): element (7, 38) is NaN, which no integer can stand for");
        }
    }

    @Test
    void aMatrixOfAnotherProviderIsRefused() {
        try (Parallel one = new Parallel(1)) {
            PackedMatrix foreign = new Foreign(Shape.of(30, 10), Arithmetic.F32, DType.F32, 0, 0);
            assertThatThrownBy(() -> new X86Kernels(one)
                            .matmul(array(DType.F32, 2, 30), foreign, array(DType.F32, 2, 10), Epilogue.NONE))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    /// What this provider knows nothing of.
    private record Foreign(Shape shape, Arithmetic arithmetic, DType weightType, int groupSize, long bytes)
            implements PackedMatrix {}
}
