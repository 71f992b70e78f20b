package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.cases.TestArrays;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/// Packed matrices beyond the cases that all ops share: what they refuse, what they hold, how exact they are.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PackedMatrixTest {
    private Parallel parallel = new Parallel(1);
    private List<Kernels> providers = List.of();

    @BeforeAll
    void start() {
        parallel = new Parallel(2);
        providers = KernelProviders.tiers().stream()
                .filter(KernelSelection.Tier::available)
                .map(t -> KernelProviders.create(t.name(), parallel))
                .toList();
    }

    @AfterAll
    void stop() {
        parallel.close();
    }

    /// Relative L2 errors as the documentation of [Arithmetic] states them, for operands from a normal distribution:
    /// rounded up to one digit.
    @ParameterizedTest
    @CsvSource({"F32,0,1e-6", "BF16,0,3e-3", "INT8_WEIGHT_ONLY,0,9e-3", "INT8_WEIGHT_ONLY,64,6e-3", "INT8,0,2e-2"})
    void errorsAgainstDoublePrecisionAreAsDocumented(Arithmetic arithmetic, int group, double stated) {
        int k = 2048;
        NdArray a = TestArrays.normal(1, 24, k);
        NdArray weight = TestArrays.normal(2, 96, k);
        NdArray exact = TestArrays.zeros(24, 96);
        new ScalarKernels().matmul(a, weight.transpose(0, 1), exact, Epilogue.NONE);
        for (Kernels kernels : providers) {
            try (Arena arena = Arena.ofShared()) {
                NdArray out = TestArrays.zeros(24, 96);
                kernels.matmul(a, kernels.pack(weight.transpose(0, 1), arithmetic, group, arena), out, Epilogue.NONE);
                double error = relativeError(out, exact);
                assertThat(error).as("%s, %s", kernels.name(), arithmetic).isLessThan(stated);
                if (arithmetic != Arithmetic.F32) {
                    assertThat(error)
                            .as("%s, %s: the documented error is not far off", kernels.name(), arithmetic)
                            .isGreaterThan(stated / 3);
                }
            }
        }
    }

    private static double relativeError(NdArray actual, NdArray expected) {
        double[] a = TestArrays.elements(actual);
        double[] e = TestArrays.elements(expected);
        double difference = 0;
        double size = 0;
        for (int i = 0; i < a.length; i++) {
            difference += (a[i] - e[i]) * (a[i] - e[i]);
            size += e[i] * e[i];
        }
        return Math.sqrt(difference / size);
    }

    @Test
    void weightsKeepTheirSizeOrShrink() {
        for (Kernels kernels : providers) {
            try (Arena arena = Arena.ofShared()) {
                NdArray f32 = TestArrays.zeros(DType.F32, 256, 320).transpose(0, 1);
                NdArray bf16 = TestArrays.zeros(DType.BF16, 256, 320).transpose(0, 1);
                NdArray f16 = TestArrays.zeros(DType.F16, 256, 320).transpose(0, 1);
                long n = 256 * 320;

                assertHolds(kernels.pack(f32, Arithmetic.F32, 0, arena), DType.F32, 4 * n);
                assertHolds(kernels.pack(bf16, Arithmetic.F32, 0, arena), DType.BF16, 2 * n);
                assertHolds(kernels.pack(f16, Arithmetic.F32, 0, arena), DType.F16, 2 * n);
                assertHolds(kernels.pack(f32, Arithmetic.BF16, 0, arena), DType.BF16, 2 * n);
                assertHolds(kernels.pack(f32, Arithmetic.INT8, 0, arena), DType.I8, n);
                assertHolds(kernels.pack(f32, Arithmetic.INT8_WEIGHT_ONLY, 0, arena), DType.I8, n);
            }
        }
    }

    private static void assertHolds(PackedMatrix packed, DType type, long bytes) {
        assertThat(packed.shape()).isEqualTo(Shape.of(320, 256));
        assertThat(packed.weightType()).isEqualTo(type);
        assertThat(packed.bytes()).isBetween(bytes, bytes + bytes / 10 + 4096);
    }

    @ParameterizedTest
    @EnumSource(Arithmetic.class)
    void nanAndInfinityInARowStayInThatRow(Arithmetic arithmetic) {
        for (Kernels kernels : providers) {
            for (double value : new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
                for (int m : new int[] {3, 40}) {
                    NdArray a = TestArrays.normal(3, m, 50);
                    a.set(value, 1, 7);
                    NdArray out = TestArrays.zeros(m, 35);
                    try (Arena arena = Arena.ofShared()) {
                        NdArray b = TestArrays.normal(4, 50, 35);
                        kernels.matmul(a, kernels.pack(b, arithmetic, 0, arena), out, Epilogue.NONE);
                    }
                    for (int i = 0; i < m; i++) {
                        for (int j = 0; j < 35; j++) {
                            assertThat(Double.isFinite(out.get(i, j)))
                                    .as("%s, %s: element (%d, %d) for %s", kernels.name(), arithmetic, i, j, value)
                                    .isEqualTo(i != 1);
                        }
                    }
                }
            }
        }
    }

    @Test
    void infinitiesAndNansAmongFloatingWeightsReachTheirColumn() {
        for (Kernels kernels : providers) {
            for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
                NdArray b = TestArrays.zeros(type, 20, 70);
                for (int i = 0; i < 20; i++) {
                    for (int j = 0; j < 70; j++) {
                        b.set(1 + i % 3, i, j);
                    }
                }
                b.set(Double.POSITIVE_INFINITY, 5, 3);
                b.set(Double.NaN, 19, 69);
                NdArray out = TestArrays.zeros(2, 70);
                try (Arena arena = Arena.ofShared()) {
                    NdArray a = TestArrays.normal(5, 2, 20);
                    kernels.matmul(a, kernels.pack(b, Arithmetic.F32, 0, arena), out, Epilogue.NONE);
                }
                for (int j = 0; j < 70; j++) {
                    double value = out.get(1, j);
                    assertThat(
                                    j == 3
                                            ? Double.isInfinite(value)
                                            : j == 69 ? Double.isNaN(value) : Double.isFinite(value))
                            .as("%s, %s: column %d is %s", kernels.name(), type, j, value)
                            .isTrue();
                }
            }
        }
    }

    @Test
    void weightsThatAreNotFiniteCannotBecomeIntegers() {
        for (Kernels kernels : providers) {
            for (double value : new double[] {Double.NaN, Double.NEGATIVE_INFINITY}) {
                NdArray b = TestArrays.normal(6, 40, 70);
                b.set(value, 39, 65);
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> kernels.pack(b, Arithmetic.INT8, 0, Arena.ofAuto()))
                        .withMessageContaining("pack: (40, 70)")
                        .withMessageContaining("65");
            }
        }
    }

    /// The sizes go past what is packed at once and past the rows that are converted at once.
    @ParameterizedTest
    @EnumSource(Arithmetic.class)
    void packingInPassingGivesTheSameBits(Arithmetic arithmetic) {
        for (Kernels kernels : providers) {
            for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
                for (int[] size : new int[][] {{0, 3, 4}, {3, 0, 4}, {1, 70, 35}, {2, 4100, 1060}, {600, 1100, 70}}) {
                    NdArray a = TestArrays.normal(1, size[0], size[1]);
                    NdArray b = TestArrays.zeros(type, size[2], size[1]).transpose(0, 1);
                    kernels.copy(TestArrays.normal(2, size[2], size[1]).transpose(0, 1), b);
                    NdArray bias = TestArrays.normal(3, size[2]);
                    NdArray gate = TestArrays.normal(4, 1, size[2]);
                    NdArray expected = TestArrays.zeros(size[0], size[2]);
                    NdArray residual = TestArrays.normal(5, size[0], size[2]);
                    Epilogue epilogue = new Epilogue(bias, Activation.SILU, gate, residual);
                    try (Arena arena = Arena.ofShared()) {
                        kernels.matmul(a, kernels.pack(b, arithmetic, 0, arena), expected, epilogue);
                    }
                    NdArray out = TestArrays.zeros(size[0], size[2]);
                    kernels.matmul(a, b, out, epilogue, arithmetic);
                    assertThat(TestArrays.elements(out))
                            .as("%s, %s, %s x %s", kernels.name(), type, a.shape(), b.shape())
                            .isEqualTo(TestArrays.elements(expected));
                }
            }
        }
    }

    @Test
    void laterChangesOfTheWeightAreNotSeen() {
        for (Kernels kernels : providers) {
            NdArray b = TestArrays.matrix(new double[] {2});
            PackedMatrix packed = kernels.pack(b, Arithmetic.F32, 0, Arena.ofAuto());
            b.set(5, 0, 0);
            NdArray out = TestArrays.zeros(1, 1);
            kernels.matmul(TestArrays.matrix(new double[] {3}), packed, out, Epilogue.NONE);
            assertThat(out.get(0, 0)).isEqualTo(6, within(1e-9));
        }
    }

    @Test
    void aClosedArenaIsNoticed() {
        for (Kernels kernels : providers) {
            Arena arena = Arena.ofShared();
            PackedMatrix packed = kernels.pack(TestArrays.normal(7, 8, 8), Arithmetic.F32, 0, arena);
            arena.close();
            assertThatIllegalStateException()
                    .as(kernels.name())
                    .isThrownBy(() ->
                            kernels.matmul(TestArrays.normal(8, 2, 8), packed, TestArrays.zeros(2, 8), Epilogue.NONE));
        }
    }

    @Test
    void misfitsAreNamed() {
        NdArray b = TestArrays.zeros(32, 8);
        for (Kernels kernels : providers) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> kernels.pack(TestArrays.zeros(8), Arithmetic.F32, 0, Arena.ofAuto()))
                    .withMessageStartingWith("pack: (8): the matrix must have the axes (K, N)");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> kernels.pack(b, Arithmetic.INT8_WEIGHT_ONLY, 33, Arena.ofAuto()))
                    .withMessageStartingWith("pack: (32, 8): groups of 33 elements");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> kernels.pack(b, Arithmetic.INT8, 32, Arena.ofAuto()))
                    .withMessageContaining("INT8");
            PackedMatrix packed = kernels.pack(b, Arithmetic.F32, 0, Arena.ofAuto());
            assertThatIllegalArgumentException()
                    .isThrownBy(() ->
                            kernels.matmul(TestArrays.zeros(3, 31), packed, TestArrays.zeros(3, 8), Epilogue.NONE))
                    .withMessage("matmul: (3, 31) x packed (32, 8): inner dimensions 31 and 32 differ");
            for (Arithmetic arithmetic : Arithmetic.values()) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> kernels.matmul(
                                TestArrays.zeros(3, 31), b, TestArrays.zeros(3, 8), Epilogue.NONE, arithmetic))
                        .withMessage("matmul: (3, 31) x packed (32, 8): inner dimensions 31 and 32 differ");
            }
        }
        PackedMatrix scalar = new ScalarKernels().pack(b, Arithmetic.F32, 0, Arena.ofAuto());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> KernelProviders.create("vector", parallel)
                        .matmul(TestArrays.zeros(3, 32), scalar, TestArrays.zeros(3, 8), Epilogue.NONE))
                .withMessage("matmul: the right side (32, 8) was not packed by the vector kernels");
    }

    @Test
    void activationsAreQuantisedWithAZeroPoint() {
        Quantization.Row row = Quantization.row(-1, 4);

        assertThat(row.scale()).isEqualTo(5f / 255);
        assertThat(row.zero()).isEqualTo(51);
        assertThat(row.quantize(0)).isEqualTo(51);
        assertThat(row.quantize(4)).isEqualTo(255);
        assertThat(row.quantize(-1)).isZero();
        assertThat(Quantization.row(0, 0)).isEqualTo(new Quantization.Row(0, 0, 0));
        assertThat(Quantization.row(0, Float.POSITIVE_INFINITY).scale()).isNaN();
        assertThat(Quantization.weight(-3, Quantization.weightInverse(3))).isEqualTo((byte) -127);
        assertThat(Quantization.weightScale(Float.MIN_VALUE)).isZero();
    }
}
