package dev.palimpsest.kernels;

import java.util.Arrays;

/// The extents of an array, outermost axis first. Immutable; a scalar has no axis and one element.
///
/// Axes can be named from the end, as in PyTorch: -1 is the last one.
public final class Shape {
    private static final Shape SCALAR = new Shape(new int[0]);

    private final int[] dims;
    private final long elements;

    private Shape(int[] dims) {
        this.dims = dims;
        long n = 1;
        for (int d : dims) {
            if (d < 0) {
                throw new IllegalArgumentException("shape " + Arrays.toString(dims) + " has a negative extent");
            }
            n = Math.multiplyExact(n, (long) d);
        }
        this.elements = n;
    }

    /// A shape with these extents.
    ///
    /// @throws IllegalArgumentException if an extent is negative
    /// @throws ArithmeticException if the number of elements does not fit in 63 bits
    public static Shape of(int... dims) {
        return dims.length == 0 ? SCALAR : new Shape(dims.clone());
    }

    /// The shape of a single value: no axes.
    public static Shape scalar() {
        return SCALAR;
    }

    /// Number of axes.
    public int rank() {
        return dims.length;
    }

    /// Extent of an axis; negative axes count from the end.
    public int dim(int axis) {
        return dims[axis(axis)];
    }

    /// A copy of the extents.
    public int[] dims() {
        return dims.clone();
    }

    /// Number of elements, 1 for a scalar.
    public long elements() {
        return elements;
    }

    /// The axis as a number from 0 to `rank - 1`; negative axes count from the end.
    ///
    /// @throws IndexOutOfBoundsException if there is no such axis
    public int axis(int axis) {
        int a = axis < 0 ? axis + dims.length : axis;
        if (a < 0 || a >= dims.length) {
            throw new IndexOutOfBoundsException("axis " + axis + " of shape " + this + " does not exist");
        }
        return a;
    }

    /// This shape with one extent replaced.
    public Shape with(int axis, int extent) {
        int[] d = dims.clone();
        d[axis(axis)] = extent;
        return new Shape(d);
    }

    /// This shape with an axis of extent 1 put in before `axis` (0 to rank; negative counts from the end of the
    /// result).
    public Shape unsqueeze(int axis) {
        int a = axis < 0 ? axis + dims.length + 1 : axis;
        if (a < 0 || a > dims.length) {
            throw new IndexOutOfBoundsException("axis " + axis + " cannot be inserted into shape " + this);
        }
        int[] d = new int[dims.length + 1];
        System.arraycopy(dims, 0, d, 0, a);
        d[a] = 1;
        System.arraycopy(dims, a, d, a + 1, dims.length - a);
        return new Shape(d);
    }

    /// This shape without an axis.
    public Shape remove(int axis) {
        int a = axis(axis);
        int[] d = new int[dims.length - 1];
        System.arraycopy(dims, 0, d, 0, a);
        System.arraycopy(dims, a + 1, d, a, d.length - a);
        return of(d);
    }

    /// Strides, in elements, of a dense row-major array of this shape.
    public long[] contiguousStrides() {
        long[] s = new long[dims.length];
        long n = 1;
        for (int i = dims.length - 1; i >= 0; i--) {
            s[i] = n;
            n *= Math.max(dims[i], 1);
        }
        return s;
    }

    /// The common shape of two arrays under broadcasting: axes are aligned at the end, and an extent of 1 stretches.
    ///
    /// @throws IllegalArgumentException naming both shapes if they do not fit
    public static Shape broadcast(String op, Shape a, Shape b) {
        int rank = Math.max(a.rank(), b.rank());
        int[] d = new int[rank];
        for (int i = 1; i <= rank; i++) {
            int x = i <= a.rank() ? a.dims[a.rank() - i] : 1;
            int y = i <= b.rank() ? b.dims[b.rank() - i] : 1;
            if (x != y && x != 1 && y != 1) {
                throw new IllegalArgumentException(
                        op + ": " + a + " and " + b + ": extents " + x + " and " + y + " differ and neither is 1");
            }
            d[rank - i] = x == 1 ? y : x;
        }
        return of(d);
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof Shape s && Arrays.equals(dims, s.dims);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dims);
    }

    /// As people write it: `(2, 3)`, `(5)`, `()`.
    @Override
    public String toString() {
        StringBuilder sb = new StringBuilder("(");
        for (int i = 0; i < dims.length; i++) {
            sb.append(i == 0 ? "" : ", ").append(dims[i]);
        }
        return sb.append(')').toString();
    }
}
