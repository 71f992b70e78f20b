package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.cases.GuardedArray;
import dev.palimpsest.kernels.cases.OpCase;
import dev.palimpsest.kernels.cases.OpCases;
import dev.palimpsest.kernels.cases.Tolerance;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import dev.palimpsest.kernels.x86.MachineCode;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every op case on every provider.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class OpCaseTest {
    private final Kernels reference = new ScalarKernels();
    private List<Parallel> threads = List.of();

    @BeforeAll
    void startThreads() {
        threads = List.of(new Parallel(1), new Parallel(2), new Parallel(3));
    }

    @AfterAll
    void stopThreads() {
        threads.forEach(Parallel::close);
    }

    static Stream<OpCase> cases() {
        return OpCases.all().stream();
    }

    @Test
    void everyOpHasCases() {
        List<String> ops = Arrays.stream(Kernels.class.getDeclaredMethods())
                .filter(m -> !m.isSynthetic()) // what a coverage tool has added
                .map(m -> m.getName())
                .filter(n -> !n.equals("name"))
                .toList();

        assertThat(cases().map(OpCase::op).distinct()).containsAll(ops);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void scalarKernelsWriteEveryElementAndNothingElse(OpCase c) {
        try (Arena arena = Arena.ofShared()) {
            for (GuardedArray out : run(c, reference, arena).outputs()) {
                assertThat(out.unwritten())
                        .as("%s: elements of %s that were not written", c, out.array())
                        .isZero();
            }
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void vectorKernelsAgreeWithScalarKernelsOnAnyNumberOfThreads(OpCase c) {
        agreesWithScalarKernelsOnAnyNumberOfThreads("vector", c);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void x86KernelsAgreeWithScalarKernelsOnAnyNumberOfThreads(OpCase c) {
        assumeTrue(MachineCode.isAvailable(), MachineCode.detail());
        agreesWithScalarKernelsOnAnyNumberOfThreads("x86", c);
    }

    private void agreesWithScalarKernelsOnAnyNumberOfThreads(String provider, OpCase c) {
        try (Arena arena = Arena.ofShared()) {
            OpCase.Arrays expected = run(c, reference, arena);
            OpCase.Arrays first = run(c, KernelProviders.create(provider, threads.getFirst()), arena);
            for (int i = 0; i < expected.outputs().size(); i++) {
                compare(
                        c,
                        first.outputs().get(i).array(),
                        expected.outputs().get(i).array());
            }
            for (Parallel more : threads.subList(1, threads.size())) {
                OpCase.Arrays again = run(c, KernelProviders.create(provider, more), arena);
                for (int i = 0; i < expected.outputs().size(); i++) {
                    assertThat(bits(again.outputs().get(i)))
                            .as("%s: the bits of output %d on %d threads", c, i, more.threads())
                            .isEqualTo(bits(first.outputs().get(i)));
                }
            }
        }
    }

    /// The bytes of an output with one NaN for all: which of two NaNs their sum is depends on the order of operands,
    /// which interpreted and compiled code choose differently.
    private static byte[] bits(GuardedArray output) {
        NdArray array = numbers(output.array());
        if (array.dtype().isFloating()) {
            GuardedArray.forEachIndex(array.shape(), index -> {
                if (Double.isNaN(array.get(index))) {
                    array.set(Double.NaN, index);
                }
            });
        }
        return output.bytes();
    }

    /// Runs a case on fresh arrays and checks what surrounds them and the inputs.
    private static OpCase.Arrays run(OpCase c, Kernels kernels, Arena arena) {
        OpCase.Arrays arrays = c.allocate(arena);
        List<byte[]> before = arrays.inputs().stream().map(GuardedArray::bytes).toList();
        arrays.run(c, kernels);
        for (int i = 0; i < before.size(); i++) {
            assertThat(arrays.inputs().get(i).bytes())
                    .as("%s: %s changed input %d", c, kernels.name(), i)
                    .isEqualTo(before.get(i));
        }
        for (GuardedArray out : arrays.outputs()) {
            assertThat(out.strayWrite())
                    .as("%s: %s wrote past the elements of %s", c, kernels.name(), out.array())
                    .isEqualTo(-1);
        }
        return arrays;
    }

    private static void compare(OpCase c, NdArray actual, NdArray expected) {
        NdArray a = numbers(actual);
        NdArray e = numbers(expected);
        Tolerance tolerance = c.tolerance();
        GuardedArray.forEachIndex(a.shape(), index -> {
            boolean close = a.dtype().isFloating()
                    ? tolerance.accepts(a.get(index), e.get(index))
                    : a.getLong(index) == e.getLong(index);
            if (!close) {
                fail(
                        "%s: element %s is %s but the reference says %s",
                        c, Arrays.toString(index), a.get(index), e.get(index));
            }
        });
    }

    /// The same bytes as a type that can be read as numbers.
    private static NdArray numbers(NdArray x) {
        return switch (x.dtype()) {
            case F8_E4M3, F8_E5M2, BOOL -> x.reinterpret(DType.U8);
            default -> x;
        };
    }
}
