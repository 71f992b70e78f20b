package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.array;
import static dev.palimpsest.kernels.cases.Operand.f32;

import dev.palimpsest.kernels.DType;
import java.util.ArrayList;
import java.util.List;

/// Cases of copies, conversions, fills and rows picked by index.
final class MovementCases {
    private static final List<DType> OPAQUE = List.of(DType.F8_E4M3, DType.F8_E5M2);
    private static final int[] LENGTHS = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 1000, 40_009};

    private MovementCases() {}

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        conversions(cases);
        copies(cases);
        fills(cases);
        gathers(cases);
        scatters(cases);
        return cases;
    }

    private static void conversions(List<OpCase> cases) {
        for (DType from : DType.values()) {
            for (DType to : DType.values()) {
                if (from != to && (OPAQUE.contains(from) || OPAQUE.contains(to))) {
                    continue;
                }
                // only numbers that every integer type can hold: what happens to others is nobody's promise
                Values values =
                        from.isFloating() ? Values.uniform(0, 100) : Values.integers(0, from == DType.BOOL ? 1 : 100);
                cases.add(copy(array(from, 5, 37).with(values), array(to, 5, 37)));
                cases.add(copy(
                        array(from, 5, 37).with(values).laid(Layout.TRANSPOSED),
                        array(to, 5, 37).laid(Layout.SPACED)));
            }
        }
        for (DType to :
                List.of(DType.F32, DType.F16, DType.BF16, DType.F64, DType.I64, DType.I32, DType.I16, DType.I8)) {
            for (DType from : List.of(DType.F32, DType.F16, DType.BF16, DType.F64)) {
                cases.add(copy(array(from, 1001).with(Values.uniform(-100, 100)), array(to, 1001)));
            }
            cases.add(copy(array(DType.I8, 301).with(Values.integers(-100, 100)), array(to, 301)));
            cases.add(copy(array(DType.I64, 301).with(Values.integers(-100, 100)), array(to, 301)));
        }
        for (DType to : List.of(DType.F16, DType.BF16, DType.F64, DType.BOOL)) {
            cases.add(copy(f32(81).with(Values.SPECIAL), array(to, 81)));
            cases.add(copy(f32(5003).with(Values.magnitudes(-44, 6)), array(to, 5003)));
        }
        cases.add(copy(array(DType.F64, 5003).with(Values.magnitudes(-46, 40)), array(DType.F32, 5003)));
        cases.add(copy(array(DType.F64, 5003).with(Values.magnitudes(-10, 6)), array(DType.BF16, 5003)));
        for (DType wide : List.of(DType.I64, DType.U64)) {
            for (DType to : List.of(DType.F32, DType.F64, DType.BF16)) {
                Values values = wide == DType.I64
                        ? Values.integers(-(1L << 62), 1L << 62)
                        : Values.cycle(-1, -2, 1, 0x1p62, 0x1.000001p62, 0x1.0000011p40, -0x1.8p61);
                cases.add(copy(array(wide, 301).with(values), array(to, 301)));
            }
        }
    }

    private static void copies(List<OpCase> cases) {
        for (DType type : List.of(DType.F32, DType.F16, DType.U8, DType.I64)) {
            for (Layout from : Layout.values()) {
                for (Layout to : Layout.values()) {
                    Values values = type.isFloating() ? Values.SPECIAL : Values.integers(0, 100);
                    cases.add(copy(
                            array(type, 2, 5, 7, 9).laid(from).with(values),
                            array(type, 2, 5, 7, 9).laid(to)));
                }
            }
        }
        for (Layout from : Layout.values()) {
            for (Layout to : Layout.values()) {
                cases.add(copy(
                        array(DType.BF16, 2, 5, 7, 9).laid(from),
                        f32(2, 5, 7, 9).laid(to)));
                cases.add(copy(
                        f32(2, 5, 7, 9).laid(from), array(DType.F16, 2, 5, 7, 9).laid(to)));
            }
        }
        for (int n : LENGTHS) {
            cases.add(copy(f32(n), f32(n)));
            cases.add(copy(f32(n), array(DType.BF16, n)));
            cases.add(copy(array(DType.F16, n), f32(n)));
        }
        cases.add(copy(f32(), f32()));
        cases.add(copy(f32(), f32(4, 5)));
        cases.add(copy(f32(5, 1), f32(3, 5, 17)));
        cases.add(copy(array(DType.BF16, 17), f32(3, 5, 17).laid(Layout.TRANSPOSED)));
        cases.add(copy(f32(300, 170).laid(Layout.TRANSPOSED), f32(300, 170)));
        cases.add(copy(f32(2, 40, 33, 31), f32(2, 40, 33, 31).laid(Layout.CHANNELS_LAST)));
        cases.add(copy(f32(2, 2, 2, 2, 2, 2, 3).laid(Layout.SPACED), f32(2, 2, 2, 2, 2, 2, 3)));
    }

    private static OpCase copy(Operand x, Operand to) {
        Operand out = to.with(Values.POISON);
        return new OpCase(
                "copy",
                x + " to " + out,
                List.of(x),
                List.of(out),
                (kernels, in, o) -> kernels.copy(in.get(0), o.get(0)),
                Tolerance.EXACT);
    }

    private static void fills(List<OpCase> cases) {
        for (DType type : DType.values()) {
            if (!OPAQUE.contains(type)) {
                cases.add(fill(array(type, 4, 19), 1));
                cases.add(fill(array(type, 4, 19).laid(Layout.TRANSPOSED), 0));
            }
        }
        for (Layout layout : Layout.values()) {
            cases.add(fill(f32(2, 3, 5, 7).laid(layout), -1.7));
        }
        for (int n : LENGTHS) {
            cases.add(fill(f32(n), 0.1));
        }
        cases.add(fill(f32(), 3));
        cases.add(fill(f32(9), Double.NaN));
        cases.add(fill(f32(9), Double.NEGATIVE_INFINITY));
    }

    private static OpCase fill(Operand to, double value) {
        Operand out = to.with(Values.POISON);
        return new OpCase(
                "fill",
                out + " with " + value,
                List.of(),
                List.of(out),
                (kernels, in, o) -> kernels.fill(o.get(0), value),
                Tolerance.EXACT);
    }

    private static void gathers(List<OpCase> cases) {
        for (DType type : DType.values()) {
            cases.add(gather(array(type, 11, 6).with(Values.integers(0, 1)), DType.I64, 7, type, Layout.DENSE));
        }
        for (DType type : List.of(DType.F16, DType.BF16)) {
            cases.add(gather(array(type, 11, 37), DType.I64, 7, DType.F32, Layout.DENSE));
        }
        for (Layout layout : Layout.values()) {
            cases.add(gather(f32(11, 37).laid(layout), DType.I64, 7, DType.F32, layout));
            cases.add(gather(array(DType.BF16, 9, 3, 5).laid(layout), DType.I32, 20, DType.F32, layout));
        }
        cases.add(gather(f32(11), DType.I32, 30, DType.F32, Layout.DENSE));
        cases.add(gather(f32(11, 3), DType.I64, 0, DType.F32, Layout.DENSE));
        cases.add(gather(f32(11, 0), DType.I64, 4, DType.F32, Layout.DENSE));
        cases.add(gather(f32(1, 5), DType.I64, 1, DType.F32, Layout.DENSE));
        cases.add(gather(f32(100, 513), DType.I64, 333, DType.F32, Layout.DENSE));
    }

    private static OpCase gather(Operand table, DType indexType, int n, DType type, Layout layout) {
        int rows = table.shape().dim(0);
        Operand indices = array(indexType, n).with(Values.integers(0, rows - 1)).laid(layout);
        Operand out = array(type, table.shape().with(0, n).dims()).laid(layout).with(Values.POISON);
        return new OpCase(
                "gather",
                table + " at " + indices + " to " + out,
                List.of(table, indices),
                List.of(out),
                (kernels, in, o) -> kernels.gather(in.get(0), in.get(1), o.get(0)),
                Tolerance.EXACT);
    }

    private static void scatters(List<OpCase> cases) {
        for (DType type : List.of(DType.F32, DType.F64)) {
            for (Layout layout : Layout.values()) {
                cases.add(scatterAdd(array(type, 20, 3, 7).laid(layout), DType.I64, 9, layout));
            }
            cases.add(scatterAdd(array(type, 50), DType.I32, 4, Layout.DENSE));
            cases.add(scatterAdd(array(type, 0, 5), DType.I32, 4, Layout.DENSE));
            cases.add(scatterAdd(array(type, 30, 0), DType.I32, 4, Layout.DENSE));
            cases.add(scatterAdd(array(type, 300, 129), DType.I64, 40, Layout.DENSE));
            cases.add(scatterAdd(array(type, 5).stretched(6, 5), DType.I64, 3, Layout.DENSE));
        }
    }

    private static OpCase scatterAdd(Operand rows, DType indexType, int targets, Layout layout) {
        Operand indices = array(indexType, rows.seen().dim(0)).with(Values.integers(0, targets - 1));
        Operand out = array(rows.dtype(), rows.seen().with(0, targets).dims()).laid(layout);
        return new OpCase(
                "scatterAdd",
                rows + " at " + indices + " into " + out,
                List.of(rows, indices),
                List.of(out),
                (kernels, in, o) -> kernels.scatterAdd(in.get(0), in.get(1), o.get(0)),
                Tolerance.EXACT);
    }
}
