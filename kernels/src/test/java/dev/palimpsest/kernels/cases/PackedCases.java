package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.f32;
import static dev.palimpsest.kernels.cases.Operand.output;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.PackedMatrix;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/// Cases of the matrix product with a packed right side: pack, then multiply.
final class PackedCases {
    /// (M, K, N): nothing, one, primes, vector lengths and their neighbours, one past common blocks.
    private static final int[][] SIZES = {
        {0, 3, 4},
        {3, 0, 4},
        {3, 4, 0},
        {1, 1, 1},
        {1, 2, 1},
        {2, 3, 5},
        {3, 4, 7},
        {4, 5, 8},
        {5, 31, 15},
        {6, 32, 16},
        {7, 33, 17},
        {8, 63, 31},
        {9, 64, 33},
        {11, 65, 47},
        {12, 66, 48},
        {13, 67, 49},
        {14, 68, 63},
        {15, 127, 64},
        {16, 128, 65},
        {17, 129, 97},
        {1, 513, 130},
        {2, 515, 129},
        {3, 514, 128},
        {4, 1030, 37},
        {31, 1025, 2},
        {33, 1600, 193},
        {97, 70, 385},
        {130, 97, 1030},
    };

    private PackedCases() {}

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (Arithmetic arithmetic : Arithmetic.values()) {
            for (int[] s : SIZES) {
                Operand b = f32(s[1], s[2]).laid(Layout.TRANSPOSED);
                cases.add(of(arithmetic, 0, f32(s[0], s[1]), b, output(s[0], s[2]), Fused.bias(s[2])));
            }
            for (DType type : List.of(DType.F32, DType.F16, DType.BF16)) {
                for (Layout layout : List.of(Layout.DENSE, Layout.TRANSPOSED, Layout.SPACED, Layout.MISALIGNED)) {
                    for (int m : new int[] {1, 18}) {
                        Operand b = f32(75, 83).as(type).laid(layout);
                        Operand a = f32(m, 75).as(type).laid(layout);
                        cases.add(of(arithmetic, 0, a, b, output(m, 83), Fused.NONE));
                        cases.add(of(arithmetic, 0, f32(m, 75), b, output(m, 83).laid(layout), Fused.bias(83)));
                    }
                }
                for (int[] s : SIZES) {
                    Operand b = f32(s[1], s[2]).as(type).laid(Layout.TRANSPOSED);
                    cases.add(of(arithmetic, 0, f32(s[0], s[1]), b, output(s[0], s[2]), Fused.NONE));
                }
            }
            epilogues(cases, arithmetic);
            // leading axes are further rows
            cases.add(of(arithmetic, 0, f32(2, 3, 9, 40), f32(40, 50), output(2, 3, 9, 50), Fused.bias(50)));
            cases.add(of(
                    arithmetic,
                    0,
                    f32(2, 9, 3, 40).laid(Layout.CHANNELS_LAST),
                    f32(40, 50),
                    output(2, 9, 3, 50).laid(Layout.CHANNELS_LAST),
                    Fused.bias(50).gated(f32(2, 1, 1, 50))));
            cases.add(of(arithmetic, 0, f32(40).stretched(5, 40), f32(40, 50), output(5, 50), Fused.NONE));
            // activations all of one sign, far from zero, tiny
            for (Values values : List.of(
                    Values.uniform(2, 3), Values.uniform(-3, -2), Values.uniform(-1e-39, 1e-39), Values.cycle(0))) {
                cases.add(of(arithmetic, 0, f32(7, 66).with(values), f32(66, 40), output(7, 40), Fused.NONE));
                cases.add(of(arithmetic, 0, f32(7, 66), f32(66, 40).with(values), output(7, 40), Fused.NONE));
            }
        }
        for (int group : new int[] {32, 64, 96}) {
            for (int[] s : SIZES) {
                Operand b = f32(s[1], s[2]).laid(Layout.TRANSPOSED);
                cases.add(of(
                        Arithmetic.INT8_WEIGHT_ONLY, group, f32(s[0], s[1]), b, output(s[0], s[2]), Fused.bias(s[2])));
            }
        }
        return cases;
    }

    private static void epilogues(List<OpCase> cases, Arithmetic arithmetic) {
        for (Activation activation : Activation.values()) {
            for (int m : new int[] {1, 21}) {
                Operand a = f32(m, 35);
                Operand b = f32(35, 67).laid(Layout.TRANSPOSED);
                Operand out = output(m, 67);
                Fused fused = Fused.bias(67).activated(activation);
                cases.add(of(arithmetic, 0, a, b, out, fused));
                cases.add(of(arithmetic, 0, a, b, out, fused.gated(f32(67)).plus(f32(m, 67))));
                cases.add(of(arithmetic, 0, a, b, out, fused.gated(f32(m, 1)).plusOutput()));
                cases.add(of(
                        arithmetic,
                        0,
                        a,
                        b,
                        out.laid(Layout.TRANSPOSED),
                        fused.gated(f32(1)).plus(f32(1, 1))));
            }
        }
    }

    private static OpCase of(Arithmetic arithmetic, int group, Operand a, Operand b, Operand out, Fused fused) {
        int k = a.seen().dim(-1);
        return new OpCase(
                "pack",
                arithmetic + (group == 0 ? "" : " by " + group) + ", " + a + " x " + b + " to " + out + fused,
                fused.appendedTo(a, b),
                List.of(fused.output(out)),
                (kernels, in, o) -> {
                    try (Arena arena = Arena.ofShared()) {
                        PackedMatrix packed = kernels.pack(in.get(1), arithmetic, group, arena);
                        kernels.matmul(in.get(0), packed, o.get(0), fused.epilogue(in, 2, o.get(0)));
                    }
                },
                tolerance(arithmetic, k, largest(a), largest(b)));
    }

    private static double largest(Operand x) {
        return x.values() == Values.NORMAL ? 1 : 3;
    }

    /// Integer sums are exact and leave a few roundings of the scales and the epilogue; neither activation is steeper
    /// than 1.13.
    private static Tolerance tolerance(Arithmetic arithmetic, int k, double a, double b) {
        return arithmetic == Arithmetic.INT8
                ? Tolerance.roundings(6, 5 * Math.sqrt(k) * a * b + 8)
                : Tolerance.sum(k).times(1.2 * a * b);
    }
}
