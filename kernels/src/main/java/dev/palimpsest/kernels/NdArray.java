package dev.palimpsest.kernels;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// A strided view of native memory: what kernels read and write.
///
/// Element `(i0, i1, ...)` lies at byte `(offset + i0*stride0 + i1*stride1 + ...) * dtype.bytes()` of `memory`.
/// Strides are in elements and may be 0 (a broadcast axis) but not negative. Views share memory and cost nothing.
/// Nothing here owns memory or knows how long it lives.
///
/// The memory is always native (never a Java array): the just-in-time compiler specialises the kernels' loops for one
/// kind of segment, and a second kind would slow all of them down for the rest of the process. It need not be aligned.
public final class NdArray {
    private final MemorySegment memory;
    private final DType dtype;
    private final Shape shape;
    private final long[] strides;
    private final long offset;

    private NdArray(MemorySegment memory, DType dtype, Shape shape, long[] strides, long offset) {
        this.memory = memory;
        this.dtype = dtype;
        this.shape = shape;
        this.strides = strides;
        this.offset = offset;
    }

    /// A dense row-major array at the start of `memory`.
    ///
    /// @throws IllegalArgumentException if the memory is a Java array or too small
    public static NdArray of(MemorySegment memory, DType dtype, Shape shape) {
        return of(memory, dtype, shape, shape.contiguousStrides(), 0);
    }

    /// A strided array; strides and offset are in elements.
    ///
    /// @throws IllegalArgumentException if the memory is a Java array, a stride or the offset is negative, or an
    ///     element would lie outside the memory
    public static NdArray of(MemorySegment memory, DType dtype, Shape shape, long[] strides, long offset) {
        if (!memory.isNative()) {
            throw new IllegalArgumentException(
                    "array " + shape + ": memory is a Java array; kernels need native memory");
        }
        if (strides.length != shape.rank()) {
            throw new IllegalArgumentException("array " + shape + " has " + strides.length + " strides");
        }
        if (offset < 0) {
            throw new IllegalArgumentException("array " + shape + ": offset " + offset + " is negative");
        }
        long last = offset;
        for (int i = 0; i < strides.length; i++) {
            if (strides[i] < 0) {
                throw new IllegalArgumentException(
                        "array " + shape + ": strides " + Arrays.toString(strides) + " contain a negative one");
            }
            last = Math.addExact(last, Math.multiplyExact(strides[i], (long) Math.max(shape.dim(i) - 1, 0)));
        }
        if (shape.elements() > 0
                && Math.multiplyExact(Math.addExact(last, 1), (long) dtype.bytes()) > memory.byteSize()) {
            throw new IllegalArgumentException("array " + shape + " of " + dtype.label() + " needs "
                    + (last + 1) * dtype.bytes() + " bytes but the memory holds " + memory.byteSize());
        }
        return new NdArray(memory, dtype, shape, strides.clone(), offset);
    }

    /// The memory that the offset counts from.
    public MemorySegment memory() {
        return memory;
    }

    /// Element type.
    public DType dtype() {
        return dtype;
    }

    /// Extents.
    public Shape shape() {
        return shape;
    }

    /// Number of axes.
    public int rank() {
        return strides.length;
    }

    /// Extent of an axis; negative axes count from the end.
    public int dim(int axis) {
        return shape.dim(axis);
    }

    /// Stride of an axis in elements; negative axes count from the end.
    public long stride(int axis) {
        return strides[shape.axis(axis)];
    }

    /// A copy of the strides, in elements.
    public long[] strides() {
        return strides.clone();
    }

    /// Position of the first element in `memory`, in elements.
    public long offset() {
        return offset;
    }

    /// Position of the first element in `memory`, in bytes.
    public long byteOffset() {
        return offset * dtype.bytes();
    }

    /// Number of elements.
    public long elements() {
        return shape.elements();
    }

    /// Whether the elements lie densely in row-major order. Axes of extent 1 do not matter; an empty array is dense.
    public boolean isContiguous() {
        return isContiguousFrom(0);
    }

    /// Whether the axes from `axis` on lie densely in row-major order, whatever the axes before do.
    public boolean isContiguousFrom(int axis) {
        long n = 1;
        for (int i = strides.length - 1; i >= axis; i--) {
            int d = shape.dim(i);
            if (d == 0) {
                return true;
            }
            if (d != 1 && strides[i] != n) {
                return false;
            }
            n *= d;
        }
        return true;
    }

    /// This array with two axes exchanged.
    public NdArray transpose(int a, int b) {
        int[] axes = new int[rank()];
        for (int i = 0; i < axes.length; i++) {
            axes[i] = i;
        }
        axes[shape.axis(a)] = shape.axis(b);
        axes[shape.axis(b)] = shape.axis(a);
        return permute(axes);
    }

    /// This array with its axes in another order: axis `i` of the result is axis `axes[i]` of this one.
    ///
    /// @throws IllegalArgumentException if `axes` is not a permutation
    public NdArray permute(int... axes) {
        int[] d = new int[rank()];
        long[] s = new long[rank()];
        boolean[] seen = new boolean[rank()];
        boolean fits = axes.length == rank();
        for (int i = 0; fits && i < axes.length; i++) {
            int a = shape.axis(axes[i]);
            fits = !seen[a];
            seen[a] = true;
            d[i] = shape.dim(a);
            s[i] = strides[a];
        }
        if (!fits) {
            throw new IllegalArgumentException(
                    "permute: " + Arrays.toString(axes) + " is not an order of the axes of " + shape);
        }
        return new NdArray(memory, dtype, Shape.of(d), s, offset);
    }

    /// The part of this array with `from <= index < to` along an axis.
    ///
    /// @throws IndexOutOfBoundsException if the range does not lie within the axis
    public NdArray slice(int axis, int from, int to) {
        int a = shape.axis(axis);
        if (from < 0 || to < from || to > shape.dim(a)) {
            throw new IndexOutOfBoundsException(
                    "slice: [" + from + ", " + to + ") of axis " + axis + " does not lie within " + shape);
        }
        long start = from == to ? offset : offset + from * strides[a];
        return new NdArray(memory, dtype, shape.with(a, to - from), strides, start);
    }

    /// Every `step`-th index along an axis, beginning with `from`.
    public NdArray every(int axis, int from, int step) {
        int a = shape.axis(axis);
        if (from < 0 || from > shape.dim(a) || step < 1) {
            throw new IndexOutOfBoundsException(
                    "every: from " + from + " with step " + step + " does not fit axis " + axis + " of " + shape);
        }
        int n = Math.ceilDiv(shape.dim(a) - from, step);
        long[] s = strides.clone();
        s[a] = n <= 1 ? s[a] : s[a] * step;
        return new NdArray(memory, dtype, shape.with(a, n), s, n == 0 ? offset : offset + from * strides[a]);
    }

    /// This array at one index of an axis; the axis disappears.
    public NdArray select(int axis, int index) {
        int a = shape.axis(axis);
        if (index < 0 || index >= shape.dim(a)) {
            throw new IndexOutOfBoundsException("select: index " + index + " of axis " + axis + " of " + shape);
        }
        return slice(a, index, index + 1).squeeze(a);
    }

    /// This array without an axis of extent 1.
    public NdArray squeeze(int axis) {
        int a = shape.axis(axis);
        if (shape.dim(a) != 1) {
            throw new IllegalArgumentException("squeeze: axis " + axis + " of " + shape + " is not 1");
        }
        long[] s = new long[rank() - 1];
        System.arraycopy(strides, 0, s, 0, a);
        System.arraycopy(strides, a + 1, s, a, s.length - a);
        return new NdArray(memory, dtype, shape.remove(a), s, offset);
    }

    /// This array with an axis of extent 1 put in before `axis`.
    public NdArray unsqueeze(int axis) {
        Shape wider = shape.unsqueeze(axis);
        int a = axis < 0 ? axis + wider.rank() : axis;
        long[] s = new long[wider.rank()];
        System.arraycopy(strides, 0, s, 0, a);
        System.arraycopy(strides, a, s, a + 1, strides.length - a);
        return new NdArray(memory, dtype, wider, s, offset);
    }

    /// This array stretched to a larger shape under the rules of broadcasting; stretched axes get stride 0.
    ///
    /// @throws IllegalArgumentException if it does not fit
    public NdArray expand(Shape to) {
        int lead = to.rank() - rank();
        long[] s = new long[to.rank()];
        for (int i = 0; i < to.rank(); i++) {
            int from = i < lead ? 1 : shape.dim(i - lead);
            if (lead < 0 || (from != 1 && from != to.dim(i))) {
                throw new IllegalArgumentException("expand: " + shape + " does not stretch to " + to);
            }
            s[i] = from == 1 && (i < lead || to.dim(i) != 1) ? 0 : strides[i - lead];
        }
        return new NdArray(memory, dtype, to, s, offset);
    }

    /// Whether [#reshape] to this shape is possible without moving elements.
    public boolean canReshape(Shape to) {
        return reshapedStrides(to) != null;
    }

    /// This array with other extents over the same elements in the same row-major order.
    ///
    /// @throws IllegalArgumentException if the counts differ or the strides do not allow it without a copy
    public NdArray reshape(Shape to) {
        long[] s = reshapedStrides(to);
        if (s == null) {
            throw new IllegalArgumentException("reshape: " + shape + " with strides " + Arrays.toString(strides)
                    + " cannot be seen as " + to + (to.elements() == elements() ? " without a copy" : ""));
        }
        return new NdArray(memory, dtype, to, s, offset);
    }

    /// The strides of the reshaped view, or null. Axes that lie densely behind each other are merged, then split
    /// again.
    private long @org.jspecify.annotations.Nullable [] reshapedStrides(Shape to) {
        if (to.elements() != elements()) {
            return null;
        }
        if (elements() == 0 || isContiguous()) {
            return to.contiguousStrides();
        }
        long[] s = new long[to.rank()];
        int j = to.rank() - 1;
        int i = rank() - 1;
        while (i >= 0) {
            if (shape.dim(i) == 1) {
                i--;
                continue;
            }
            long run = shape.dim(i);
            long inner = strides[i];
            int k = i - 1;
            while (k >= 0 && (shape.dim(k) == 1 || strides[k] == run * inner)) {
                run *= shape.dim(k);
                k--;
            }
            long n = 1;
            while (j >= 0 && n < run) {
                s[j] = n * inner;
                n *= to.dim(j);
                j--;
            }
            if (n != run) {
                return null;
            }
            i = k;
        }
        while (j >= 0) {
            s[j] = 1;
            j--;
        }
        return s;
    }

    /// The same bytes read as another element type of the same size.
    ///
    /// @throws IllegalArgumentException if the sizes differ
    public NdArray reinterpret(DType as) {
        if (as.bytes() != dtype.bytes()) {
            throw new IllegalArgumentException(
                    "reinterpret: " + dtype.label() + " and " + as.label() + " have different sizes");
        }
        return new NdArray(memory, as, shape, strides, offset);
    }

    /// Position of an element in `memory`, in bytes.
    ///
    /// @throws IndexOutOfBoundsException if there is no such element
    public long byteOffset(int... index) {
        if (index.length != rank()) {
            throw new IndexOutOfBoundsException("index " + Arrays.toString(index) + " into shape " + shape);
        }
        long at = offset;
        for (int i = 0; i < index.length; i++) {
            if (index[i] < 0 || index[i] >= shape.dim(i)) {
                throw new IndexOutOfBoundsException("index " + Arrays.toString(index) + " into shape " + shape);
            }
            at += index[i] * strides[i];
        }
        return at * dtype.bytes();
    }

    /// One element as a double, converted from whatever the type is; unsigned 64-bit integers round.
    public double get(int... index) {
        return Elements.load(memory, dtype, byteOffset(index));
    }

    /// One element of an integer or boolean array.
    ///
    /// @throws IllegalStateException if the array holds floating-point numbers
    public long getLong(int... index) {
        return Elements.loadLong(memory, dtype, byteOffset(index));
    }

    /// Writes one element, rounded to nearest even for the narrower floating types.
    public void set(double value, int... index) {
        Elements.store(memory, dtype, byteOffset(index), value);
    }

    @Override
    public String toString() {
        return dtype.label() + shape + (isContiguous() ? "" : " strides " + Arrays.toString(strides));
    }

    /// Conversion of single elements between their stored form and Java numbers; the slow, general path.
    static final class Elements {
        private Elements() {}

        static double load(MemorySegment m, DType t, long at) {
            return switch (t) {
                case F32 -> m.get(JAVA_FLOAT_UNALIGNED, at);
                case F64 -> m.get(JAVA_DOUBLE_UNALIGNED, at);
                case F16 -> Float.float16ToFloat(m.get(JAVA_SHORT_UNALIGNED, at));
                case BF16 -> Float.intBitsToFloat(m.get(JAVA_SHORT_UNALIGNED, at) << 16);
                case F8_E4M3 -> Float8.fromE4M3(m.get(JAVA_BYTE, at));
                case F8_E5M2 -> Float8.fromE5M2(m.get(JAVA_BYTE, at));
                case U64 -> {
                    long v = m.get(JAVA_LONG_UNALIGNED, at);
                    yield v >= 0 ? v : (double) ((v >>> 1) | (v & 1)) * 2;
                }
                default -> loadLong(m, t, at);
            };
        }

        static long loadLong(MemorySegment m, DType t, long at) {
            return switch (t) {
                case I64, U64 -> m.get(JAVA_LONG_UNALIGNED, at);
                case I32 -> m.get(JAVA_INT_UNALIGNED, at);
                case U32 -> Integer.toUnsignedLong(m.get(JAVA_INT_UNALIGNED, at));
                case I16 -> m.get(JAVA_SHORT_UNALIGNED, at);
                case U16 -> Short.toUnsignedLong(m.get(JAVA_SHORT_UNALIGNED, at));
                case I8 -> m.get(JAVA_BYTE, at);
                case U8 -> Byte.toUnsignedLong(m.get(JAVA_BYTE, at));
                case BOOL -> m.get(JAVA_BYTE, at) != 0 ? 1 : 0;
                default -> throw new IllegalStateException(t.label() + " elements are not integers");
            };
        }

        static void store(MemorySegment m, DType t, long at, double v) {
            switch (t) {
                case F32 -> m.set(JAVA_FLOAT_UNALIGNED, at, (float) v);
                case F64 -> m.set(JAVA_DOUBLE_UNALIGNED, at, v);
                case F16 -> m.set(JAVA_SHORT_UNALIGNED, at, Float.floatToFloat16((float) v));
                case BF16 -> m.set(JAVA_SHORT_UNALIGNED, at, BFloat16.fromFloat((float) v));
                case I64, U64 -> m.set(JAVA_LONG_UNALIGNED, at, (long) v);
                case I32, U32 -> m.set(JAVA_INT_UNALIGNED, at, (int) (long) v);
                case I16, U16 -> m.set(JAVA_SHORT_UNALIGNED, at, (short) (long) v);
                case I8, U8 -> m.set(JAVA_BYTE, at, (byte) (long) v);
                case BOOL -> m.set(JAVA_BYTE, at, (byte) (v != 0 ? 1 : 0));
                case F8_E4M3, F8_E5M2 ->
                    throw new IllegalStateException(t.label() + " elements can be copied but not written as numbers");
            }
        }
    }
}
