package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.f32;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Cases of the convolution.
final class ConvolutionCases {
    private static final Convolution PLAIN = Convolution.planar(1, 0);
    private static final Convolution SAME = Convolution.planar(1, 1);
    /// A 3x3x3 convolution that looks back in time only.
    private static final Convolution CAUSAL = new Convolution(1, 1, 1, 2, 0, 1, 1, 1, 1, true);

    private final Arithmetic arithmetic;
    private final boolean packed;

    private ConvolutionCases(Arithmetic arithmetic, boolean packed) {
        this.arithmetic = arithmetic;
        this.packed = packed;
    }

    /// Every case with the weight as it is and packed, in both arithmetics.
    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (Arithmetic arithmetic : List.of(Arithmetic.F32, Arithmetic.BF16)) {
            for (boolean packed : new boolean[] {false, true}) {
                ConvolutionCases c = new ConvolutionCases(arithmetic, packed);
                c.geometries(cases);
                c.layoutsAndTypes(cases);
                c.channels(cases);
                c.epilogues(cases);
            }
        }
        return cases;
    }

    private void geometries(List<OpCase> cases) {
        Convolution downsample = new Convolution(1, 2, 2, 0, 0, 0, 1, 0, 1, false);
        Convolution skewed = new Convolution(1, 2, 3, 0, 0, 2, 0, 1, 3, false);
        Convolution temporal = new Convolution(2, 1, 1, 1, 1, 0, 0, 0, 0, false);
        Convolution strided = new Convolution(2, 2, 2, 2, 0, 1, 1, 1, 1, true);
        Convolution zerosInFront = new Convolution(1, 1, 1, 2, 1, 1, 0, 0, 1, false);
        for (Layout layout : List.of(Layout.DENSE, Layout.CHANNELS_LAST)) {
            Object[][] geometries = {
                {PLAIN, f32(1, 1, 1, 1, 1), f32(1, 1, 1, 1, 1)},
                {PLAIN, f32(2, 5, 1, 7, 9), f32(4, 5, 1, 1, 1)},
                {PLAIN, f32(1, 3, 1, 5, 6), f32(2, 3, 1, 5, 6)},
                {SAME, f32(1, 3, 1, 8, 8), f32(4, 3, 1, 3, 3)},
                {SAME, f32(2, 17, 1, 9, 13), f32(5, 17, 1, 3, 3)},
                {SAME, f32(1, 4, 1, 1, 1), f32(4, 4, 1, 3, 3)},
                {SAME, f32(1, 2, 3, 4, 5), f32(3, 2, 2, 3, 3)},
                {Convolution.planar(2, 1), f32(1, 6, 1, 11, 10), f32(7, 6, 1, 3, 3)},
                {Convolution.planar(2, 0), f32(1, 3, 1, 8, 12), f32(8, 3, 1, 2, 2)},
                {Convolution.planar(1, 3), f32(1, 2, 1, 4, 4), f32(3, 2, 1, 7, 7)},
                {downsample, f32(1, 8, 1, 10, 14), f32(8, 8, 1, 3, 3)},
                {skewed, f32(2, 3, 1, 7, 8), f32(4, 3, 1, 4, 3)},
                {CAUSAL, f32(1, 4, 1, 6, 7), f32(5, 4, 3, 3, 3)},
                {CAUSAL, f32(2, 3, 5, 6, 4), f32(4, 3, 3, 3, 3)},
                {CAUSAL, f32(1, 16, 3, 5, 5), f32(16, 16, 3, 3, 3)},
                {zerosInFront, f32(1, 3, 4, 5, 5), f32(2, 3, 4, 2, 2)},
                {temporal, f32(1, 6, 7, 3, 3), f32(4, 6, 3, 1, 1)},
                {strided, f32(1, 4, 5, 8, 6), f32(3, 4, 3, 3, 3)},
                {SAME, f32(0, 3, 1, 4, 4), f32(2, 3, 1, 3, 3)},
                {SAME, f32(1, 0, 1, 4, 4), f32(2, 0, 1, 3, 3)},
                {SAME, f32(1, 3, 1, 4, 4), f32(0, 3, 1, 3, 3)},
            };
            for (Object[] g : geometries) {
                cases.add(of((Convolution) g[0], (Operand) g[1], (Operand) g[2], layout, Fused.NONE));
            }
        }
    }

    private void layoutsAndTypes(List<OpCase> cases) {
        for (Layout layout : Layout.values()) {
            Operand input = f32(2, 6, 1, 7, 9);
            Operand weight = f32(5, 6, 1, 3, 3);
            cases.add(of(SAME, input.laid(layout), weight, Layout.DENSE, Fused.bias(5)));
            cases.add(of(SAME, input, weight.laid(layout), Layout.CHANNELS_LAST, Fused.bias(5)));
            cases.add(of(SAME, input, weight, layout, Fused.bias(5)));
            cases.add(of(
                    CAUSAL, f32(1, 6, 3, 4, 5).laid(layout), f32(5, 6, 3, 3, 3).laid(layout), layout, Fused.NONE));
        }
        for (DType a : List.of(DType.F32, DType.F16, DType.BF16)) {
            for (DType b : List.of(DType.F32, DType.F16, DType.BF16)) {
                cases.add(of(
                        SAME,
                        f32(1, 18, 1, 6, 7).as(a).laid(Layout.CHANNELS_LAST),
                        f32(20, 18, 1, 3, 3).as(b),
                        Layout.CHANNELS_LAST,
                        Fused.bias(20)));
            }
        }
        cases.add(of(SAME, f32(1, 3, 1, 1, 6).stretched(1, 3, 1, 5, 6), f32(4, 3, 1, 3, 3), Layout.DENSE, Fused.NONE));
        cases.add(of(SAME, f32(3, 1, 5, 6).stretched(2, 3, 1, 5, 6), f32(4, 3, 1, 3, 3), Layout.DENSE, Fused.NONE));
    }

    private void channels(List<OpCase> cases) {
        int[] counts = {1, 7, 8, 15, 16, 17, 33, 65};
        for (int i = 0; i < counts.length; i++) {
            int in = counts[i];
            int out = counts[(i + 3) % counts.length];
            for (Layout layout : List.of(Layout.DENSE, Layout.CHANNELS_LAST)) {
                cases.add(of(SAME, f32(1, in, 1, 5, 19).laid(layout), f32(out, in, 1, 3, 3), layout, Fused.bias(out)));
                cases.add(of(PLAIN, f32(1, in, 1, 6, 6).laid(layout), f32(out, in, 1, 1, 1), layout, Fused.NONE));
            }
        }
        // now and then an infinity or a NaN, each within reach of a part of the outputs; and nothing but denormal
        // numbers
        double[] rare = new double[211];
        Arrays.setAll(rare, i -> i % 7 - 3);
        rare[0] = Double.POSITIVE_INFINITY;
        rare[60] = Double.NEGATIVE_INFINITY;
        rare[120] = Double.NaN;
        for (Values values : List.of(Values.cycle(rare), Values.uniform(-1e-39, 1e-39))) {
            cases.add(of(
                    PLAIN,
                    f32(1, 20, 1, 6, 19).with(values).laid(Layout.CHANNELS_LAST),
                    f32(18, 20, 1, 3, 3).with(Values.uniform(-0.3, 0.3)),
                    Layout.CHANNELS_LAST,
                    Fused.bias(18)));
        }
        // stretches so long that micro-kernels take some at a time
        cases.add(of(
                SAME,
                f32(1, 300, 1, 4, 17).laid(Layout.CHANNELS_LAST),
                f32(18, 300, 1, 3, 3),
                Layout.CHANNELS_LAST,
                Fused.bias(18)));
        // as wide as three spans, the middle one of which reaches into no padding; and points, which are read in place
        cases.add(of(
                SAME,
                f32(1, 22, 1, 7, 260).laid(Layout.CHANNELS_LAST),
                f32(18, 22, 1, 3, 3),
                Layout.CHANNELS_LAST,
                Fused.bias(18)));
        cases.add(of(
                CAUSAL,
                f32(1, 22, 2, 5, 230).laid(Layout.CHANNELS_LAST),
                f32(2, 22, 3, 3, 3),
                Layout.CHANNELS_LAST,
                Fused.NONE));
        cases.add(of(
                PLAIN,
                f32(2, 67, 1, 23, 101).laid(Layout.CHANNELS_LAST),
                f32(35, 67, 1, 1, 1),
                Layout.CHANNELS_LAST,
                Fused.bias(35)));
        cases.add(of(
                Convolution.planar(2, 0),
                f32(1, 40, 1, 23, 31).laid(Layout.CHANNELS_LAST),
                f32(33, 40, 1, 1, 1),
                Layout.CHANNELS_LAST,
                Fused.NONE));
        cases.add(of(
                SAME,
                f32(1, 130, 1, 33, 35).laid(Layout.CHANNELS_LAST),
                f32(70, 130, 1, 3, 3),
                Layout.CHANNELS_LAST,
                Fused.bias(70)));
    }

    private void epilogues(List<OpCase> cases) {
        // whole vectors of output channels, which micro-kernels may write themselves, in lines of several tiles, bands
        // and spans
        Operand wide = f32(1, 40, 1, 9, 120).laid(Layout.CHANNELS_LAST);
        Operand whole = f32(48, 40, 1, 3, 3);
        for (Fused fused : List.of(
                Fused.NONE,
                Fused.NONE.plusOutput(),
                Fused.bias(48).plus(f32(1, 48, 1, 9, 120).laid(Layout.CHANNELS_LAST)),
                Fused.bias(48).plus(f32(1, 48, 1, 9, 120)),
                Fused.NONE.plus(f32(1, 48, 1, 1, 1)),
                Fused.bias(48).activated(Activation.SILU).plusOutput())) {
            cases.add(of(SAME, wide, whole, Layout.CHANNELS_LAST, fused));
            cases.add(of(SAME, wide, whole, Layout.PADDED, fused));
        }
        Operand input = f32(2, 9, 2, 6, 5);
        Operand weight = f32(18, 9, 3, 3, 3);
        for (Layout layout : List.of(Layout.DENSE, Layout.CHANNELS_LAST, Layout.PADDED)) {
            for (Activation activation : Activation.values()) {
                Fused fused = Fused.bias(18).activated(activation);
                cases.add(of(CAUSAL, input, weight, layout, fused));
                cases.add(of(CAUSAL, input, weight, layout, fused.plusOutput()));
                cases.add(of(
                        CAUSAL,
                        input,
                        weight,
                        layout,
                        fused.gated(f32(18, 1, 1, 1)).plus(f32(2, 18, 2, 6, 5).laid(Layout.CHANNELS_LAST))));
                cases.add(of(
                        CAUSAL,
                        input,
                        weight,
                        layout,
                        fused.gated(f32(2, 18, 2, 6, 5)).plus(f32(2, 1, 1, 6, 5))));
            }
        }
    }

    private OpCase of(Convolution geometry, Operand input, Operand weight, Layout layout, Fused fused) {
        Convolution op = geometry.in(arithmetic);
        Shape shape = op.outputShape(input.seen(), weight.seen());
        Operand out = Operand.output(shape.dims()).laid(layout);
        int length = weight.seen().dim(1)
                * weight.seen().dim(2)
                * weight.seen().dim(3)
                * weight.seen().dim(4);
        return new OpCase(
                packed ? "packFilter" : "convolution",
                input + " * " + weight + " to " + out + fused + ", " + op,
                fused.appendedTo(input, weight),
                List.of(fused.output(out)),
                (kernels, in, o) -> {
                    Epilogue epilogue = fused.epilogue(in, 2, o.get(0));
                    if (!packed) {
                        kernels.convolution(op, in.get(0), in.get(1), o.get(0), epilogue);
                        return;
                    }
                    try (Arena arena = Arena.ofShared()) {
                        PackedFilter filter = kernels.packFilter(in.get(1), arithmetic, arena);
                        kernels.convolution(op, in.get(0), filter, o.get(0), epilogue);
                    }
                },
                Tolerance.sum(length).times(1.2));
    }
}
