package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.array;
import static dev.palimpsest.kernels.cases.Operand.f32;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Reduction;
import java.util.ArrayList;
import java.util.List;

/// Cases of the reductions.
final class ReductionCases {
    private ReductionCases() {}

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (Reduction op : Reduction.values()) {
            for (int n : new int[] {0, 1, 2, 7, 8, 9, 15, 16, 17, 33, 63, 64, 65, 1000, 40_009}) {
                cases.add(reduce(op, f32(n), 1));
                cases.add(reduce(op, f32(3, n), 3, 1));
                cases.add(reduce(op, f32(n, 3), 1, 3));
            }
            for (Layout layout : Layout.values()) {
                Operand x = f32(3, 6, 5, 19).laid(layout);
                cases.add(reduce(op, x, 3, 6, 5, 1));
                cases.add(reduce(op, x, 3, 1, 5, 19));
                cases.add(reduce(op, x, 1, 6, 1, 1));
                cases.add(reduce(op, x, 1, 1, 1, 19));
                cases.add(reduce(op, x, 3, 1, 1, 1));
                cases.add(reduce(op, x, 1, 1, 1, 1));
                cases.add(reduce(op, x, 3, 6, 5, 19));
            }
            for (DType type : List.of(DType.F16, DType.BF16, DType.F64)) {
                cases.add(reduce(op, array(type, 7, 70), 7, 1));
                cases.add(reduce(op, array(type, 7, 70), 1, 70));
                cases.add(reduce(op, array(type, 7, 70).laid(Layout.TRANSPOSED), 1, 1));
            }
            if (op != Reduction.MEAN) {
                Operand integers = array(DType.I64, 7, 70).with(Values.integers(-1L << 40, 1L << 40));
                cases.add(reduce(op, integers, 7, 1));
                cases.add(reduce(op, integers.laid(Layout.SPACED), 1, 70));
            }
            cases.add(reduce(op, f32()));
            cases.add(reduce(op, f32(0, 5), 0, 1));
            cases.add(reduce(op, f32(5, 1).stretched(3, 5, 40), 1, 5, 1));
            cases.add(reduce(op, f32(27, 40).with(Values.SPECIAL), 27, 1));
            cases.add(reduce(op, f32(40, 27).with(Values.SPECIAL), 1, 27));
            cases.add(reduce(op, f32(300, 130), 300, 1));
            cases.add(reduce(op, f32(300, 130), 1, 130));
        }
        argmax(cases);
        return cases;
    }

    private static OpCase reduce(Reduction op, Operand x, int... dims) {
        DType type = x.dtype() == DType.F64 || x.dtype() == DType.I64 ? x.dtype() : DType.F32;
        Operand out = array(type, dims).with(Values.POISON);
        long length = x.seen().elements() / Math.max(1, out.shape().elements());
        return new OpCase(
                "reduce",
                op + " " + x + " to " + out,
                List.of(x),
                List.of(out),
                (kernels, in, o) -> kernels.reduce(op, in.get(0), o.get(0)),
                tolerance(op, type, Math.toIntExact(length)));
    }

    private static Tolerance tolerance(Reduction op, DType type, int length) {
        if (op == Reduction.MAX || op == Reduction.MIN || type == DType.I64) {
            return Tolerance.EXACT;
        }
        if (type == DType.F64) {
            return new Tolerance(1e-15 * length, 1e-15);
        }
        return op == Reduction.SUM
                ? Tolerance.sum(length)
                : Tolerance.sum(length).times(1.0 / Math.max(1, length));
    }

    private static void argmax(List<OpCase> cases) {
        for (int n : new int[] {1, 2, 7, 8, 9, 16, 17, 33, 65, 1000}) {
            cases.add(argmax(f32(5, n)));
            cases.add(argmax(f32(5, n).with(Values.integers(0, 3)))); // ties
        }
        for (Layout layout : Layout.values()) {
            cases.add(argmax(f32(3, 4, 50).laid(layout)));
        }
        for (DType type : List.of(DType.F16, DType.BF16)) {
            cases.add(argmax(array(type, 6, 40)));
        }
        double nan = Double.NaN;
        double infinity = Double.POSITIVE_INFINITY;
        cases.add(argmax(f32(4, 5).with(Values.cycle(1, nan, infinity, nan, 2, 1, 1, infinity, infinity, 0))));
        cases.add(argmax(f32(2, 9).with(Values.cycle(-infinity))));
        cases.add(argmax(f32(2, 9).with(Values.cycle(0.0, -0.0))));
        cases.add(argmax(f32(2, 80).with(Values.SPECIAL)));
        cases.add(argmax(f32(17)));
        cases.add(argmax(f32(0, 3)));
        cases.add(argmax(f32(200, 301)));
    }

    private static OpCase argmax(Operand x) {
        Operand out = array(DType.I64, x.shape().remove(-1).dims()).with(Values.POISON);
        return new OpCase(
                "argmax",
                x + " to " + out,
                List.of(x),
                List.of(out),
                (kernels, in, o) -> kernels.argmax(in.get(0), o.get(0)),
                Tolerance.EXACT);
    }
}
