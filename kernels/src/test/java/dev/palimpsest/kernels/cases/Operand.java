package dev.palimpsest.kernels.cases;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;

/// An array that a case needs: its type, shape, layout and content.
///
/// @param dtype element type
/// @param shape extents in memory
/// @param seen extents that the op sees; larger than `shape` where axes are stretched with stride 0
/// @param layout how it lies in memory
/// @param values what it is filled with
public record Operand(DType dtype, Shape shape, Shape seen, Layout layout, Values values) {

    /// A dense f32 input of standard normal numbers.
    public static Operand f32(int... dims) {
        return array(DType.F32, dims);
    }

    /// A dense input of standard normal numbers.
    public static Operand array(DType dtype, int... dims) {
        Shape shape = Shape.of(dims);
        return new Operand(dtype, shape, shape, Layout.DENSE, Values.NORMAL);
    }

    /// A dense f32 output.
    public static Operand output(int... dims) {
        return f32(dims).with(Values.POISON);
    }

    /// The same with another element type.
    public Operand as(DType type) {
        return new Operand(type, shape, seen, layout, values);
    }

    /// The same in another layout.
    public Operand laid(Layout other) {
        return new Operand(dtype, shape, seen, other, values);
    }

    /// The same with other values.
    public Operand with(Values other) {
        return new Operand(dtype, shape, seen, layout, other);
    }

    /// The same, stretched to a larger shape when the op sees it.
    public Operand stretched(int... dims) {
        return new Operand(dtype, shape, Shape.of(dims), layout, values);
    }

    /// Element type, shape and what is unusual about it, as it appears in a case's name.
    @Override
    public String toString() {
        return dtype.label()
                + shape
                + (layout == Layout.DENSE ? "" : " " + layout)
                + (seen.equals(shape) ? "" : " stretched to " + seen)
                + (values == Values.NORMAL || values == Values.POISON ? "" : " of " + values.name());
    }
}
