package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.f32;
import static dev.palimpsest.kernels.cases.Operand.output;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Cases of attention.
final class AttentionCases {
    /// Bias that hides a third of the keys; the first ones of every row, so that a streaming softmax starts with
    /// nothing.
    private static final Values HIDING = new Values(
            "numbers that hide a third", (random, i) -> i % 12 < 4 ? Double.NEGATIVE_INFINITY : random.nextGaussian());

    private final Arithmetic arithmetic;
    private final List<OpCase> cases = new ArrayList<>();

    private AttentionCases(Arithmetic arithmetic) {
        this.arithmetic = arithmetic;
    }

    static List<OpCase> all() {
        List<OpCase> all = new ArrayList<>();
        for (Arithmetic arithmetic : List.of(Arithmetic.F32, Arithmetic.BF16)) {
            all.addAll(new AttentionCases(arithmetic).list());
        }
        return all;
    }

    private List<OpCase> list() {
        int[][] sizes = { // queries, keys, heads, width, width of the values
            {0, 3, 2, 4, 4},
            {3, 0, 2, 4, 4},
            {1, 1, 1, 1, 1},
            {2, 3, 1, 5, 7},
            {7, 9, 3, 8, 8},
            {1, 65, 2, 16, 16},
            {16, 16, 2, 16, 16},
            {17, 15, 1, 31, 33},
            {33, 63, 2, 64, 64},
            {65, 129, 2, 40, 24},
            {5, 300, 1, 128, 128},
            {70, 70, 5, 3, 2},
            {3, 4, 0, 8, 8},
            {130, 257, 3, 20, 17},
        };
        for (int[] s : sizes) {
            cases.add(of(sizes(s), KeyRanges.full(s[0], s[1]), Extras.NONE, "full"));
            cases.add(of(sizes(s), KeyRanges.full(s[0], s[1]), Extras.ALL, "full"));
        }
        ranges();
        layoutsAndTypes();
        extremes();
        return cases;
    }

    private void ranges() {
        for (Extras extras : List.of(Extras.NONE, Extras.ALL)) {
            cases.add(of(sizes(33, 33, 2, 16, 16), KeyRanges.causal(33, 33), extras, "causal"));
            cases.add(of(sizes(5, 70, 2, 16, 16), KeyRanges.causal(5, 70), extras, "causal behind a cache"));
            cases.add(of(
                    sizes(40, 90, 2, 24, 24),
                    KeyRanges.packed(new int[] {7, 0, 17, 16}, new int[] {33, 4, 1, 52}),
                    extras,
                    "packed"));
            cases.add(of(
                    sizes(20, 30, 2, 8, 8),
                    KeyRanges.packed(new int[] {8, 5, 7}, new int[] {17, 0, 13}),
                    extras,
                    "packed with a sample that sees nothing"));
            cases.add(of(
                    sizes(100, 100, 3, 16, 16),
                    KeyRanges.blockCausal(new int[][] {{20, 1, 30}, {}, {17, 32}}),
                    extras,
                    "block-causal"));
            int[] from = new int[50];
            int[] to = new int[50];
            for (int i = 0; i < 50; i++) {
                from[i] = i * 7 % 61;
                to[i] = from[i] + i * 11 % (80 - from[i]);
            }
            cases.add(of(sizes(50, 80, 2, 12, 20), KeyRanges.of(from, to, 80), extras, "unordered ranges"));
        }
    }

    private void layoutsAndTypes() {
        KeyRanges full = KeyRanges.full(21, 37);
        for (Layout layout : Layout.values()) {
            Operands s = sizes(21, 37, 3, 18, 10);
            cases.add(of(
                    new Operands(s.q.laid(layout), s.k.laid(layout), s.v.laid(layout), s.out.laid(layout)),
                    full,
                    Extras.NONE,
                    "full"));
        }
        for (DType type : List.of(DType.F16, DType.BF16)) {
            Operands s = sizes(21, 37, 3, 18, 10);
            cases.add(of(new Operands(s.q.as(type), s.k.as(type), s.v.as(type), s.out), full, Extras.ALL, "full"));
            cases.add(of(new Operands(s.q, s.k.as(type), s.v.as(type), s.out), full, Extras.NONE, "full"));
        }
        // one head of keys and values for all heads of queries
        cases.add(of(
                new Operands(
                        f32(21, 4, 16),
                        f32(37, 1, 16).stretched(37, 4, 16),
                        f32(37, 1, 16).stretched(37, 4, 16),
                        output(21, 4, 16)),
                full,
                Extras.NONE,
                "full"));
        Operands s = sizes(21, 37, 3, 16, 16);
        Operand scores = f32(3, 21, 37);
        for (Operand bias : List.of(
                f32(37),
                f32(21, 1),
                f32(3, 1, 1),
                f32(1, 21, 37),
                scores.laid(Layout.SPACED),
                f32(3, 1, 37).with(HIDING),
                scores.with(HIDING).laid(Layout.TRANSPOSED))) {
            cases.add(of(s, full, new Extras(bias, true, true, Layout.DENSE), "full"));
        }
        cases.add(of(s, full, new Extras(scores, true, true, Layout.TRANSPOSED), "full"));
        cases.add(of(s, full, new Extras(null, true, false, Layout.PADDED), "full"));
        cases.add(of(s, full, new Extras(null, false, true, Layout.SPACED), "full"));
    }

    private void extremes() {
        Operands s = sizes(9, 40, 2, 16, 16);
        KeyRanges full = KeyRanges.full(9, 40);
        Operand hideAll = f32(9, 1).with(Values.cycle(0, Double.NEGATIVE_INFINITY, 1));
        cases.add(
                of(s, full, new Extras(hideAll, true, true, Layout.DENSE), "the bias hides all keys of some queries"));
        Operands loud = new Operands(s.q.with(Values.normal(0, 40)), s.k.with(Values.normal(0, 40)), s.v, s.out);
        OpCase c = of(loud, full, Extras.ALL, "large scores");
        // scores of about 6000 err by some of their own last places, and the weights by that much relative to 1
        cases.add(new OpCase(
                c.op(), c.name(), c.inputs(), c.outputs(), c.call(), rounded(Tolerance.roundings(4 * 6000, 1))));
    }

    private record Operands(Operand q, Operand k, Operand v, Operand out) {}

    private static Operands sizes(int... s) {
        return new Operands(
                f32(s[0], s[2], s[3]), f32(s[1], s[2], s[3]), f32(s[1], s[2], s[4]), output(s[0], s[2], s[4]));
    }

    /// The optional operands.
    private record Extras(@Nullable Operand bias, boolean probabilities, boolean logSumExp, Layout layout) {
        static final Extras NONE = new Extras(null, false, false, Layout.DENSE);
        static final Extras ALL = new Extras(f32(1), true, true, Layout.DENSE);
    }

    private OpCase of(Operands s, KeyRanges visible, Extras extras, String name) {
        int queries = s.q.seen().dim(0);
        int keys = s.k.seen().dim(0);
        int heads = s.q.seen().dim(1);
        int width = s.q.seen().dim(2);
        float scale = (float) (1 / Math.sqrt(width));
        List<Operand> inputs = new ArrayList<>(List.of(s.q, s.k, s.v));
        if (extras.bias != null) {
            inputs.add(extras.bias);
        }
        List<Operand> outputs = new ArrayList<>(List.of(s.out));
        if (extras.probabilities) {
            outputs.add(output(heads, queries, keys).laid(extras.layout));
        }
        if (extras.logSumExp) {
            outputs.add(output(queries, heads).laid(extras.layout));
        }
        OpCase.Call call = (kernels, in, out) -> {
            NdArray bias = extras.bias == null ? null : in.get(3);
            NdArray probabilities = extras.probabilities ? out.get(1) : null;
            NdArray logSumExp = extras.logSumExp ? out.get(out.size() - 1) : null;
            kernels.attention(
                    new Attention(scale, visible, bias, probabilities, logSumExp, arithmetic),
                    in.get(0),
                    in.get(1),
                    in.get(2),
                    out.get(0));
        };
        String title = (arithmetic == Arithmetic.F32 ? "" : arithmetic + ", ") + name + ", q " + s.q + ", k " + s.k
                + ", v " + s.v + " to " + s.out
                + (extras.bias == null ? "" : ", bias " + extras.bias)
                + (extras.probabilities ? ", probabilities " + extras.layout : "")
                + (extras.logSumExp ? ", log-sum-exp " + extras.layout : "");
        // a score is a sum of `width` products, a result a weighted mean of `keys` values
        Tolerance tolerance = Tolerance.roundings(16 + width + Math.sqrt(keys), 1);
        return new OpCase("attention", title, inputs, outputs, call, rounded(tolerance));
    }

    /// In bf16 weights are rounded relative to the largest score that a query has met, which depends on the order:
    /// they differ by two roundings of 2^-9 at most, and so does what they make of values around 1.
    private Tolerance rounded(Tolerance tolerance) {
        double roundings = arithmetic == Arithmetic.F32 ? 0 : Math.scalb(2.0, -9);
        return new Tolerance(tolerance.absolute() + roundings, tolerance.relative() + roundings);
    }
}
