package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.array;
import static dev.palimpsest.kernels.cases.Operand.f32;

import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Unary;
import java.util.ArrayList;
import java.util.List;

/// Cases of the functions of single elements.
final class ElementwiseCases {
    private static final List<DType> NARROW = List.of(DType.F32, DType.F16, DType.BF16);
    private static final int[] LENGTHS = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 1000, 40_009};

    private ElementwiseCases() {}

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (Unary op : Unary.values()) {
            unary(op, cases);
        }
        for (Binary op : Binary.values()) {
            binary(op, cases);
        }
        where(cases);
        return cases;
    }

    private static void unary(Unary op, List<OpCase> cases) {
        for (DType type : NARROW) {
            cases.add(unary(op, array(type, 67), Layout.DENSE));
        }
        cases.add(unary(op, array(DType.F64, 67), Layout.DENSE));
        cases.add(unary(op, f32(2, 81).with(Values.SPECIAL), Layout.DENSE));
        cases.add(unary(op, f32(1003).with(Values.uniform(-12, 12)), Layout.DENSE));
        cases.add(unary(op, f32(1003).with(Values.uniform(0, 3)), Layout.DENSE));
        cases.add(unary(op, f32(1003).with(Values.uniform(-110, 110)), Layout.DENSE));
        cases.add(unary(op, f32(1003).with(Values.magnitudes(-44, 4)), Layout.DENSE));
        cases.add(inPlace(op, f32(5, 37)));
        cases.add(inPlace(op, f32(5, 37).laid(Layout.TRANSPOSED)));
        cases.add(inPlace(op, array(DType.F64, 5, 37).laid(Layout.PADDED)));
        if (op == Unary.SILU || op == Unary.NEGATE) {
            for (int n : LENGTHS) {
                cases.add(unary(op, f32(n), Layout.DENSE));
            }
            for (Layout from : Layout.values()) {
                for (Layout to : Layout.values()) {
                    cases.add(unary(op, f32(3, 5, 19).laid(from), to));
                }
                for (DType type : List.of(DType.F16, DType.BF16, DType.F64)) {
                    cases.add(unary(op, array(type, 3, 5, 19).laid(from), Layout.DENSE));
                    cases.add(unary(op, array(type, 3, 5, 19), from));
                }
                cases.add(unary(op, f32(2, 5, 7, 9).laid(from), Layout.CHANNELS_LAST));
            }
            cases.add(unary(op, f32(), Layout.DENSE));
            cases.add(unary(op, f32(0, 4), Layout.DENSE));
            cases.add(unary(op, f32(5, 1).stretched(3, 5, 19), Layout.DENSE));
            cases.add(unary(op, f32(130, 1, 2, 257).laid(Layout.TRANSPOSED), Layout.DENSE));
        }
    }

    private static OpCase unary(Unary op, Operand x, Layout layout) {
        DType type = x.dtype() == DType.F64 ? DType.F64 : DType.F32;
        Operand out = array(type, x.seen().dims()).laid(layout).with(Values.POISON);
        return new OpCase(
                "unary",
                op + " " + x + " to " + out,
                List.of(x),
                List.of(out),
                (kernels, in, o) -> kernels.unary(op, in.get(0), o.get(0)),
                tolerance(op, type));
    }

    private static OpCase inPlace(Unary op, Operand x) {
        return new OpCase(
                "unary",
                op + " " + x + " in place",
                List.of(),
                List.of(x),
                (kernels, in, o) -> kernels.unary(op, o.get(0), o.get(0)),
                tolerance(op, x.dtype()));
    }

    /// What cannot be rounded wrongly is exact; otherwise a few units in the last place of the result's type.
    private static Tolerance tolerance(Unary op, DType type) {
        if (type == DType.F64) {
            return new Tolerance(1e-300, 1e-14);
        }
        return switch (op) {
            case NEGATE, ABS, SQRT, RECIPROCAL, SQUARE, RELU, FLOOR, ROUND -> Tolerance.EXACT;
            // their zeros are at multiples of pi, which are no floats, so only the distance to the truth is bounded
            case SIN, COS -> new Tolerance(2 * Tolerance.EPSILON, 0);
            case EXP, LOG, RSQRT, TANH -> Tolerance.ulps(4);
            // below -88 the exponential inside leaves the range of f32 although the result has not yet reached zero
            case SIGMOID -> new Tolerance(Float.MIN_NORMAL, 4 * Tolerance.EPSILON);
            case SILU, GELU -> new Tolerance(128 * Float.MIN_NORMAL, 16 * Tolerance.EPSILON);
            // the exponent reaches 100 in magnitude, and its rounding error becomes a relative one of the result
            case GELU_TANH -> new Tolerance(128 * Float.MIN_NORMAL, 100 * Tolerance.EPSILON);
        };
    }

    private static void binary(Binary op, List<OpCase> cases) {
        for (DType a : NARROW) {
            for (DType b : op.isComparison() ? List.of(a) : NARROW) {
                cases.add(binary(op, array(a, 5, 33), array(b, 5, 33), Layout.DENSE, 5, 33));
            }
        }
        for (DType wide : List.of(DType.F64, DType.I64)) {
            Values values = wide == DType.F64 ? Values.NORMAL : Values.integersWithoutZero(8);
            Operand a = array(wide, 5, 33).with(values);
            Operand b = array(wide, 33).with(values);
            cases.add(binary(op, a, b, Layout.DENSE, 5, 33));
            cases.add(binary(op, b, a.laid(Layout.TRANSPOSED), Layout.PADDED, 5, 33));
        }
        Operand special = f32(27, 1).with(Values.SPECIAL);
        cases.add(binary(op, special, f32(27).with(Values.SPECIAL), Layout.DENSE, 27, 27));
        cases.add(binary(op, special, f32(1).with(Values.cycle(2)), Layout.DENSE, 27, 40));
        for (Operand b :
                List.of(f32(), f32(1), f32(19), f32(1, 19), f32(6, 1), f32(6, 19), f32(3, 1, 1), f32(3, 1, 19))) {
            cases.add(binary(op, f32(3, 6, 19), b, Layout.DENSE, 3, 6, 19));
            cases.add(binary(op, b, f32(3, 6, 19), Layout.DENSE, 3, 6, 19));
        }
        cases.add(binary(op, f32(4, 1), f32(1, 37), Layout.DENSE, 4, 37));
        cases.add(binary(op, f32(37), f32(4, 1), Layout.SPACED, 4, 37));
        cases.add(binary(op, f32(), f32(), Layout.DENSE, 3, 4));
        cases.add(binary(op, f32(), f32(), Layout.DENSE));
        cases.add(binary(op, f32(0), f32(1), Layout.DENSE, 0));
        if (op == Binary.MULTIPLY || op == Binary.LESS) {
            for (int n : LENGTHS) {
                cases.add(binary(op, f32(n), f32(n), Layout.DENSE, n));
            }
            for (Layout layout : Layout.values()) {
                cases.add(binary(op, f32(3, 6, 19).laid(layout), f32(3, 6, 19), Layout.DENSE, 3, 6, 19));
                cases.add(binary(op, f32(3, 6, 19), f32(3, 6, 19).laid(layout), layout, 3, 6, 19));
            }
            cases.add(binary(op, f32(2, 300, 70), f32(300, 1), Layout.DENSE, 2, 300, 70));
        }
        if (op.isComparison()) {
            for (DType type : DType.values()) {
                if (type != DType.F8_E4M3 && type != DType.F8_E5M2) {
                    Operand few = array(type, 4, 21).with(Values.integers(type == DType.BOOL ? 0 : -2, 1));
                    cases.add(binary(op, few, few.laid(Layout.TRANSPOSED), Layout.DENSE, 4, 21));
                }
            }
        } else {
            for (Layout layout : Layout.values()) {
                Operand out = f32(4, 21).laid(layout);
                cases.add(new OpCase(
                        "binary",
                        op + " " + out + " in place",
                        List.of(f32(21)),
                        List.of(out),
                        (kernels, in, o) -> kernels.binary(op, o.get(0), in.get(0), o.get(0)),
                        tolerance(op, DType.F32)));
            }
        }
    }

    private static OpCase binary(Binary op, Operand a, Operand b, Layout layout, int... dims) {
        boolean wide = a.dtype() == DType.F64 || a.dtype() == DType.I64;
        DType type = op.isComparison() ? DType.BOOL : wide ? a.dtype() : DType.F32;
        Operand out = array(type, dims).laid(layout).with(Values.POISON);
        return new OpCase(
                "binary",
                op + " " + a + " and " + b + " to " + out,
                List.of(a, b),
                List.of(out),
                (kernels, in, o) -> kernels.binary(op, in.get(0), in.get(1), o.get(0)),
                tolerance(op, type));
    }

    private static Tolerance tolerance(Binary op, DType type) {
        if (op != Binary.POWER) {
            return Tolerance.EXACT;
        }
        return switch (type) {
            case F32 -> Tolerance.ulps(4);
            case F64 -> new Tolerance(1e-300, 1e-14);
            default -> Tolerance.EXACT;
        };
    }

    private static void where(List<OpCase> cases) {
        for (DType type : DType.values()) {
            cases.add(where(
                    array(DType.BOOL, 5, 21).with(Values.BOOLEAN),
                    array(type, 5, 21).with(Values.integers(0, 5)),
                    array(type, 21).with(Values.integers(0, 5)),
                    Layout.DENSE,
                    5,
                    21));
        }
        Operand condition = array(DType.BOOL, 3, 5, 17).with(Values.BOOLEAN);
        for (Layout layout : Layout.values()) {
            cases.add(where(condition.laid(layout), f32(3, 5, 17), f32(3, 5, 17).laid(layout), layout, 3, 5, 17));
        }
        for (int n : LENGTHS) {
            cases.add(where(array(DType.BOOL, n).with(Values.BOOLEAN), f32(n), f32(n), Layout.DENSE, n));
        }
        cases.add(where(array(DType.BOOL, 5, 1).with(Values.BOOLEAN), f32(17), f32(), Layout.DENSE, 3, 5, 17));
        cases.add(where(array(DType.BOOL).with(Values.BOOLEAN), f32(17), f32(3, 1, 1), Layout.DENSE, 3, 5, 17));
        cases.add(where(
                array(DType.BOOL, 81).with(Values.BOOLEAN), f32(81).with(Values.SPECIAL), f32(1), Layout.DENSE, 81));
    }

    private static OpCase where(Operand condition, Operand a, Operand b, Layout layout, int... dims) {
        Operand out = array(a.dtype(), dims).laid(layout).with(Values.POISON);
        return new OpCase(
                "where",
                condition + " ? " + a + " : " + b + " to " + out,
                List.of(condition, a, b),
                List.of(out),
                (kernels, in, o) -> kernels.where(in.get(0), in.get(1), in.get(2), o.get(0)),
                Tolerance.EXACT);
    }
}
