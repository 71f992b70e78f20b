package dev.palimpsest.tensor.autograd;

import static dev.palimpsest.tensor.autograd.GradientCheck.againstDefinition;
import static dev.palimpsest.tensor.autograd.GradientCheck.inDouble;
import static dev.palimpsest.tensor.autograd.GradientCheck.multilinear;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.Unary;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.GradientCheck.Function;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/// The gradient of every op; see [GradientCheck] for how they are checked.
class OpGradientTest {
    private static DynamicTest test(String name, Runnable body) {
        return DynamicTest.dynamicTest(
                name,
                () -> Scope.run(() -> {
                    body.run();
                    return null;
                }));
    }

    private static Tensor any(int... dims) {
        return GradientCheck.random(1, -2, 2, Shape.of(dims));
    }

    private static Tensor other(int... dims) {
        return GradientCheck.random(2, -2, 2, Shape.of(dims));
    }

    private static Tensor positive(int... dims) {
        return GradientCheck.random(3, 0.5, 2, Shape.of(dims));
    }

    // ---- elementwise, reductions, movement: in f64

    @TestFactory
    Stream<DynamicTest> elementwiseFunctions() {
        EnumSet<Unary> positive = EnumSet.of(Unary.LOG, Unary.SQRT, Unary.RSQRT, Unary.RECIPROCAL);
        return Stream.of(Unary.values())
                .map(f -> test(
                        f.name(),
                        () -> inDouble(x -> x[0].apply(f), positive.contains(f) ? positive(3, 5) : any(3, 5))));
    }

    @Test
    void gaussianUnitIsSmoothAtZero() {
        Scope.run(() -> {
            inDouble(x -> x[0].apply(Unary.GELU), Tensor.of(new float[] {0, 1e-5f, -1e-5f, 2e-4f, -2e-4f, 1e-3f}));
            return null;
        });
    }

    private record Pair(String name, Function f, boolean positive) {}

    @TestFactory
    Stream<DynamicTest> functionsOfTwoArgumentsWithBroadcasting() {
        List<Pair> functions = List.of(
                new Pair("add", x -> x[0].add(x[1]), false),
                new Pair("sub", x -> x[0].sub(x[1]), false),
                new Pair("mul", x -> x[0].mul(x[1]), false),
                new Pair("div", x -> x[0].div(x[1]), true),
                new Pair("minimum", x -> x[0].minimum(x[1]), false),
                new Pair("maximum", x -> x[0].maximum(x[1]), false));
        List<int[][]> shapes = List.of(
                new int[][] {{2, 3}, {2, 3}},
                new int[][] {{2, 3}, {3}},
                new int[][] {{2, 1, 3}, {4, 1}},
                new int[][] {{}, {2, 2}},
                new int[][] {{1, 1}, {1}});
        return functions.stream()
                .flatMap(f -> shapes.stream()
                        .map(s -> test(
                                f.name + " " + Shape.of(s[0]) + " " + Shape.of(s[1]),
                                () -> inDouble(f.f, any(s[0]), f.positive ? positive(s[1]) : other(s[1])))));
    }

    @TestFactory
    Stream<DynamicTest> powersClampsAndSelections() {
        return Stream.of(
                test("square by power", () -> inDouble(x -> x[0].pow(2), any(2, 3))),
                test("root by power", () -> inDouble(x -> x[0].pow(0.5), positive(2, 3))),
                test("clamp", () -> inDouble(x -> x[0].clamp(-1, 0.5), any(4, 4))),
                test(
                        "where",
                        () -> inDouble(
                                x -> Tensor.of(new int[] {1, 0, 1}, 3)
                                        .to(DType.BOOL)
                                        .where(x[0], x[1]),
                                any(2, 3),
                                other(3))),
                test("std", () -> inDouble(x -> x[0].std(1, 1), any(3, 5))));
    }

    @TestFactory
    Stream<DynamicTest> reductions() {
        return Stream.of(new int[] {}, new int[] {0}, new int[] {-1}, new int[] {0, 2})
                .flatMap(axes -> Stream.of(
                        test("sum " + axes.length, () -> inDouble(x -> x[0].sum(axes), any(2, 3, 4))),
                        test("mean " + axes.length, () -> inDouble(x -> x[0].mean(axes), any(2, 3, 4))),
                        test("max " + axes.length, () -> inDouble(x -> x[0].max(axes), any(2, 3, 4))),
                        test("min " + axes.length, () -> inDouble(x -> x[0].min(axes), any(2, 3, 4)))));
    }

    @TestFactory
    Stream<DynamicTest> movement() {
        return Stream.of(
                test("reshape", () -> inDouble(x -> x[0].transpose(0, 1).reshape(6, 2), any(3, 4))),
                test("permute", () -> inDouble(x -> x[0].permute(2, 0, -2), any(2, 3, 4))),
                test("slice", () -> inDouble(x -> x[0].slice(1, 1, 3), any(2, 4))),
                test("empty slice", () -> inDouble(x -> x[0].slice(1, 2, 2).sum(), any(2, 4))),
                test(
                        "overlapping slices",
                        () -> inDouble(x -> x[0].slice(0, 0, 3).mul(x[0].slice(0, 1, 4)), any(4))),
                test(
                        "split",
                        () -> inDouble(
                                x -> {
                                    List<Tensor> parts = x[0].split(1, 1, 2);
                                    return parts.get(0).mul(parts.get(1));
                                },
                                any(2, 3))),
                test("expand", () -> inDouble(x -> x[0].expand(2, 3, 4).square(), any(3, 1))),
                test(
                        "concat",
                        () -> inDouble(
                                x -> Tensor.concat(List.of(x[0], x[1], x[0]), -1)
                                        .square(),
                                any(2, 3),
                                other(2, 1))),
                test("stack", () -> inDouble(x -> Tensor.stack(List.of(x[0], x[1]), 1), any(2, 3), other(2, 3))),
                test(
                        "indexSelect",
                        () -> inDouble(x -> x[0].indexSelect(Tensor.of(new long[] {2, 0, 2, 2})), any(4, 3))));
    }

    // ---- products: linear in each input

    @TestFactory
    Stream<DynamicTest> products() {
        return Stream.of(
                test("matmul", () -> multilinear(x -> x[0].matmul(x[1]), any(3, 4), other(4, 5))),
                test(
                        "transposed",
                        () -> multilinear(
                                x -> x[0].transpose(0, 1).matmul(x[1].transpose(0, 1)), any(4, 3), other(5, 4))),
                test("batches", () -> multilinear(x -> x[0].matmul(x[1]), any(2, 3, 4), other(2, 4, 5))),
                test("broadcast batches", () -> multilinear(x -> x[0].matmul(x[1]), any(2, 1, 3, 4), other(5, 4, 2))),
                test("one matrix for all", () -> multilinear(x -> x[0].matmul(x[1]), any(2, 3, 4), other(4, 2))),
                test(
                        "linear",
                        () -> multilinear(x -> Functional.linear(x[0], x[1], x[2]), any(2, 3, 4), other(5, 4), any(5))),
                test(
                        "linear with gate and residual",
                        () -> multilinear(
                                x -> Functional.linear(x[0], x[1], x[2], Activation.NONE, x[3], x[4]),
                                any(2, 3, 4),
                                other(5, 4),
                                any(5),
                                other(2, 1, 5),
                                any(3, 5))),
                test(
                        "linear with residual",
                        () -> multilinear(
                                x -> Functional.linear(x[0], x[1], null, Activation.NONE, null, x[2]),
                                any(3, 4),
                                other(5, 4),
                                any(3, 5))));
    }

    /// `x W^T + b` in f64.
    private static Tensor product(Tensor x, Tensor weight) {
        return x.unsqueeze(-2).mul(weight).sum(-1).squeeze(-1);
    }

    @TestFactory
    Stream<DynamicTest> linearWithActivation() {
        return Stream.of(Activation.SILU, Activation.GELU_TANH)
                .map(a -> test(
                        a.name(),
                        () -> againstDefinition(
                                x -> Functional.linear(x[0], x[1], x[2], a, x[3], x[4]),
                                x -> product(x[0], x[1])
                                        .add(x[2])
                                        .apply(a == Activation.SILU ? Unary.SILU : Unary.GELU_TANH)
                                        .mul(x[3])
                                        .add(x[4]),
                                any(2, 3, 4),
                                other(5, 4),
                                any(5),
                                other(2, 1, 5),
                                other(2, 3, 5))));
    }

    @TestFactory
    Stream<DynamicTest> doubledConvolution() {
        return Stream.of(test(
                "of pictures",
                () -> multilinear(
                        x -> Functional.doubledConvolution(x[0], x[1], x[2]),
                        any(2, 3, 1, 3, 4),
                        other(2, 3, 1, 3, 3),
                        any(2))));
    }

    @TestFactory
    Stream<DynamicTest> convolutions() {
        return Stream.of(
                        Convolution.planar(1, 1),
                        Convolution.planar(2, 1),
                        new Convolution(1, 2, 2, 0, 0, 0, 1, 0, 1, false),
                        new Convolution(1, 1, 1, 2, 0, 1, 1, 1, 1, true),
                        new Convolution(2, 1, 3, 1, 1, 0, 0, 2, 1, false))
                .map(g -> test(g.toString(), () -> {
                    int frames = g.front() == 0 ? 1 : 3;
                    Shape out = g.outputShape(Shape.of(2, 3, frames, 5, 4), Shape.of(2, 3, frames, 3, 3));
                    multilinear(
                            x -> Functional.convolution(g, x[0], x[1], x[2], x[3]),
                            any(2, 3, frames, 5, 4),
                            other(2, 3, frames, 3, 3),
                            any(2),
                            GradientCheck.random(5, -1, 1, out));
                }));
    }

    @TestFactory
    Stream<DynamicTest> interpolations() {
        return Stream.of(Interpolation.values())
                .flatMap(mode -> Stream.of(
                        test(
                                mode + " larger",
                                () -> multilinear(x -> Functional.interpolate(mode, x[0], 7, 9), any(2, 2, 3, 4))),
                        test(
                                mode + " smaller",
                                () -> multilinear(x -> Functional.interpolate(mode, x[0], 3, 2), any(1, 2, 5, 7)))));
    }

    @Test
    void interpolationInThreeDimensions() {
        Scope.run(() -> {
            multilinear(x -> Functional.interpolate(Interpolation.LINEAR, x[0], 3, 5, 2), any(1, 2, 2, 3, 4));
            return null;
        });
    }

    @TestFactory
    Stream<DynamicTest> rotations() {
        return Stream.of(RopeLayout.values())
                .flatMap(layout -> Stream.of(4, 8)
                        .map(turned -> test(layout + " of " + turned, () -> {
                            Tensor angle = any(3, turned / 2);
                            Tensor cos = angle.cos();
                            Tensor sin = angle.sin();
                            multilinear(x -> Functional.rope(layout, x[0], cos, sin), any(3, 2, 8));
                        })));
    }

    // ---- softmax, normalisations, attention: against their definitions in f64

    private static Tensor softmaxInDouble(Tensor x) {
        Tensor e = x.sub(x.max(-1)).exp();
        return e.div(e.sum(-1));
    }

    @Test
    void softmax() {
        Scope.run(() -> {
            againstDefinition(x -> x[0].softmax(), x -> softmaxInDouble(x[0]), any(2, 3, 5));
            return null;
        });
    }

    @TestFactory
    Stream<DynamicTest> normalisations() {
        float eps = 1e-3f;
        Function rms = x -> x[0].mul(x[0].square().mean(-1).add(eps).rsqrt());
        Function layer = x -> {
            Tensor moved = x[0].sub(x[0].mean(-1));
            return moved.mul(moved.square().mean(-1).add(eps).rsqrt());
        };
        return Stream.of(
                test("rms", () -> againstDefinition(x -> Functional.rmsNorm(x[0], eps, null), rms, any(3, 7))),
                test(
                        "rms with everything",
                        () -> againstDefinition(
                                x -> Functional.rmsNorm(x[0], eps, x[1], x[2], x[3]),
                                x -> rms.of(x).mul(x[1]).mul(x[2]).add(x[3]),
                                any(2, 3, 7),
                                other(7),
                                any(2, 1, 7),
                                other(3, 7))),
                test(
                        "layer",
                        () -> againstDefinition(
                                x -> Functional.layerNorm(x[0], eps, null, null, null, null), layer, any(3, 7))),
                test(
                        "layer with weight and bias",
                        () -> againstDefinition(
                                x -> Functional.layerNorm(x[0], eps, x[1], x[2], null, null),
                                x -> layer.of(x).mul(x[1]).add(x[2]),
                                any(2, 3, 7),
                                other(7),
                                any(7))),
                test(
                        "layer with everything",
                        () -> againstDefinition(
                                x -> Functional.layerNorm(x[0], eps, x[1], x[2], x[3], x[4]),
                                x -> layer.of(x).mul(x[1]).add(x[2]).mul(x[3]).add(x[4]),
                                any(2, 3, 7),
                                other(7),
                                any(7),
                                other(2, 1, 7),
                                any(1, 7))),
                test(
                        "group",
                        () -> againstDefinition(
                                x -> Functional.groupNorm(x[0], 2, eps, x[1], x[2], Activation.SILU),
                                x -> layer.of(x[0].reshape(2, 2, 12))
                                        .reshape(2, 4, 3, 2)
                                        .mul(x[1].reshape(4, 1, 1))
                                        .add(x[2].reshape(4, 1, 1))
                                        .silu(),
                                any(2, 4, 3, 2),
                                other(4),
                                any(4))));
    }

    /// Attention written out, hidden keys given by the ranges.
    private static Tensor attentionInDouble(
            Tensor q, Tensor k, Tensor v, double scale, KeyRanges visible, Tensor... bias) {
        Tensor mask = Tensor.full(DType.BOOL, Shape.of(visible.queries(), visible.keys()), 0);
        for (int i = 0; i < visible.queries(); i++) {
            for (int j = visible.from(i); j < visible.to(i); j++) {
                mask.array().set(1, i, j);
            }
        }
        Tensor queries = q.permute(1, 0, 2).unsqueeze(2); // (heads, Lq, 1, headDim)
        Tensor scores =
                queries.mul(k.permute(1, 0, 2).unsqueeze(1)).sum(-1).squeeze(-1).mul(scale);
        Tensor biased = bias.length == 0 ? scores : scores.add(bias[0]);
        Tensor p = softmaxInDouble(mask.where(biased, Tensor.full(DType.F64, Shape.scalar(), -1e30)));
        Tensor shown = mask.where(p, Tensor.full(DType.F64, Shape.scalar(), 0)); // (heads, Lq, Lk)
        Tensor out =
                shown.unsqueeze(-1).mul(v.permute(1, 0, 2).unsqueeze(1)).sum(2).squeeze(2);
        return out.permute(1, 0, 2); // (Lq, heads, valueDim)
    }

    private record Visibility(String name, KeyRanges ranges) {}

    @TestFactory
    Stream<DynamicTest> attention() {
        return Stream.of(
                        new Visibility("full", KeyRanges.full(5, 7)),
                        new Visibility("packed", KeyRanges.packed(new int[] {2, 3}, new int[] {4, 1})),
                        new Visibility("causal", KeyRanges.causal(4, 6)),
                        new Visibility("block causal", KeyRanges.blockCausal(new int[][] {{1, 2, 2}, {2, 1}})),
                        new Visibility(
                                "a query that sees nothing", KeyRanges.of(new int[] {1, 2}, new int[] {4, 2}, 5)),
                        new Visibility("keys that nobody sees", KeyRanges.of(new int[] {1, 2}, new int[] {4, 4}, 6)))
                .map(c -> test(c.name, () -> {
                    int queries = c.ranges.queries();
                    int keys = c.ranges.keys();
                    againstDefinition(
                            x -> Functional.attention(x[0], x[1], x[2], 0.4f, c.ranges),
                            x -> attentionInDouble(x[0], x[1], x[2], 0.4f, c.ranges),
                            any(queries, 2, 3),
                            other(keys, 2, 3),
                            any(keys, 2, 4));
                }));
    }

    @TestFactory
    Stream<DynamicTest> attentionWithBias() {
        KeyRanges ranges = KeyRanges.blockCausal(new int[][] {{1, 2, 2}, {2, 1}});
        return Stream.of(new int[] {2, 8, 8}, new int[] {1, 8, 8}, new int[] {2, 1, 8}, new int[] {8, 1})
                .map(shape -> test(
                        "bias " + Shape.of(shape),
                        () -> againstDefinition(
                                x -> Functional.attention(x[0], x[1], x[2], 0.4f, ranges, x[3], null, null),
                                x -> attentionInDouble(x[0], x[1], x[2], 0.4f, ranges, x[3]),
                                any(8, 2, 3),
                                other(8, 2, 3),
                                any(8, 2, 4),
                                other(shape))));
    }

    /// More queries than fit one strip of scores.
    @Test
    void longAttentionGoesStripByStrip() {
        Scope.run(() -> {
            int n = 2100;
            int[] from = new int[n];
            int[] to = new int[n];
            for (int i = 0; i < n; i++) {
                from[i] = Math.max(0, i - 1);
                to[i] = i + 1;
            }
            KeyRanges pairs = KeyRanges.of(from, to, n);
            Tensor q = any(n, 1, 2);
            Tensor k = other(n, 1, 2);
            Tensor v = any(n, 1, 1);
            Tensor cotangent = GradientCheck.random(7, -1, 1, Shape.of(n, 1, 1));
            double[][] actual = GradientCheck.gradients(
                    x -> Functional.attention(x[0], x[1], x[2], 1, pairs), new Tensor[] {q, k, v}, cotangent);
            // With two visible keys the softmax is the logistic function of the difference of scores.
            double[][] expected = GradientCheck.gradients(
                    x -> {
                        Tensor here = x[0].mul(x[1]).sum(-1); // (n, 1, 1)
                        Tensor rows = x[0].slice(0, 1, n);
                        Tensor before = rows.mul(x[1].slice(0, 0, n - 1)).sum(-1); // (n - 1, 1, 1)
                        Tensor p = here.slice(0, 1, n).sub(before).sigmoid(); // (n - 1, 1, 1)
                        Tensor later =
                                p.mul(x[2].slice(0, 1, n)).add(p.neg().add(1).mul(x[2].slice(0, 0, n - 1)));
                        return Tensor.concat(List.of(x[2].slice(0, 0, 1), later), 0);
                    },
                    new Tensor[] {q.to(DType.F64), k.to(DType.F64), v.to(DType.F64)},
                    cotangent.to(DType.F64));
            GradientCheck.assertClose("f32", actual, expected, 3e-6);
            return null;
        });
    }

    /// Scales of a picture: many rows that see the same keys, in strips of some heads, between few that do not.
    @Test
    void longRunsOfQueriesThatSeeTheSameKeysGoStripByStrip() {
        Scope.run(() -> {
            KeyRanges scales = KeyRanges.blockCausal(new int[][] {{1, 70, 2, 3, 130, 650}});
            int n = scales.queries();
            Tensor[] inputs = {any(n, 5, 2), other(n, 5, 2), any(n, 5, 1)};
            Tensor cotangent = GradientCheck.random(7, -1, 1, Shape.of(n, 5, 1));
            double[][] actual = GradientCheck.gradients(
                    x -> Functional.attention(x[0], x[1], x[2], 0.4f, scales), inputs, cotangent);
            double[][] expected = GradientCheck.gradients(
                    x -> attentionInDouble(x[0], x[1], x[2], 0.4f, scales),
                    GradientCheck.in(DType.F64, inputs),
                    cotangent.to(DType.F64));
            GradientCheck.assertClose("f32", actual, expected, 3e-6);
            return null;
        });
    }

    /// More elements than are worked on at a time.
    @Test
    void longNormalisationsGoPieceByPiece() {
        float eps = 1e-3f;
        Scope.run(() -> {
            Tensor[] inputs = {any(2, 300, 1000), other(1000), any(1000), other(2, 1, 1000), any(300, 1000)};
            Tensor cotangent = GradientCheck.random(7, -1, 1, Shape.of(2, 300, 1000));
            double[][] actual = GradientCheck.gradients(
                    x -> Functional.layerNorm(x[0], eps, x[1], x[2], x[3], x[4]), inputs, cotangent);
            double[][] expected = GradientCheck.gradients(
                    x -> {
                        Tensor moved = x[0].sub(x[0].mean(-1));
                        Tensor normal =
                                moved.mul(moved.square().mean(-1).add(eps).rsqrt());
                        return normal.mul(x[1]).add(x[2]).mul(x[3]).add(x[4]);
                    },
                    GradientCheck.in(DType.F64, inputs),
                    cotangent.to(DType.F64));
            GradientCheck.assertClose("f32", actual, expected, 3e-6);
            return null;
        });
    }

    @Test
    void longActivationsGoPieceByPiece() {
        int n = 600_000;
        for (Unary function : List.of(Unary.SILU, Unary.GELU_TANH, Unary.GELU)) {
            Scope.run(() -> {
                Tensor x = any(2, n / 2);
                Tensor cotangent = GradientCheck.random(7, -1, 1, x.shape());
                double[] whole = GradientCheck.gradients(y -> y[0].apply(function), new Tensor[] {x}, cotangent)[0];
                for (int at = 0; at < n; at += 100_000) {
                    double[] some = GradientCheck.gradients(
                            y -> y[0].apply(function),
                            new Tensor[] {x.reshape(n).slice(0, at, at + 100_000)},
                            cotangent.reshape(n).slice(0, at, at + 100_000))[0];
                    assertThat(Arrays.copyOfRange(whole, at, at + 100_000)).isEqualTo(some);
                }
                return null;
            });
        }
    }

    @Test
    void aBiasOfNegativeInfinityHides() {
        Scope.run(() -> {
            float hidden = Float.NEGATIVE_INFINITY;
            Tensor bias = Tensor.of(new float[] {0, hidden, 0, hidden, hidden, hidden}, 2, 3);
            double[][] g = GradientCheck.gradients(
                    x -> Functional.attention(x[0], x[1], x[2], 1, KeyRanges.full(2, 3), bias, null, null),
                    new Tensor[] {any(2, 1, 2), other(3, 1, 2), any(3, 1, 2)},
                    Tensor.ones(2, 1, 2));
            double[][] expected = GradientCheck.gradients(
                    x -> Tensor.concat(
                            List.of(
                                    Functional.attention(
                                            x[0].slice(0, 0, 1),
                                            Tensor.concat(List.of(x[1].slice(0, 0, 1), x[1].slice(0, 2, 3)), 0),
                                            Tensor.concat(List.of(x[2].slice(0, 0, 1), x[2].slice(0, 2, 3)), 0),
                                            1,
                                            KeyRanges.full(1, 2)),
                                    Tensor.zeros(1, 1, 2)),
                            0),
                    new Tensor[] {any(2, 1, 2), other(3, 1, 2), any(3, 1, 2)},
                    Tensor.ones(2, 1, 2));
            GradientCheck.assertClose("hidden", g, expected, 1e-6);
            return null;
        });
    }

    @Test
    void whatHasNoDerivativeSaysSo() {
        Scope.run(() -> {
            Tensor x = any(2, 1, 4);
            Tensor angle = any(2, 2);
            assertThatThrownBy(() -> GradientCheck.gradients(
                            in -> Functional.rope(RopeLayout.INTERLEAVED, in[0], in[1], in[1]),
                            new Tensor[] {x, angle},
                            Tensor.ones(2, 1, 4)))
                    .hasMessage("rope: has no gradient by its input 1, f32(2, 2)");
            return null;
        });
    }
}
