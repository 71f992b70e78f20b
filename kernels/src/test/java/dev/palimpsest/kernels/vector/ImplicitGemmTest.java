package dev.palimpsest.kernels.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The convolution against its definition, over layouts, paddings, strides and the edges of regions, tiles and panels.
class ImplicitGemmTest {
    private static final DType[] TYPES = {DType.F32, DType.BF16, DType.F16};
    private static final int[] CHANNELS_FIRST = {0, 1, 2, 3, 4};
    private static final int[] CHANNELS_LAST = {0, 2, 3, 4, 1};
    private static final int[] SCATTERED = {3, 1, 0, 4, 2};
    private static final int[][] LAYOUTS = {CHANNELS_LAST, CHANNELS_FIRST, SCATTERED};

    private final Kernels reference = new ScalarKernels();
    private final Arena arena = Arena.ofShared();
    private final Operands operands = new Operands(arena, 29);

    @AfterEach
    void release() {
        arena.close();
    }

    static IntStream widths() {
        return Operands.widths();
    }

    /// A geometry with the extents it is tried on.
    private record Case(Convolution op, int[] input, int[] weight) {
        static Case of(Convolution op, int n, int c, int t, int h, int w, int o, int kT, int kH, int kW) {
            return new Case(op, new int[] {n, c, t, h, w}, new int[] {o, c, kT, kH, kW});
        }
    }

    private static final Convolution CAUSAL = new Convolution(1, 1, 1, 2, 0, 1, 1, 1, 1, true);

    private static final List<Case> CASES = List.of(
            Case.of(Convolution.planar(1, 1), 2, 3, 1, 7, 9, 5, 1, 3, 3),
            Case.of(Convolution.planar(1, 1), 1, 33, 1, 5, 100, 70, 1, 3, 3),
            Case.of(Convolution.planar(2, 0), 1, 30, 1, 9, 11, 17, 1, 3, 3),
            Case.of(new Convolution(1, 2, 2, 0, 0, 0, 1, 0, 1, false), 1, 24, 1, 8, 10, 65, 1, 3, 3),
            Case.of(new Convolution(1, 2, 3, 0, 0, 3, 0, 1, 4, false), 2, 7, 1, 6, 13, 3, 1, 5, 4),
            Case.of(CAUSAL, 1, 4, 3, 5, 6, 8, 3, 3, 3),
            Case.of(CAUSAL, 2, 40, 2, 4, 13, 20, 3, 3, 3),
            Case.of(new Convolution(2, 2, 2, 2, 0, 0, 1, 0, 1, true), 1, 32, 5, 6, 8, 10, 3, 3, 3),
            Case.of(new Convolution(1, 1, 1, 1, 2, 0, 0, 0, 0, false), 1, 64, 3, 2, 5, 9, 3, 1, 1),
            Case.of(Convolution.planar(1, 2), 1, 64, 1, 1, 1, 33, 1, 1, 1),
            Case.of(Convolution.planar(1, 0), 2, 19, 2, 3, 11, 66, 1, 1, 1),
            Case.of(new Convolution(2, 3, 2, 0, 0, 0, 0, 0, 0, false), 1, 12, 3, 7, 9, 5, 1, 1, 1),
            Case.of(Convolution.planar(1, 3), 1, 2, 1, 2, 3, 4, 1, 7, 7),
            Case.of(Convolution.planar(1, 1), 1, 16, 1, 40, 8, 4, 1, 3, 3));

    private void check(Kernels kernels, Case c, int variant) {
        NdArray input = operands.strided(TYPES[variant % 3], variant % 2, LAYOUTS[variant % 3], c.input);
        NdArray weight =
                operands.strided(TYPES[variant / 3 % 3], variant % 4 / 3 * 2, LAYOUTS[(variant + 1) % 3], c.weight);
        Convolution op = c.op.in(variant / 2 % 2 == 0 ? Arithmetic.F32 : Arithmetic.BF16);
        Shape shape = op.outputShape(input.shape(), weight.shape());
        NdArray out = operands.poisoned(variant % 5, LAYOUTS[variant / 2 % 3], shape.dims());
        Epilogue epilogue = operands.epilogue(variant % 16, shape, 1);
        NdArray expected = operands.poisoned(shape.dims());
        reference.convolution(op, input, weight, expected, epilogue);
        if (variant % 3 == 0) {
            PackedFilter filter = kernels.packFilter(weight, op.arithmetic(), arena);
            kernels.convolution(op, input, filter, out, epilogue);
        } else {
            kernels.convolution(op, input, weight, out, epilogue);
        }
        int k = c.weight[1] * c.weight[2] * c.weight[3] * c.weight[4];
        Operands.assertClose(out, expected, 3e-7 * (k + 16), op + ": " + input + " * " + weight);
        assertThat(Operands.written(out)).as("elements written").isEqualTo(out.elements());
    }

    @ParameterizedTest
    @MethodSource("widths")
    void everyGeometryGivesWhatTheDefinitionGives(int bits) {
        try (Parallel parallel = new Parallel(2)) {
            Kernels kernels = new VectorKernels(parallel, bits);
            for (int i = 0; i < CASES.size(); i++) {
                for (int layout = 0; layout < 6; layout++) {
                    check(kernels, CASES.get(i), i * 7 + layout);
                }
            }
        }
    }

    @Test
    void weightsLargerThanTheSharedPanelsArePackedInPortions() {
        try (Parallel parallel = new Parallel(2)) {
            check(new VectorKernels(parallel), Case.of(CAUSAL, 1, 300, 1, 3, 4, 300, 3, 3, 3), 0);
        }
    }

    @Test
    void theResidualMayBeTheOutputItself() {
        try (Parallel parallel = new Parallel(2)) {
            NdArray input = operands.dense(1, 20, 1, 6, 7);
            NdArray weight = operands.dense(20, 20, 1, 3, 3);
            NdArray expected = operands.dense(1, 20, 1, 6, 7);
            NdArray actual = operands.poisoned(1, 20, 1, 6, 7);
            reference.copy(expected, actual);
            Convolution op = Convolution.planar(1, 1);
            reference.convolution(op, input, weight, expected, Epilogue.NONE.withResidual(expected));
            new VectorKernels(parallel).convolution(op, input, weight, actual, Epilogue.NONE.withResidual(actual));
            Operands.assertClose(actual, expected, 3e-7 * 200, "in place");
        }
    }

    @Test
    void emptyOutputsAreLeftAloneAndNoChannelsGiveTheBias() {
        try (Parallel parallel = new Parallel(1)) {
            Kernels kernels = new VectorKernels(parallel);
            Convolution op = Convolution.planar(1, 1);
            kernels.convolution(
                    op,
                    operands.dense(0, 3, 1, 4, 4),
                    operands.dense(2, 3, 1, 3, 3),
                    operands.dense(0, 2, 1, 4, 4),
                    Epilogue.NONE);
            NdArray out = operands.poisoned(1, 2, 1, 4, 4);
            NdArray bias = operands.dense(2);
            kernels.convolution(
                    op, operands.dense(1, 0, 1, 4, 4), operands.dense(2, 0, 1, 3, 3), out, Epilogue.bias(bias));
            assertThat(out.get(0, 1, 0, 3, 2)).isEqualTo(bias.get(1));
        }
    }

    @Test
    void theNumberOfThreadsDoesNotChangeABit() {
        for (Case c : List.of(CASES.get(1), CASES.get(6), Case.of(CAUSAL, 1, 64, 2, 20, 30, 200, 3, 3, 3))) {
            NdArray input = operands.dense(c.input);
            NdArray weight = operands.dense(c.weight);
            Shape shape = c.op.outputShape(input.shape(), weight.shape());
            Epilogue epilogue = operands.epilogue(15, shape, 1);
            byte[] expected = null;
            for (int threads : new int[] {1, 2, 3}) {
                try (Parallel parallel = new Parallel(threads)) {
                    NdArray out = operands.poisoned(shape.dims());
                    new VectorKernels(parallel).convolution(c.op, input, weight, out, epilogue);
                    byte[] bits = Operands.bits(out);
                    assertThat(expected == null || Arrays.equals(bits, expected))
                            .as("%d threads, %s", threads, shape)
                            .isTrue();
                    expected = bits;
                }
            }
        }
    }

    @Test
    void scratchMemoryIsBoundedHoweverLargeTheInput() {
        try (Parallel parallel = new Parallel(2)) {
            VectorKernels kernels = new VectorKernels(parallel);
            NdArray input = operands.dense(1, 600, 1, 40, 60);
            NdArray weight = operands.dense(8, 600, 1, 3, 3);
            NdArray out = operands.dense(1, 8, 1, 40, 60);
            kernels.convolution(Convolution.planar(1, 1), input, weight, out, Epilogue.NONE);
            assertThat(kernels.workspaceBytes()).isBetween(1L << 18, 20L << 20);
        }
    }

    @Test
    void refusesFiltersOfOtherProvidersAndOfOtherArithmetic() {
        try (Parallel parallel = new Parallel(1)) {
            Kernels kernels = new VectorKernels(parallel);
            Convolution op = Convolution.planar(1, 1);
            NdArray input = operands.dense(1, 3, 1, 4, 4);
            NdArray weight = operands.dense(2, 3, 1, 3, 3);
            NdArray out = operands.dense(1, 2, 1, 4, 4);
            PackedFilter foreign = reference.packFilter(weight, Arithmetic.F32, arena);
            PackedFilter own = kernels.packFilter(weight, Arithmetic.F32, arena);

            assertThatThrownBy(() -> kernels.convolution(op, input, foreign, out, Epilogue.NONE))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("convolution: the weight (2, 3, 1, 3, 3) was not packed by the vector kernels");
            assertThatThrownBy(() -> kernels.convolution(op.in(Arithmetic.BF16), input, own, out, Epilogue.NONE))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageEndingWith("it is to run in BF16 but was packed for F32");
            assertThat(own.shape()).isEqualTo(weight.shape());
            assertThat(own.bytes()).isGreaterThanOrEqualTo(4L * 2 * 27);
        }
    }
}
