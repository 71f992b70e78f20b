package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.f32;
import static dev.palimpsest.kernels.cases.Operand.output;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.RopeLayout;
import java.util.ArrayList;
import java.util.List;

/// Cases of the rotary embedding.
final class RopeCases {
    private RopeCases() {}

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (RopeLayout pairs : RopeLayout.values()) {
            int[][] sizes = { // length, heads, width, pairs
                {0, 2, 8, 4},
                {1, 1, 2, 1},
                {3, 2, 8, 4},
                {5, 3, 7, 3},
                {4, 2, 9, 0},
                {7, 5, 16, 5},
                {3, 2, 33, 16},
                {2, 3, 64, 32},
                {5, 2, 66, 33},
                {3, 20, 128, 63},
                {130, 4, 40, 17},
            };
            for (int[] s : sizes) {
                cases.add(of(pairs, f32(s[0], s[1], s[2]), f32(s[0], s[3]), Layout.DENSE));
            }
            for (Layout layout : Layout.values()) {
                cases.add(of(pairs, f32(6, 3, 22).laid(layout), f32(6, 9), Layout.DENSE));
                cases.add(of(pairs, f32(6, 3, 22), f32(6, 9).laid(layout), layout));
                cases.add(inPlace(pairs, f32(6, 3, 22).laid(layout), f32(6, 9)));
            }
            for (DType type : List.of(DType.F16, DType.BF16)) {
                cases.add(of(pairs, f32(6, 3, 22).as(type), f32(6, 11), Layout.DENSE));
            }
            cases.add(of(pairs, f32(6, 3, 22), f32(1, 11).stretched(6, 11), Layout.DENSE));
        }
        return cases;
    }

    private static OpCase of(RopeLayout pairs, Operand x, Operand angles, Layout layout) {
        Operand out = output(x.seen().dims()).laid(layout);
        return new OpCase(
                "rope",
                pairs + " " + x + " by " + angles + " to " + out,
                List.of(x, angles, angles),
                List.of(out),
                (kernels, in, o) -> kernels.rope(pairs, in.get(0), in.get(1), in.get(2), o.get(0)),
                Tolerance.roundings(2, 16));
    }

    private static OpCase inPlace(RopeLayout pairs, Operand x, Operand angles) {
        return new OpCase(
                "rope",
                pairs + " " + x + " by " + angles + " in place",
                List.of(angles, angles),
                List.of(x),
                (kernels, in, o) -> kernels.rope(pairs, o.get(0), in.get(0), in.get(1), o.get(0)),
                Tolerance.roundings(2, 16));
    }
}
