package dev.palimpsest.kernels.scalar;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.MemorySegment;

/// Access to runs of equally spaced elements, and the loop over all of them.
///
/// Ops copy one row (a run along the last axis) at a time into a Java array, so that the element type is asked for
/// once a row and the arithmetic itself is a loop over plain numbers. Positions and steps are in elements.
final class Rows {
    private Rows() {}

    /// What happens at one index of the leading axes.
    interface Body {
        /// Called with the index; the array is reused.
        void at(int[] index);
    }

    /// Visits every index of these extents, the last one running fastest; once with an empty index for no extents.
    static void forEach(int[] extents, Body body) {
        for (int d : extents) {
            if (d == 0) {
                return;
            }
        }
        int[] index = new int[extents.length];
        int axis;
        do {
            body.at(index);
            axis = extents.length - 1;
            while (axis >= 0 && ++index[axis] == extents[axis]) {
                index[axis] = 0;
                axis--;
            }
        } while (axis >= 0);
    }

    /// Visits every row: every index of all axes but the last.
    static void forEach(Shape shape, Body body) {
        forEach(leading(shape, shape.rank() - 1), body);
    }

    /// The first extents of a shape.
    static int[] leading(Shape shape, int axes) {
        int[] extents = new int[axes];
        System.arraycopy(shape.dims(), 0, extents, 0, axes);
        return extents;
    }

    /// Position of the element at this index of the first axes and 0 on the others.
    static long position(NdArray x, int... index) {
        long at = x.offset();
        for (int i = 0; i < index.length; i++) {
            at += index[i] * x.stride(i);
        }
        return at;
    }

    /// An array with at least one axis: a scalar becomes a row of one.
    static NdArray atLeastOneAxis(NdArray x) {
        return x.rank() == 0 ? x.unsqueeze(0) : x;
    }

    /// An array `(a)` as `(a, 1)`; others as they are.
    static NdArray atLeastTwoAxes(NdArray x) {
        return x.rank() == 1 ? x.unsqueeze(1) : x;
    }

    /// Reads the row at this index of the leading axes; exact for every type but 64-bit integers.
    static void read(NdArray x, int[] index, double[] into) {
        read(x, position(x, index), x.stride(-1), x.dim(-1), into);
    }

    /// Reads `n` elements as numbers; exact for every type but 64-bit integers.
    static void read(NdArray x, long at, long step, int n, double[] into) {
        MemorySegment m = x.memory();
        switch (x.dtype()) {
            case F32 -> {
                for (int i = 0; i < n; i++) {
                    into[i] = m.get(JAVA_FLOAT_UNALIGNED, (at + i * step) * 4);
                }
            }
            case F16 -> {
                for (int i = 0; i < n; i++) {
                    into[i] = Float.float16ToFloat(m.get(JAVA_SHORT_UNALIGNED, (at + i * step) * 2));
                }
            }
            case BF16 -> {
                for (int i = 0; i < n; i++) {
                    into[i] = BFloat16.toFloat(m.get(JAVA_SHORT_UNALIGNED, (at + i * step) * 2));
                }
            }
            case F64 -> {
                for (int i = 0; i < n; i++) {
                    into[i] = m.get(JAVA_DOUBLE_UNALIGNED, (at + i * step) * 8);
                }
            }
            case U64 -> {
                for (int i = 0; i < n; i++) {
                    into[i] = unsignedToDouble(m.get(JAVA_LONG_UNALIGNED, (at + i * step) * 8));
                }
            }
            default -> {
                for (int i = 0; i < n; i++) {
                    into[i] = integer(m, x.dtype(), at + i * step);
                }
            }
        }
    }

    /// Reads `n` integers or truth values; u64 as its bits.
    static void read(NdArray x, long at, long step, int n, long[] into) {
        for (int i = 0; i < n; i++) {
            into[i] = integer(x.memory(), x.dtype(), at + i * step);
        }
    }

    private static long integer(MemorySegment m, DType type, long at) {
        return switch (type) {
            case I64, U64 -> m.get(JAVA_LONG_UNALIGNED, at * 8);
            case I32 -> m.get(JAVA_INT_UNALIGNED, at * 4);
            case U32 -> Integer.toUnsignedLong(m.get(JAVA_INT_UNALIGNED, at * 4));
            case I16 -> m.get(JAVA_SHORT_UNALIGNED, at * 2);
            case U16 -> Short.toUnsignedLong(m.get(JAVA_SHORT_UNALIGNED, at * 2));
            case I8 -> m.get(JAVA_BYTE, at);
            case U8 -> Byte.toUnsignedLong(m.get(JAVA_BYTE, at));
            case BOOL -> m.get(JAVA_BYTE, at) != 0 ? 1 : 0;
            case F32, F16, BF16, F64, F8_E4M3, F8_E5M2 ->
                throw new IllegalStateException(type.label() + " elements are not integers");
        };
    }

    /// The nearest double of an unsigned integer; the lowest bit is kept sticky so that halving does not round.
    static double unsignedToDouble(long bits) {
        return bits >= 0 ? bits : (double) (bits >>> 1 | (bits & 1)) * 2;
    }

    /// The nearest float of an unsigned integer.
    static float unsignedToFloat(long bits) {
        return bits >= 0 ? bits : (float) (bits >>> 1 | (bits & 1)) * 2;
    }

    /// Writes the row at this index of the leading axes, rounded or truncated to the type of the array.
    static void write(double[] from, NdArray out, int[] index) {
        write(from, out, position(out, index), out.stride(-1), out.dim(-1));
    }

    /// Writes `n` numbers, rounded to a floating type, truncated to an integer type.
    static void write(double[] from, NdArray out, long at, long step, int n) {
        MemorySegment m = out.memory();
        switch (out.dtype()) {
            case F32 -> {
                for (int i = 0; i < n; i++) {
                    m.set(JAVA_FLOAT_UNALIGNED, (at + i * step) * 4, (float) from[i]);
                }
            }
            case F16 -> {
                for (int i = 0; i < n; i++) {
                    m.set(JAVA_SHORT_UNALIGNED, (at + i * step) * 2, Float.floatToFloat16((float) from[i]));
                }
            }
            case BF16 -> {
                for (int i = 0; i < n; i++) {
                    m.set(JAVA_SHORT_UNALIGNED, (at + i * step) * 2, BFloat16.fromFloat((float) from[i]));
                }
            }
            case F64 -> {
                for (int i = 0; i < n; i++) {
                    m.set(JAVA_DOUBLE_UNALIGNED, (at + i * step) * 8, from[i]);
                }
            }
            case BOOL -> {
                for (int i = 0; i < n; i++) {
                    m.set(JAVA_BYTE, at + i * step, (byte) (from[i] != 0 ? 1 : 0));
                }
            }
            case U64 -> {
                for (int i = 0; i < n; i++) {
                    double v = from[i];
                    long bits = v >= 0x1p63 ? (long) (v - 0x1p63) + Long.MIN_VALUE : (long) v;
                    m.set(JAVA_LONG_UNALIGNED, (at + i * step) * 8, bits);
                }
            }
            case I64, I32, U32, I16, U16, I8, U8 -> {
                for (int i = 0; i < n; i++) {
                    writeBits(m, out.dtype().bytes(), at + i * step, (long) from[i]);
                }
            }
            case F8_E4M3, F8_E5M2 ->
                throw new IllegalStateException(out.dtype().label() + " elements cannot be written as numbers");
        }
    }

    /// Writes `n` integers, keeping their low bits, or whether they are not zero for truth values.
    static void write(long[] from, NdArray out, long at, long step, int n) {
        boolean truth = out.dtype() == DType.BOOL;
        for (int i = 0; i < n; i++) {
            long value = truth && from[i] != 0 ? 1 : from[i];
            writeBits(out.memory(), out.dtype().bytes(), at + i * step, value);
        }
    }

    /// Reads the bits of `n` elements of any type.
    static void readBits(NdArray x, long at, long step, int n, long[] into) {
        MemorySegment m = x.memory();
        int bytes = x.dtype().bytes();
        for (int i = 0; i < n; i++) {
            long p = (at + i * step) * bytes;
            into[i] = switch (bytes) {
                case 1 -> m.get(JAVA_BYTE, p);
                case 2 -> m.get(JAVA_SHORT_UNALIGNED, p);
                case 4 -> m.get(JAVA_INT_UNALIGNED, p);
                default -> m.get(JAVA_LONG_UNALIGNED, p);
            };
        }
    }

    /// Writes the low bits of `n` numbers as elements of any type.
    static void writeBits(long[] from, NdArray out, long at, long step, int n) {
        for (int i = 0; i < n; i++) {
            writeBits(out.memory(), out.dtype().bytes(), at + i * step, from[i]);
        }
    }

    private static void writeBits(MemorySegment m, int bytes, long at, long value) {
        switch (bytes) {
            case 1 -> m.set(JAVA_BYTE, at, (byte) value);
            case 2 -> m.set(JAVA_SHORT_UNALIGNED, at * 2, (short) value);
            case 4 -> m.set(JAVA_INT_UNALIGNED, at * 4, (int) value);
            default -> m.set(JAVA_LONG_UNALIGNED, at * 8, value);
        }
    }
}
