package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.f32;
import static dev.palimpsest.kernels.cases.Operand.output;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Cases of softmax and the normalisations.
final class NormCases {
    private static final int[] WIDTHS = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 127, 257, 1025};
    private static final float EPS = 1e-6f;

    private NormCases() {}

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        softmax(cases);
        rowNorms(cases);
        groupNorm(cases);
        return cases;
    }

    private static void softmax(List<OpCase> cases) {
        for (int n : WIDTHS) {
            cases.add(softmax(f32(5, n), output(5, n)));
        }
        for (Layout layout : Layout.values()) {
            cases.add(softmax(f32(3, 7, 21).laid(layout), output(3, 7, 21)));
            cases.add(softmax(f32(3, 7, 21), output(3, 7, 21).laid(layout)));
            cases.add(softmaxInPlace(f32(3, 7, 21).laid(layout)));
        }
        for (DType type : List.of(DType.F16, DType.BF16)) {
            cases.add(softmax(f32(4, 37).as(type), output(4, 37)));
            cases.add(softmax(f32(4, 37).as(type).laid(Layout.TRANSPOSED), output(4, 37)));
        }
        cases.add(softmax(f32(19), output(19)));
        cases.add(softmax(f32(0, 19), output(0, 19)));
        cases.add(softmax(f32(19, 0), output(19, 0)));
        cases.add(softmax(f32(1, 19).stretched(6, 19), output(6, 19)));
        cases.add(softmax(f32(6, 1).stretched(6, 19), output(6, 19)));
        cases.add(softmax(f32(300, 130), output(300, 130)));
        cases.add(softmax(f32(300, 128), output(300, 128)));
        cases.add(softmax(f32(37, 80), output(37, 80).laid(Layout.SPACED)));
        cases.add(softmax(f32(3, 1024), output(3, 1024)));
        cases.add(softmaxInPlace(f32(70, 64)));
        cases.add(softmax(f32(4, 40).with(Values.normal(0, 200)), output(4, 40)));
        cases.add(softmax(
                f32(6, 40).with(Values.cycle(1, Double.NEGATIVE_INFINITY, 2, 3, Double.NEGATIVE_INFINITY, 0.5, -100)),
                output(6, 40)));
        double[] rows = new double[4 * 20];
        Arrays.fill(rows, 1);
        Arrays.fill(rows, 0, 20, Double.NEGATIVE_INFINITY); // all hidden: NaN
        rows[25] = Double.POSITIVE_INFINITY;
        rows[47] = Double.NaN;
        cases.add(softmax(f32(4, 20).with(Values.cycle(rows)), output(4, 20)));
        cases.add(softmax(f32(35, 16).with(Values.cycle(rows)), output(35, 16)));
        cases.add(softmax(f32(35, 48).with(Values.cycle(rows)), output(35, 48)));
    }

    private static OpCase softmax(Operand x, Operand out) {
        return new OpCase(
                "softmax",
                x + " to " + out,
                List.of(x),
                List.of(out),
                (kernels, in, o) -> kernels.softmax(in.get(0), o.get(0)),
                Tolerance.roundings(8 + Math.sqrt(x.seen().dim(-1)), 1));
    }

    private static OpCase softmaxInPlace(Operand x) {
        return new OpCase(
                "softmax",
                x + " in place",
                List.of(),
                List.of(x),
                (kernels, in, o) -> kernels.softmax(o.get(0), o.get(0)),
                Tolerance.roundings(8 + Math.sqrt(x.seen().dim(-1)), 1));
    }

    private enum RowNorm {
        RMS,
        LAYER;

        void run(Kernels kernels, NdArray x, float eps, Affine affine, NdArray out) {
            switch (this) {
                case RMS -> kernels.rmsNorm(x, eps, affine, out);
                case LAYER -> kernels.layerNorm(x, eps, affine, out);
            }
        }
    }

    private static void rowNorms(List<OpCase> cases) {
        for (RowNorm norm : RowNorm.values()) {
            for (int n : WIDTHS) {
                cases.add(of(norm, f32(5, n), n > 2 ? f32(n) : null, null, null, null, output(5, n)));
            }
            for (Layout layout : Layout.values()) {
                Operand x = f32(4, 9, 22);
                Operand out = output(4, 9, 22);
                Operand w = f32(22);
                Operand scale = f32(4, 1, 22);
                cases.add(of(norm, x.laid(layout), w, w, null, null, out));
                cases.add(of(norm, x, w, null, scale.laid(layout), scale, out.laid(layout)));
                cases.add(inPlace(norm, x.laid(layout)));
            }
            for (DType type : List.of(DType.F16, DType.BF16)) {
                cases.add(of(norm, f32(7, 50).as(type), f32(50), f32(50), null, null, output(7, 50)));
                cases.add(of(
                        norm, f32(7, 50).as(type).laid(Layout.SPACED), null, null, f32(7, 50), f32(50), output(7, 50)));
            }
            Operand x = f32(6, 5, 33);
            Operand out = output(6, 5, 33);
            cases.add(of(norm, x, null, null, null, null, out));
            cases.add(of(norm, x, null, f32(33), null, null, out));
            cases.add(of(norm, x, f32(33).laid(Layout.SPACED), f32(33).laid(Layout.SPACED), null, null, out));
            cases.add(of(norm, x, null, null, f32(6, 5, 33), null, out));
            cases.add(of(norm, x, null, null, null, f32(6, 5, 33), out));
            cases.add(of(norm, x, null, null, f32(33), f32(5, 33), out));
            cases.add(of(norm, x, f32(33), f32(33), f32(6, 1, 1), f32(5, 1), out));
            cases.add(of(norm, x, f32(33), f32(33), f32(1).stretched(6, 5, 33), f32(1), out));
            cases.add(of(norm, f32(33), f32(33), null, null, null, output(33)));
            cases.add(of(norm, f32(0, 33), f32(33), null, null, null, output(0, 33)));
            cases.add(of(norm, f32(33, 0), f32(0), null, null, null, output(33, 0)));
            cases.add(of(norm, f32(1, 33).stretched(5, 33), f32(33), null, null, null, output(5, 33)));
            cases.add(of(norm, f32(200, 130), f32(130), null, f32(200, 130), f32(130), output(200, 130)));
            cases.add(of(norm, f32(200, 128), f32(128), null, null, null, output(200, 128)));
            cases.add(of(norm, f32(2, 100, 64), f32(64), f32(64), f32(2, 1, 64), f32(64), output(2, 100, 64)));
            cases.add(of(norm, f32(40, 48), f32(48), null, f32(40, 48), f32(1), output(40, 48)));
            cases.add(of(norm, f32(5, 1024), null, f32(1024), null, null, output(5, 1024)));
            cases.add(inPlace(norm, f32(70, 80)));
            cases.add(of(norm, f32(3, 20).with(Values.cycle(0)), f32(20), f32(20), null, null, output(3, 20)));
            cases.add(of(norm, f32(3, 20).with(Values.normal(0, 1e-8)), null, null, null, null, output(3, 20)));
            cases.add(of(norm, f32(3, 20).with(Values.normal(0, 1e15)), null, null, null, null, output(3, 20)));
        }
        // the mean is a thousand times the deviation: the variance must not come from the mean square
        for (int width : new int[] {128, 700}) {
            Operand x = f32(5, width).with(Values.normal(1000, 1));
            OpCase c = of(RowNorm.LAYER, x, null, null, null, null, output(5, width));
            Tolerance tolerance = Tolerance.roundings(8, 1000);
            cases.add(new OpCase(c.op(), "far from zero, " + c.name(), c.inputs(), c.outputs(), c.call(), tolerance));
        }
    }

    private static Tolerance tolerance(int width) {
        // normalised values reach 4, factors reach 4 twice
        return Tolerance.roundings(8 + Math.sqrt(width), 16);
    }

    private static OpCase of(
            RowNorm norm,
            Operand x,
            @Nullable Operand weight,
            @Nullable Operand bias,
            @Nullable Operand scale,
            @Nullable Operand shift,
            Operand out) {
        List<Operand> inputs = new ArrayList<>(List.of(x));
        StringBuilder title = new StringBuilder(x + " to " + out);
        String[] names = {"weight", "bias", "scale", "shift"};
        @Nullable Operand[] optional = {weight, bias, scale, shift};
        int[] at = new int[4];
        for (int i = 0; i < 4; i++) {
            Operand o = optional[i];
            if (o != null) {
                at[i] = inputs.size();
                inputs.add(o);
                title.append(", ").append(names[i]).append(' ').append(o);
            }
        }
        return new OpCase(
                norm == RowNorm.RMS ? "rmsNorm" : "layerNorm",
                title.toString(),
                inputs,
                List.of(out),
                (kernels, in, o) -> norm.run(
                        kernels,
                        in.get(0),
                        EPS,
                        new Affine(
                                at[0] == 0 ? null : in.get(at[0]),
                                at[1] == 0 ? null : in.get(at[1]),
                                at[2] == 0 ? null : in.get(at[2]),
                                at[3] == 0 ? null : in.get(at[3])),
                        o.get(0)),
                tolerance(x.seen().dim(-1)));
    }

    private static OpCase inPlace(RowNorm norm, Operand x) {
        int width = x.seen().dim(-1);
        return new OpCase(
                norm == RowNorm.RMS ? "rmsNorm" : "layerNorm",
                x + " in place",
                List.of(f32(width), f32(width)),
                List.of(x),
                (kernels, in, o) -> norm.run(kernels, o.get(0), EPS, Affine.learned(in.get(0), in.get(1)), o.get(0)),
                tolerance(width));
    }

    private static void groupNorm(List<OpCase> cases) {
        Object[][] sizes = {
            {f32(1, 1), 1},
            {f32(3, 12), 4},
            {f32(2, 6, 5), 3},
            {f32(1, 8, 3, 3), 8},
            {f32(1, 8, 3, 3), 1},
            {f32(2, 32, 7, 9), 8},
            {f32(1, 34, 2, 5, 6), 2},
            {f32(1, 64, 16, 17), 32},
            {f32(0, 8, 3, 3), 2},
            {f32(2, 8, 0, 3), 2},
            {f32(1, 96, 33, 31), 32},
        };
        for (Object[] s : sizes) {
            Operand x = (Operand) s[0];
            for (Activation activation : Activation.values()) {
                cases.add(groupNorm(x, (int) s[1], activation, Values.POISON, Layout.DENSE));
            }
            cases.add(groupNorm(
                    x.laid(Layout.CHANNELS_LAST), (int) s[1], Activation.SILU, Values.POISON, Layout.CHANNELS_LAST));
        }
        for (Layout layout : Layout.values()) {
            Operand x = f32(2, 12, 5, 7);
            cases.add(groupNorm(x.laid(layout), 3, Activation.SILU, Values.POISON, Layout.DENSE));
            cases.add(groupNorm(x, 3, Activation.NONE, Values.POISON, layout));
            cases.add(groupNorm(x.laid(layout), 3, Activation.SILU, Values.NORMAL, layout));
        }
        for (DType type : List.of(DType.F16, DType.BF16)) {
            cases.add(groupNorm(f32(2, 12, 5, 7).as(type), 3, Activation.SILU, Values.POISON, Layout.DENSE));
            cases.add(groupNorm(
                    f32(2, 12, 5, 7).as(type).laid(Layout.CHANNELS_LAST),
                    3,
                    Activation.NONE,
                    Values.POISON,
                    Layout.PADDED));
        }
        cases.add(groupNorm(f32(1, 12, 1, 1).stretched(2, 12, 5, 7), 3, Activation.NONE, Values.POISON, Layout.DENSE));
        OpCase c = groupNorm(
                f32(1, 8, 10, 11).with(Values.normal(1000, 1)), 2, Activation.NONE, Values.POISON, Layout.DENSE);
        cases.add(new OpCase(
                c.op(),
                "far from zero, " + c.name(),
                c.inputs(),
                c.outputs(),
                c.call(),
                Tolerance.roundings(32, 1000)));
    }

    /// In place if the output is filled.
    private static OpCase groupNorm(Operand x, int groups, Activation activation, Values output, Layout layout) {
        int channels = x.seen().dim(1);
        boolean inPlace = output != Values.POISON;
        Operand out = output(x.seen().dims()).laid(layout).with(output);
        List<Operand> inputs = new ArrayList<>(List.of(f32(channels), f32(channels)));
        if (!inPlace) {
            inputs.add(x);
        }
        long length = x.seen().elements() / Math.max(1L, (long) x.seen().dim(0) * groups);
        return new OpCase(
                "groupNorm",
                x + (inPlace ? " in place, " : " to " + out + ", ") + groups + " groups, " + activation,
                inputs,
                List.of(out),
                (kernels, in, o) -> kernels.groupNorm(
                        inPlace ? o.get(0) : in.get(2), groups, EPS, in.get(0), in.get(1), activation, o.get(0)),
                Tolerance.roundings(8 + Math.sqrt((double) length), 16));
    }
}
