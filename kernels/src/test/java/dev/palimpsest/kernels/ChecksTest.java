package dev.palimpsest.kernels;

import static dev.palimpsest.kernels.cases.TestArrays.array;
import static dev.palimpsest.kernels.cases.TestArrays.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.palimpsest.kernels.cases.TestArrays;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What every provider says about arguments that do not fit.
class ChecksTest {
    private static final Epilogue NO = Epilogue.NONE;
    private static final NdArray STRETCHED = zeros(1).expand(Shape.of(2));
    private static final Kernels VECTOR = KernelProviders.create("vector", new Parallel(1));

    private static NdArray typed(DType type, int... dims) {
        return zeros(type, dims);
    }

    private static Arguments refused(String message, Consumer<Kernels> call) {
        return arguments(message, call);
    }

    static Stream<Arguments> matmul() {
        return Stream.of(
                refused(
                        "matmul: (2, 3) x (4, 5): inner dimensions 3 and 4 differ",
                        k -> k.matmul(zeros(2, 3), zeros(4, 5), zeros(2, 5), NO)),
                refused(
                        "matmul: (3) x (3, 5): both sides need at least two axes",
                        k -> k.matmul(zeros(3), zeros(3, 5), zeros(2, 5), NO)),
                refused(
                        "matmul: (2, 2, 3) x (4, 3, 5): the leading axes differ",
                        k -> k.matmul(zeros(2, 2, 3), zeros(4, 3, 5), zeros(2, 2, 5), NO)),
                refused(
                        "matmul: (2, 2, 3) x (3, 5): the leading axes differ",
                        k -> k.matmul(zeros(2, 2, 3), zeros(3, 5), zeros(2, 2, 5), NO)),
                refused(
                        "matmul: (2, 3) x (3, 5): the output must be (2, 5) but is (5, 2)",
                        k -> k.matmul(zeros(2, 3), zeros(3, 5), zeros(5, 2), NO)),
                refused(
                        "matmul: the left side (2, 3) is i64 but must be f32 or f16 or bf16",
                        k -> k.matmul(typed(DType.I64, 2, 3), zeros(3, 5), zeros(2, 5), NO)),
                refused(
                        "matmul: the right side (3, 5) is f64 but must be f32 or f16 or bf16",
                        k -> k.matmul(zeros(2, 3), typed(DType.F64, 3, 5), zeros(2, 5), NO)),
                refused(
                        "matmul: the output (2, 5) is bf16 but must be f32",
                        k -> k.matmul(zeros(2, 3), zeros(3, 5), typed(DType.BF16, 2, 5), NO)),
                refused(
                        "matmul: the output (2, 5) has stride 0 on axis 0, so its elements overlap",
                        k -> k.matmul(zeros(2, 3), zeros(3, 5), zeros(5).expand(Shape.of(2, 5)), NO)),
                refused(
                        "matmul: bias (4): it must be (5) to fit the output columns of (2, 5)",
                        k -> k.matmul(zeros(2, 3), zeros(3, 5), zeros(2, 5), Epilogue.bias(zeros(4)))),
                refused(
                        "matmul: bias (5) is f16 but must be f32",
                        k -> k.matmul(zeros(2, 3), zeros(3, 5), zeros(2, 5), Epilogue.bias(typed(DType.F16, 5)))),
                refused(
                        "matmul: gate (2): it does not stretch to the shape (2, 5)",
                        k -> k.matmul(zeros(2, 3), zeros(3, 5), zeros(2, 5), NO.withGate(zeros(2)))),
                refused(
                        "matmul: residual (1, 2, 5): it does not stretch to the shape (2, 5)",
                        k -> k.matmul(zeros(2, 3), zeros(3, 5), zeros(2, 5), NO.withResidual(zeros(1, 2, 5)))));
    }

    static Stream<Arguments> convolution() {
        Convolution plain = Convolution.planar(1, 0);
        NdArray x = zeros(1, 2, 1, 4, 4);
        NdArray w = zeros(3, 2, 1, 3, 3);
        NdArray out = zeros(1, 3, 1, 2, 2);
        return Stream.of(
                refused(
                        "convolution: input (2, 4, 4) and weight (3, 2, 1, 3, 3) must have five axes (N, C, T, H, W)"
                                + " and (O, C, kT, kH, kW)",
                        k -> k.convolution(plain, zeros(2, 4, 4), w, out, NO)),
                refused(
                        "convolution: (1, 5, 1, 4, 4) * (3, 2, 1, 3, 3): input has 5 channels, the weight expects 2",
                        k -> k.convolution(plain, zeros(1, 5, 1, 4, 4), w, out, NO)),
                refused(
                        "convolution: (1, 2, 1, 2, 4) * (3, 2, 1, 3, 3): the kernel is larger than the padded input",
                        k -> k.convolution(plain, zeros(1, 2, 1, 2, 4), w, out, NO)),
                refused(
                        "convolution: (1, 2, 1, 4, 4) * (3, 2, 1, 3, 3): the output must be (1, 3, 1, 2, 2) but is"
                                + " (1, 3, 1, 4, 4)",
                        k -> k.convolution(plain, x, w, zeros(1, 3, 1, 4, 4), NO)),
                refused(
                        "convolution: the input (1, 2, 1, 4, 4) is u8 but must be f32 or f16 or bf16",
                        k -> k.convolution(plain, typed(DType.U8, 1, 2, 1, 4, 4), w, out, NO)),
                refused(
                        "convolution: the weight (3, 2, 1, 3, 3) is i8 but must be f32 or f16 or bf16",
                        k -> k.convolution(plain, x, typed(DType.I8, 3, 2, 1, 3, 3), out, NO)),
                refused(
                        "convolution: bias (2): it must be (3) to fit the output channels of (1, 3, 1, 2, 2)",
                        k -> k.convolution(plain, x, w, out, Epilogue.bias(zeros(2)))),
                refused(
                        "convolution: gate (3): it does not stretch to the shape (1, 3, 1, 2, 2)",
                        k -> k.convolution(plain, x, w, out, NO.withGate(zeros(3)))));
    }

    static Stream<Arguments> attention() {
        NdArray q = zeros(2, 3, 4);
        NdArray k5 = zeros(5, 3, 4);
        NdArray v = zeros(5, 3, 6);
        NdArray out = zeros(2, 3, 6);
        KeyRanges full = KeyRanges.full(2, 5);
        Attention plain = Attention.of(1, full);
        return Stream.of(
                refused(
                        "attention: q (2, 3, 4, 1), k (5, 3, 4), v (5, 3, 6): each needs three axes (length, heads,"
                                + " head width)",
                        k -> k.attention(plain, zeros(2, 3, 4, 1), k5, v, out)),
                refused(
                        "attention: q (2, 3, 4), k (5, 1, 4), v (5, 3, 6): the numbers of heads 3, 1 and 3 differ",
                        k -> k.attention(plain, q, zeros(5, 1, 4), v, out)),
                refused(
                        "attention: q (2, 3, 4), k (5, 3, 8), v (5, 3, 6): the head widths 4 and 8 of q and k differ",
                        k -> k.attention(plain, q, zeros(5, 3, 8), v, out)),
                refused(
                        "attention: q (2, 3, 4), k (5, 3, 4), v (7, 3, 6): the lengths 5 and 7 of k and v differ",
                        k -> k.attention(plain, q, k5, zeros(7, 3, 6), out)),
                refused(
                        "attention: q (2, 3, 4), k (5, 3, 4), v (5, 3, 6): the key ranges are for 2 queries and 9 keys",
                        k -> k.attention(Attention.of(1, KeyRanges.full(2, 9)), q, k5, v, out)),
                refused(
                        "attention: q (2, 3, 4), k (5, 3, 4), v (5, 3, 6): the output must be (2, 3, 6) but is (2, 3,"
                                + " 4)",
                        k -> k.attention(plain, q, k5, v, zeros(2, 3, 4))),
                refused(
                        "attention: k (5, 3, 4) is i32 but must be f32 or f16 or bf16",
                        k -> k.attention(plain, q, typed(DType.I32, 5, 3, 4), v, out)),
                refused(
                        "attention: bias (2, 5): it does not stretch to the shape (3, 2, 4)",
                        k -> k.attention(
                                new Attention(1, KeyRanges.full(2, 4), zeros(2, 5), null, null),
                                q,
                                zeros(4, 3, 4),
                                zeros(4, 3, 6),
                                out)),
                refused(
                        "attention: q (2, 3, 4), k (5, 3, 4), v (5, 3, 6): probabilities must be (3, 2, 5) but is"
                                + " (2, 3, 5)",
                        k -> k.attention(new Attention(1, full, null, zeros(2, 3, 5), null), q, k5, v, out)),
                refused(
                        "attention: q (2, 3, 4), k (5, 3, 4), v (5, 3, 6): log-sum-exp must be (2, 3) but is (3, 2)",
                        k -> k.attention(new Attention(1, full, null, null, zeros(3, 2)), q, k5, v, out)),
                refused(
                        "attention: log-sum-exp (2, 3) is f64 but must be f32",
                        k -> k.attention(new Attention(1, full, null, null, typed(DType.F64, 2, 3)), q, k5, v, out)),
                refused(
                        "attention: INT8 is not one of F32 and BF16",
                        k -> k.attention(Attention.of(1, full).withArithmetic(Arithmetic.INT8), q, k5, v, out)));
    }

    static Stream<Arguments> norms() {
        NdArray x = zeros(2, 6);
        return Stream.of(
                refused("softmax: (): the input needs at least one axis", k -> k.softmax(zeros(), zeros())),
                refused("softmax: (2, 6): the output must be (2, 6) but is (6, 2)", k -> k.softmax(x, zeros(6, 2))),
                refused(
                        "softmax: the input (2) is bool but must be f32 or f16 or bf16",
                        k -> k.softmax(typed(DType.BOOL, 2), zeros(2))),
                refused(
                        "rmsNorm: weight (2): it must be (6) to fit the width of (2, 6)",
                        k -> k.rmsNorm(x, 1, Affine.learned(zeros(2), null), zeros(2, 6))),
                refused(
                        "rmsNorm: the output (2, 6) is f16 but must be f32",
                        k -> k.rmsNorm(x, 1, Affine.NONE, typed(DType.F16, 2, 6))),
                refused(
                        "layerNorm: bias (1, 6): it must be (6) to fit the width of (2, 6)",
                        k -> k.layerNorm(x, 1, Affine.learned(null, zeros(1, 6)), zeros(2, 6))),
                refused(
                        "layerNorm: scale (3, 6): it does not stretch to the shape (2, 6)",
                        k -> k.layerNorm(x, 1, Affine.adaptive(zeros(3, 6), null), zeros(2, 6))),
                refused(
                        "layerNorm: shift (2, 6) is bf16 but must be f32",
                        k -> k.layerNorm(x, 1, Affine.adaptive(null, typed(DType.BF16, 2, 6)), zeros(2, 6))),
                refused(
                        "groupNorm: (6): the input needs the axes (N, C, ...)",
                        k -> k.groupNorm(zeros(6), 2, 1, zeros(6), zeros(6), Activation.NONE, zeros(6))),
                refused(
                        "groupNorm: (2, 6): 4 groups do not divide 6 channels",
                        k -> k.groupNorm(x, 4, 1, zeros(6), zeros(6), Activation.NONE, zeros(2, 6))),
                refused(
                        "groupNorm: (2, 6): 0 groups do not divide 6 channels",
                        k -> k.groupNorm(x, 0, 1, zeros(6), zeros(6), Activation.NONE, zeros(2, 6))),
                refused(
                        "groupNorm: weight (5): it must be (6) to fit the channels of (2, 6)",
                        k -> k.groupNorm(x, 2, 1, zeros(5), zeros(6), Activation.NONE, zeros(2, 6))),
                refused(
                        "groupNorm: (2, 6): the output must be (2, 6) but is (2, 6, 1)",
                        k -> k.groupNorm(x, 2, 1, zeros(6), zeros(6), Activation.NONE, zeros(2, 6, 1))));
    }

    static Stream<Arguments> elementwise() {
        NdArray truth = typed(DType.BOOL, 2);
        return Stream.of(
                refused(
                        "unary EXP: (2): the output must be (2) but is (3)",
                        k -> k.unary(Unary.EXP, zeros(2), zeros(3))),
                refused(
                        "unary EXP: the argument (2) is i64 but must be f32 or f16 or bf16 or f64",
                        k -> k.unary(Unary.EXP, typed(DType.I64, 2), zeros(2))),
                refused(
                        "unary EXP: the output (2) is f32 but must be f64",
                        k -> k.unary(Unary.EXP, typed(DType.F64, 2), zeros(2))),
                refused(
                        "unary EXP: the output (2) is f64 but must be f32",
                        k -> k.unary(Unary.EXP, zeros(2), typed(DType.F64, 2))),
                refused(
                        "unary EXP: the output (2) has stride 0 on axis 0, so its elements overlap",
                        k -> k.unary(Unary.EXP, zeros(2), STRETCHED)),
                refused(
                        "binary ADD: the left argument (3): it does not stretch to the shape (2)",
                        k -> k.binary(Binary.ADD, zeros(3), zeros(2), zeros(2))),
                refused(
                        "binary ADD: the right argument (2, 2): it does not stretch to the shape (2)",
                        k -> k.binary(Binary.ADD, zeros(2), zeros(2, 2), zeros(2))),
                refused(
                        "binary ADD: (2) and (2): the element types f32 and f64 do not mix",
                        k -> k.binary(Binary.ADD, zeros(2), typed(DType.F64, 2), zeros(2))),
                refused(
                        "binary ADD: (2) and (2): f64 and i64 do not mix with other types, but the arguments are i64"
                                + " and f32 and the output is f32",
                        k -> k.binary(Binary.ADD, typed(DType.I64, 2), zeros(2), zeros(2))),
                refused(
                        "binary ADD: the left argument (2) is i32 but must be f32 or f16 or bf16 or f64 or i64",
                        k -> k.binary(Binary.ADD, typed(DType.I32, 2), typed(DType.I32, 2), typed(DType.I32, 2))),
                refused(
                        "binary ADD: the output (2) is bf16 but must be f32",
                        k -> k.binary(Binary.ADD, zeros(2), zeros(2), typed(DType.BF16, 2))),
                refused(
                        "binary LESS: (2) and (2): the element types f32 and f16 differ",
                        k -> k.binary(Binary.LESS, zeros(2), typed(DType.F16, 2), truth)),
                refused(
                        "binary LESS: the output (2) is f32 but must be bool",
                        k -> k.binary(Binary.LESS, zeros(2), zeros(2), zeros(2))),
                refused(
                        "binary LESS: (2) is f8_e4m3, whose elements can only be copied to the same type",
                        k -> k.binary(Binary.LESS, typed(DType.F8_E4M3, 2), typed(DType.F8_E4M3, 2), truth)),
                refused(
                        "binary ADD: the output (2) has stride 0 on axis 0, so its elements overlap",
                        k -> k.binary(Binary.ADD, zeros(2), zeros(2), STRETCHED)),
                refused(
                        "where: the condition (2) is u8 but must be bool",
                        k -> k.where(typed(DType.U8, 2), zeros(2), zeros(2), zeros(2))),
                refused(
                        "where: (2) and (2): both choices and the output must have one element type but are f32, f16"
                                + " and f32",
                        k -> k.where(truth, zeros(2), typed(DType.F16, 2), zeros(2))),
                refused(
                        "where: the condition (2): it does not stretch to the shape (3)",
                        k -> k.where(truth, zeros(3), zeros(3), zeros(3))),
                refused(
                        "where: the first choice (3): it does not stretch to the shape (2)",
                        k -> k.where(truth, zeros(3), zeros(2), zeros(2))),
                refused(
                        "where: the second choice (3): it does not stretch to the shape (2)",
                        k -> k.where(truth, zeros(2), zeros(3), zeros(2))));
    }

    static Stream<Arguments> reductions() {
        return Stream.of(
                refused(
                        "reduce SUM: (2, 3) to (2): the numbers of axes 2 and 1 differ",
                        k -> k.reduce(Reduction.SUM, zeros(2, 3), zeros(2))),
                refused(
                        "reduce SUM: (2, 3) to (2, 2): axis 1 must stay 3 or become 1",
                        k -> k.reduce(Reduction.SUM, zeros(2, 3), zeros(2, 2))),
                refused(
                        "reduce MEAN: (2) to (1): integers have no mean; convert them to f32 or f64 first",
                        k -> k.reduce(Reduction.MEAN, typed(DType.I64, 2), typed(DType.I64, 1))),
                refused(
                        "reduce MAX: (0) to (1): no elements have no largest or smallest integer",
                        k -> k.reduce(Reduction.MAX, typed(DType.I64, 0), typed(DType.I64, 1))),
                refused(
                        "reduce SUM: the output (1) is f32 but must be i64",
                        k -> k.reduce(Reduction.SUM, typed(DType.I64, 2), zeros(1))),
                refused(
                        "reduce SUM: the input (2) is i32 but must be f32 or f16 or bf16 or f64 or i64",
                        k -> k.reduce(Reduction.SUM, typed(DType.I32, 2), typed(DType.I32, 1))),
                refused("argmax: (2, 0): the last axis is empty", k -> k.argmax(zeros(2, 0), typed(DType.I64, 2))),
                refused(
                        "argmax: the output (2) is i32 but must be i64",
                        k -> k.argmax(zeros(2, 3), typed(DType.I32, 2))),
                refused(
                        "argmax: (2, 3): the output must be (2) but is (3)",
                        k -> k.argmax(zeros(2, 3), typed(DType.I64, 3))));
    }

    static Stream<Arguments> movement() {
        NdArray rows = typed(DType.I64, 2);
        return Stream.of(
                refused("copy: the source (3): it does not stretch to the shape (2)", k -> k.copy(zeros(3), zeros(2))),
                refused(
                        "copy: (2) is f8_e5m2, whose elements can only be copied to the same type",
                        k -> k.copy(typed(DType.F8_E5M2, 2), zeros(2))),
                refused(
                        "copy: (2) is f8_e5m2, whose elements can only be copied to the same type",
                        k -> k.copy(zeros(2), typed(DType.F8_E5M2, 2))),
                refused(
                        "copy: the output (2) has stride 0 on axis 0, so its elements overlap",
                        k -> k.copy(zeros(2), STRETCHED)),
                refused(
                        "fill: (2) is f8_e4m3, whose elements can only be copied to the same type",
                        k -> k.fill(typed(DType.F8_E4M3, 2), 1)),
                refused(
                        "fill: the output (2) has stride 0 on axis 0, so its elements overlap",
                        k -> k.fill(STRETCHED, 1)),
                refused(
                        "gather: (3, 4) at (2): the output must be (2, 4) but is (3, 4)",
                        k -> k.gather(zeros(3, 4), rows, zeros(3, 4))),
                refused("gather: () at (2): the table needs at least one axis", k -> k.gather(zeros(), rows, zeros(2))),
                refused(
                        "gather: (3) at (1, 2): the indices need exactly one axis",
                        k -> k.gather(zeros(3), typed(DType.I64, 1, 2), zeros(2))),
                refused(
                        "gather: the array of indices (2) is f32 but must be i64 or i32",
                        k -> k.gather(zeros(3), zeros(2), zeros(2))),
                refused(
                        "gather: (3) at (2): the table is f32 but the output is f16",
                        k -> k.gather(zeros(3), rows, typed(DType.F16, 2))),
                refused(
                        "gather: (3) at (2): the table is i32 but the output is f32",
                        k -> k.gather(typed(DType.I32, 3), rows, zeros(2))),
                refused(
                        "scatterAdd: (3, 4) at (2): there must be one index for each of the 3 rows",
                        k -> k.scatterAdd(zeros(3, 4), rows, zeros(5, 4))),
                refused(
                        "scatterAdd: (2, 4) at (2): rows of this shape do not fit the output (5, 3)",
                        k -> k.scatterAdd(zeros(2, 4), rows, zeros(5, 3))),
                refused(
                        "scatterAdd: the array of rows (2, 4) is f16 but must be f32 or f64",
                        k -> k.scatterAdd(typed(DType.F16, 2, 4), rows, typed(DType.F16, 5, 4))),
                refused(
                        "scatterAdd: the output (5, 4) is f64 but must be f32",
                        k -> k.scatterAdd(zeros(2, 4), rows, typed(DType.F64, 5, 4))),
                refused(
                        "scatterAdd: () at (2): the rows need at least one axis",
                        k -> k.scatterAdd(zeros(), rows, zeros())));
    }

    static Stream<Arguments> images() {
        return Stream.of(
                refused(
                        "interpolate AREA: (2, 3, 4) to (2, 3, 4): the input needs the axes (N, C, H, W) or"
                                + " (N, C, T, H, W)",
                        k -> k.interpolate(Interpolation.AREA, zeros(2, 3, 4), zeros(2, 3, 4))),
                refused(
                        "interpolate AREA: (1, 2, 3, 4) to (1, 2, 1, 3, 4): the numbers of axes differ",
                        k -> k.interpolate(Interpolation.AREA, zeros(1, 2, 3, 4), zeros(1, 2, 1, 3, 4))),
                refused(
                        "interpolate AREA: (1, 2, 3, 4) to (1, 3, 3, 4): the first two axes must stay as they are",
                        k -> k.interpolate(Interpolation.AREA, zeros(1, 2, 3, 4), zeros(1, 3, 3, 4))),
                refused(
                        "interpolate BICUBIC_ANTIALIAS: (1, 2, 1, 3, 4) to (1, 2, 1, 3, 4): bicubic interpolation"
                                + " resizes (N, C, H, W) only",
                        k -> k.interpolate(
                                Interpolation.BICUBIC_ANTIALIAS, zeros(1, 2, 1, 3, 4), zeros(1, 2, 1, 3, 4))),
                refused(
                        "interpolate NEAREST: (1, 2, 0, 4) to (1, 2, 3, 4): nothing can be enlarged from an empty"
                                + " input",
                        k -> k.interpolate(Interpolation.NEAREST, zeros(1, 2, 0, 4), zeros(1, 2, 3, 4))),
                refused(
                        "interpolate NEAREST: the input (1, 2, 3, 4) is u8 but must be f32 or f16 or bf16",
                        k -> k.interpolate(
                                Interpolation.NEAREST, typed(DType.U8, 1, 2, 3, 4), typed(DType.U8, 1, 2, 3, 4))),
                refused(
                        "rope: (2, 4) by (2, 2): the input needs the axes (length, heads, head width)",
                        k -> k.rope(RopeLayout.HALF_SPLIT, zeros(2, 4), zeros(2, 2), zeros(2, 2), zeros(2, 4))),
                refused(
                        "rope: (2, 1, 4): cosines (2, 2) and sines (2, 1) differ in shape",
                        k -> k.rope(RopeLayout.HALF_SPLIT, zeros(2, 1, 4), zeros(2, 2), zeros(2, 1), zeros(2, 1, 4))),
                refused(
                        "rope: (2, 1, 4) by (3, 2): the angles need the axes (length, pairs) with the input's length",
                        k -> k.rope(RopeLayout.HALF_SPLIT, zeros(2, 1, 4), zeros(3, 2), zeros(3, 2), zeros(2, 1, 4))),
                refused(
                        "rope: (2, 1, 4) by (2, 3): 3 pairs do not fit into a head of width 4",
                        k -> k.rope(RopeLayout.HALF_SPLIT, zeros(2, 1, 4), zeros(2, 3), zeros(2, 3), zeros(2, 1, 4))),
                refused(
                        "rope: the array of cosines (2, 2) is bf16 but must be f32",
                        k -> k.rope(
                                RopeLayout.HALF_SPLIT,
                                zeros(2, 1, 4),
                                typed(DType.BF16, 2, 2),
                                zeros(2, 2),
                                zeros(2, 1, 4))),
                refused(
                        "rope: (2, 1, 4): the output must be (2, 1, 4) but is (2, 4)",
                        k -> k.rope(RopeLayout.HALF_SPLIT, zeros(2, 1, 4), zeros(2, 2), zeros(2, 2), zeros(2, 4))));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource({"matmul", "convolution", "attention", "norms", "elementwise", "reductions", "movement", "images"})
    void everyProviderSaysWhatDoesNotFit(String message, Consumer<Kernels> call) {
        for (Kernels kernels : new Kernels[] {new ScalarKernels(), VECTOR}) {
            assertThatThrownBy(() -> call.accept(kernels))
                    .as(kernels.name())
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(message);
        }
    }

    @Test
    void indicesThatAreNoRowsAreNamedBeforeAnythingIsWritten() {
        NdArray indices = array(DType.I64, Shape.of(4), 2, 0, 3, -1);
        for (Kernels kernels : new Kernels[] {new ScalarKernels(), VECTOR}) {
            NdArray out = zeros(4, 2);
            NdArray ones = zeros(3, 2);
            kernels.fill(ones, 1);

            assertThatThrownBy(() -> kernels.gather(ones, indices, out))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessage("gather: index 3 at position 2 is not one of 3 rows");
            assertThatThrownBy(() -> kernels.scatterAdd(out, array(DType.I32, Shape.of(4), 0, -5, 0, 9), ones))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessage("scatterAdd: index -5 at position 1 is not one of 3 rows");
            assertThat(TestArrays.elements(out)).containsOnly(0);
        }
    }
}
