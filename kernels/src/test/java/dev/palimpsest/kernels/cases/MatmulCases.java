package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.f32;
import static dev.palimpsest.kernels.cases.Operand.output;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.DType;
import java.util.ArrayList;
import java.util.List;

/// Cases of the matrix product.
final class MatmulCases {
    /// (M, K, N): nothing, one, primes, vector lengths and their neighbours, one past common blocks.
    private static final int[][] SIZES = {
        {0, 3, 4},
        {3, 0, 4},
        {3, 4, 0},
        {1, 1, 1},
        {1, 7, 1},
        {1, 64, 33},
        {2, 3, 5},
        {3, 1, 3},
        {4, 8, 8},
        {5, 9, 7},
        {6, 16, 16},
        {7, 15, 17},
        {8, 17, 15},
        {9, 31, 33},
        {12, 32, 24},
        {13, 33, 31},
        {16, 48, 48},
        {17, 65, 49},
        {31, 63, 65},
        {1, 257, 129},
        {129, 5, 1},
        {33, 129, 97},
        {2, 513, 37},
        {37, 1025, 2},
        {65, 97, 193},
        {130, 40, 385},
        {14, 300, 1030},
    };

    private MatmulCases() {}

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : SIZES) {
            cases.add(of(f32(s[0], s[1]), f32(s[1], s[2]), output(s[0], s[2]), Fused.NONE));
            cases.add(
                    of(f32(s[0], s[1]), f32(s[1], s[2]).laid(Layout.TRANSPOSED), output(s[0], s[2]), Fused.bias(s[2])));
        }
        for (Layout a : Layout.values()) {
            for (Layout b : Layout.values()) {
                cases.add(of(f32(19, 37).laid(a), f32(37, 29).laid(b), output(19, 29), Fused.NONE));
            }
            cases.add(of(f32(19, 37), f32(37, 29), output(19, 29).laid(a), Fused.bias(29)));
        }
        for (DType a : List.of(DType.F32, DType.F16, DType.BF16)) {
            for (DType b : List.of(DType.F32, DType.F16, DType.BF16)) {
                for (Layout layout : List.of(Layout.DENSE, Layout.TRANSPOSED, Layout.SPACED)) {
                    cases.add(of(f32(18, 70).as(a), f32(70, 51).as(b).laid(layout), output(18, 51), Fused.NONE));
                }
            }
            cases.add(of(f32(1, 70).as(a), f32(70, 51).laid(Layout.TRANSPOSED), output(1, 51), Fused.NONE));
            cases.add(of(f32(1, 70), f32(70, 51).as(a).laid(Layout.TRANSPOSED), output(1, 51), Fused.NONE));
            cases.add(of(
                    f32(18, 70).as(a).laid(Layout.MISALIGNED),
                    f32(70, 51).as(a).laid(Layout.MISALIGNED),
                    output(18, 51).laid(Layout.MISALIGNED),
                    Fused.NONE));
        }
        batches(cases);
        epilogues(cases);
        return cases;
    }

    private static void batches(List<OpCase> cases) {
        cases.add(of(f32(3, 7, 9), f32(3, 9, 5), output(3, 7, 5), Fused.bias(5)));
        cases.add(of(f32(2, 3, 17, 8), f32(2, 3, 8, 19), output(2, 3, 17, 19), Fused.NONE));
        cases.add(of(f32(0, 7, 9), f32(0, 9, 5), output(0, 7, 5), Fused.NONE));
        cases.add(of(f32(7, 9).stretched(3, 7, 9), f32(3, 9, 5), output(3, 7, 5), Fused.NONE));
        cases.add(of(f32(3, 7, 9), f32(9, 5).stretched(3, 9, 5), output(3, 7, 5), Fused.bias(5)));
        cases.add(of(f32(3, 1).stretched(3, 6), f32(6, 1).stretched(6, 5), output(3, 5), Fused.NONE));
        cases.add(of(f32(1, 6).stretched(4, 6), f32(1, 5).stretched(6, 5), output(4, 5), Fused.NONE));
        cases.add(of(
                f32(2, 40, 3, 16).laid(Layout.CHANNELS_LAST),
                f32(2, 40, 16, 21).laid(Layout.TRANSPOSED),
                output(2, 40, 3, 21).laid(Layout.CHANNELS_LAST),
                Fused.bias(21)));
        cases.add(of(
                f32(40, 5, 33),
                f32(40, 33, 18),
                output(40, 5, 18),
                Fused.bias(18).gated(f32(40, 1, 1)).plus(f32(1, 5, 18))));
    }

    private static void epilogues(List<OpCase> cases) {
        for (Activation activation : Activation.values()) {
            for (int n : new int[] {1, 15, 16, 33, 100}) {
                Operand a = f32(21, 35);
                Operand b = f32(35, n).laid(Layout.TRANSPOSED);
                Operand out = output(21, n);
                Fused fused = Fused.NONE.activated(activation);
                cases.add(of(a, b, out, fused));
                cases.add(of(a, b, out, Fused.bias(n).activated(activation)));
                cases.add(of(a, b, out, fused.gated(f32(n)).plus(f32(21, n))));
                cases.add(of(
                        a,
                        b,
                        out,
                        Fused.bias(n).activated(activation).gated(f32(21, 1)).plusOutput()));
                cases.add(of(
                        a, b, out.laid(Layout.PADDED), fused.gated(f32(21, n)).plusOutput()));
                cases.add(of(a, b, out, fused.plus(f32(1, n).laid(Layout.SPACED))));
                cases.add(of(a, b, out, fused.plus(f32(21, 1))));
                cases.add(of(
                        a, b, out.laid(Layout.TRANSPOSED), fused.gated(f32(1)).plus(f32(1, 1))));
            }
        }
        cases.add(of(
                f32(5, 0),
                f32(0, 7),
                output(5, 7),
                Fused.bias(7).gated(f32(5, 7)).plusOutput()));
        cases.add(of(
                f32(6, 20),
                f32(20, 10),
                output(6, 10),
                new Fused(f32(10).laid(Layout.SPACED), Activation.SILU, null, null, false)));
    }

    private static OpCase of(Operand a, Operand b, Operand out, Fused fused) {
        int k = a.seen().dim(-1);
        return new OpCase(
                "matmul",
                a + " x " + b + " to " + out + fused,
                fused.appendedTo(a, b),
                List.of(fused.output(out)),
                (kernels, in, o) -> kernels.matmul(in.get(0), in.get(1), o.get(0), fused.epilogue(in, 2, o.get(0))),
                // neither activation is steeper than 1.13
                Tolerance.sum(k).times(1.2));
    }
}
