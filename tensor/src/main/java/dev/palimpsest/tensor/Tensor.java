package dev.palimpsest.tensor;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Reduction;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.Unary;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// An n-dimensional array of numbers in native memory.
///
/// Methods carry the word that PyTorch uses and mean the same; axes can be counted from the end (-1 is the last).
/// Views (`reshape` where the strides allow it, `permute`, `slice`, `expand`, ...) are free and share memory. Methods
/// ending in `InPlace` overwrite this tensor; all others leave it alone and return a new one that belongs to the
/// current [Scope].
///
/// Arithmetic on f32, f16 and bf16 happens in f32 and gives f32. Other types combine only with themselves; convert
/// with [#to].
public final class Tensor {
    private final NdArray array;
    private final Storage storage;

    private Tensor(NdArray array, Storage storage) {
        this.array = array;
        this.storage = storage;
    }

    // ---- making tensors

    static Tensor allocate(String origin, DType dtype, Shape shape) {
        Storage storage = Storage.allocate(origin, Math.multiplyExact(shape.elements(), (long) dtype.bytes()));
        return new Tensor(NdArray.of(storage.memory(), dtype, shape), storage);
    }

    /// A tensor with arbitrary content.
    public static Tensor empty(DType dtype, Shape shape) {
        return allocate("empty", dtype, shape);
    }

    /// A tensor with every element set to `value`.
    public static Tensor full(DType dtype, Shape shape, double value) {
        Tensor t = allocate("full", dtype, shape);
        Backend.kernels().fill(t.array, value);
        return t;
    }

    /// An f32 tensor of zeros.
    public static Tensor zeros(int... dims) {
        return full(DType.F32, Shape.of(dims), 0);
    }

    /// An f32 tensor of ones.
    public static Tensor ones(int... dims) {
        return full(DType.F32, Shape.of(dims), 1);
    }

    /// An f32 scalar.
    public static Tensor scalar(double value) {
        return full(DType.F32, Shape.scalar(), value);
    }

    /// An f32 tensor with a copy of these values in row-major order.
    ///
    /// @throws IllegalArgumentException if there are more or fewer values than elements
    public static Tensor of(float[] values, int... dims) {
        Shape shape = dims.length == 0 ? Shape.of(values.length) : Shape.of(dims);
        checkCount(values.length, shape);
        Tensor t = allocate("of", DType.F32, shape);
        MemorySegment.copy(values, 0, t.array.memory(), JAVA_FLOAT_UNALIGNED, 0, values.length);
        return t;
    }

    /// An i64 tensor with a copy of these values in row-major order.
    ///
    /// @throws IllegalArgumentException if there are more or fewer values than elements
    public static Tensor of(long[] values, int... dims) {
        Shape shape = dims.length == 0 ? Shape.of(values.length) : Shape.of(dims);
        checkCount(values.length, shape);
        Tensor t = allocate("of", DType.I64, shape);
        MemorySegment.copy(values, 0, t.array.memory(), JAVA_LONG_UNALIGNED, 0, values.length);
        return t;
    }

    /// An i32 tensor with a copy of these values in row-major order.
    ///
    /// @throws IllegalArgumentException if there are more or fewer values than elements
    public static Tensor of(int[] values, int... dims) {
        Shape shape = dims.length == 0 ? Shape.of(values.length) : Shape.of(dims);
        checkCount(values.length, shape);
        Tensor t = allocate("of", DType.I32, shape);
        MemorySegment.copy(values, 0, t.array.memory(), JAVA_INT_UNALIGNED, 0, values.length);
        return t;
    }

    private static void checkCount(int values, Shape shape) {
        if (values != shape.elements()) {
            throw new IllegalArgumentException("of: " + values + " values do not fill " + shape);
        }
    }

    /// A tensor over memory that somebody else owns and keeps alive, such as a mapped checkpoint. Nothing is copied.
    ///
    /// @param array where the elements lie
    /// @param origin what to call it in messages, such as the checkpoint's name for it
    public static Tensor borrow(NdArray array, String origin) {
        return new Tensor(array, Storage.borrowed(array.memory(), origin));
    }

    /// The tensors behind each other along an existing axis.
    public static Tensor concat(List<Tensor> tensors, int axis) {
        return new ShapeOps.Concat(axis).apply(tensors.toArray(Tensor[]::new));
    }

    /// The tensors, all of one shape, behind each other along a new axis.
    public static Tensor stack(List<Tensor> tensors, int axis) {
        List<Tensor> wider = new ArrayList<>();
        for (Tensor t : tensors) {
            wider.add(t.unsqueeze(axis));
        }
        return concat(wider, axis);
    }

    // ---- looking at tensors

    /// What kernels see. Valid as long as the tensor is.
    ///
    /// @throws IllegalStateException if the tensor's memory was released, naming the op that made it
    public NdArray array() {
        storage.checkAlive();
        return array;
    }

    /// Element type.
    public DType dtype() {
        return array.dtype();
    }

    /// Extents.
    public Shape shape() {
        return array.shape();
    }

    /// Number of axes.
    public int rank() {
        return array.rank();
    }

    /// Extent of an axis; negative axes count from the end.
    public int dim(int axis) {
        return array.dim(axis);
    }

    /// Number of elements.
    public long elements() {
        return array.elements();
    }

    /// One element, as a double.
    public double get(int... index) {
        return array().get(index);
    }

    /// The only element of a tensor with one.
    ///
    /// @throws IllegalStateException if there are more or none
    public double item() {
        if (elements() != 1) {
            throw new IllegalStateException("item: " + shape() + " has " + elements() + " elements, not one");
        }
        return array().get(new int[rank()]);
    }

    /// A copy of all elements, row-major, converted to float.
    public float[] toFloatArray() {
        return Scope.run(() -> {
            NdArray dense = converted(DType.F32);
            float[] values = new float[Math.toIntExact(elements())];
            MemorySegment.copy(dense.memory(), JAVA_FLOAT_UNALIGNED, dense.byteOffset(), values, 0, values.length);
            return values;
        });
    }

    /// A copy of all elements of an integer or boolean tensor, row-major.
    ///
    /// @throws IllegalStateException if the tensor holds floating-point numbers
    public long[] toLongArray() {
        if (dtype().isFloating()) {
            throw new IllegalStateException("toLongArray: the tensor holds " + dtype().label());
        }
        return Scope.run(() -> {
            NdArray dense = converted(DType.I64);
            long[] values = new long[Math.toIntExact(elements())];
            MemorySegment.copy(dense.memory(), JAVA_LONG_UNALIGNED, dense.byteOffset(), values, 0, values.length);
            return values;
        });
    }

    private NdArray converted(DType type) {
        return dtype() == type && array().isContiguous()
                ? array()
                : new ShapeOps.Cast(type).apply(this).array();
    }

    /// Whether the elements lie densely in row-major order.
    public boolean isContiguous() {
        return array.isContiguous();
    }

    Storage storage() {
        return storage;
    }

    String origin() {
        return storage.origin();
    }

    Tensor view(NdArray other) {
        return new Tensor(other, storage);
    }

    // ---- views and copies

    /// Other extents over the same elements in row-major order; one extent may be -1 and is then worked out. A view
    /// where the strides allow it, else a copy.
    public Tensor reshape(int... dims) {
        int[] d = dims.clone();
        long known = 1;
        int open = -1;
        for (int i = 0; i < d.length; i++) {
            if (d[i] != -1) {
                known *= d[i];
            } else if (open < 0) {
                open = i;
            } else {
                throw new IllegalArgumentException("reshape: " + Arrays.toString(dims) + " leaves two extents open");
            }
        }
        if (open >= 0) {
            if (known == 0 || elements() % known != 0) {
                throw new IllegalArgumentException(
                        "reshape: " + shape() + " cannot be seen as " + Arrays.toString(dims));
            }
            d[open] = Math.toIntExact(elements() / known);
        }
        return reshape(Shape.of(d));
    }

    /// Other extents over the same elements in row-major order. A view where the strides allow it, else a copy.
    public Tensor reshape(Shape to) {
        return to.equals(shape()) ? this : new ShapeOps.Reshape(to).apply(this);
    }

    /// Merges the axes from `first` to `last`, both included.
    public Tensor flatten(int first, int last) {
        int a = shape().axis(first);
        int b = shape().axis(last);
        int[] d = new int[rank() - (b - a)];
        Arrays.fill(d, 1);
        for (int i = 0; i < rank(); i++) {
            int to = i < a ? i : i <= b ? a : i - (b - a);
            d[to] *= dim(i);
        }
        return reshape(Shape.of(d));
    }

    /// The axes in another order: axis `i` of the result is axis `axes[i]` of this tensor. A view.
    public Tensor permute(int... axes) {
        return new ShapeOps.Permute(axes).apply(this);
    }

    /// Two axes exchanged. A view.
    public Tensor transpose(int a, int b) {
        int[] axes = new int[rank()];
        Arrays.setAll(axes, i -> i);
        axes[shape().axis(a)] = shape().axis(b);
        axes[shape().axis(b)] = shape().axis(a);
        return permute(axes);
    }

    /// The part with `from <= index < to` along an axis. A view.
    public Tensor slice(int axis, int from, int to) {
        return new ShapeOps.Slice(axis, from, to).apply(this);
    }

    /// One index of an axis, which disappears. A view.
    public Tensor select(int axis, int index) {
        return slice(axis, index, index + 1).squeeze(axis);
    }

    /// Consecutive parts of the given sizes along an axis. Views.
    ///
    /// @throws IllegalArgumentException if the sizes do not add up to the extent
    public List<Tensor> split(int axis, int... sizes) {
        if (Arrays.stream(sizes).sum() != dim(axis)) {
            throw new IllegalArgumentException(
                    "split: sizes " + Arrays.toString(sizes) + " do not add up to axis " + axis + " of " + shape());
        }
        List<Tensor> parts = new ArrayList<>();
        int at = 0;
        for (int size : sizes) {
            parts.add(slice(axis, at, at + size));
            at += size;
        }
        return parts;
    }

    /// An axis of extent 1 put in before `axis`. A view.
    public Tensor unsqueeze(int axis) {
        return reshape(shape().unsqueeze(axis));
    }

    /// Without an axis of extent 1. A view.
    public Tensor squeeze(int axis) {
        if (dim(axis) != 1) {
            throw new IllegalArgumentException("squeeze: axis " + axis + " of " + shape() + " is not 1");
        }
        return reshape(shape().remove(axis));
    }

    /// Stretched to a larger shape by broadcasting. A view.
    public Tensor expand(int... dims) {
        return expand(Shape.of(dims));
    }

    /// Stretched to a larger shape by broadcasting. A view.
    public Tensor expand(Shape to) {
        return new ShapeOps.Expand(to).apply(this);
    }

    /// This tensor if its elements lie densely in row-major order, else a copy in which they do.
    public Tensor contiguous() {
        return isContiguous() ? this : copy();
    }

    /// A dense copy.
    public Tensor copy() {
        return new ShapeOps.Cast(dtype()).apply(this);
    }

    /// This tensor if it has the type already, else a converted dense copy. Conversion to integers truncates toward
    /// zero.
    public Tensor to(DType dtype) {
        return dtype == dtype() ? this : new ShapeOps.Cast(dtype).apply(this);
    }

    /// Rows picked by number: row `i` of the result is row `indices[i]` of this tensor. Narrow floating rows come out
    /// as f32.
    ///
    /// @param indices `(n)`, i64 or i32
    /// @throws IndexOutOfBoundsException naming the first index that is not a row
    public Tensor indexSelect(Tensor indices) {
        return new ShapeOps.Gather().apply(this, indices);
    }

    // ---- arithmetic

    /// Elementwise sum, with broadcasting.
    public Tensor add(Tensor other) {
        return pairwise(Binary.ADD, other);
    }

    /// Elementwise sum with a number.
    public Tensor add(double other) {
        return pairwise(Binary.ADD, constant(other));
    }

    /// Elementwise difference, with broadcasting.
    public Tensor sub(Tensor other) {
        return pairwise(Binary.SUBTRACT, other);
    }

    /// Elementwise difference with a number.
    public Tensor sub(double other) {
        return pairwise(Binary.SUBTRACT, constant(other));
    }

    /// Elementwise product, with broadcasting.
    public Tensor mul(Tensor other) {
        return pairwise(Binary.MULTIPLY, other);
    }

    /// Elementwise product with a number.
    public Tensor mul(double other) {
        return pairwise(Binary.MULTIPLY, constant(other));
    }

    /// Elementwise quotient, with broadcasting.
    public Tensor div(Tensor other) {
        return pairwise(Binary.DIVIDE, other);
    }

    /// Elementwise quotient by a number.
    public Tensor div(double other) {
        return pairwise(Binary.DIVIDE, constant(other));
    }

    /// Elementwise power.
    public Tensor pow(double exponent) {
        return pairwise(Binary.POWER, constant(exponent));
    }

    /// The smaller of two elements, with broadcasting.
    public Tensor minimum(Tensor other) {
        return pairwise(Binary.MIN, other);
    }

    /// The larger of two elements, with broadcasting.
    public Tensor maximum(Tensor other) {
        return pairwise(Binary.MAX, other);
    }

    /// Every element moved into `[low, high]`.
    public Tensor clamp(double low, double high) {
        return pairwise(Binary.MAX, constant(low)).pairwise(Binary.MIN, constant(high));
    }

    /// Where the elements are equal.
    public Tensor eq(Tensor other) {
        return pairwise(Binary.EQUAL, other);
    }

    /// Where this tensor's elements are less.
    public Tensor lt(Tensor other) {
        return pairwise(Binary.LESS, other);
    }

    /// Where this tensor's elements are less or equal.
    public Tensor le(Tensor other) {
        return pairwise(Binary.LESS_EQUAL, other);
    }

    /// Elements of `a` where this boolean tensor is true, of `b` elsewhere; with broadcasting.
    public Tensor where(Tensor a, Tensor b) {
        return new MathOps.Where().apply(this, a, b);
    }

    private Tensor pairwise(Binary function, Tensor other) {
        return new MathOps.Pairwise(function).apply(this, other);
    }

    private Tensor constant(double value) {
        DType type = dtype() == DType.F16 || dtype() == DType.BF16 ? DType.F32 : dtype();
        return full(type, Shape.scalar(), value);
    }

    /// An elementwise function of one argument.
    public Tensor apply(Unary function) {
        return new MathOps.Elementwise(function).apply(this);
    }

    /// `-x`
    public Tensor neg() {
        return apply(Unary.NEGATE);
    }

    /// `e^x`
    public Tensor exp() {
        return apply(Unary.EXP);
    }

    /// Natural logarithm.
    public Tensor log() {
        return apply(Unary.LOG);
    }

    /// Square root.
    public Tensor sqrt() {
        return apply(Unary.SQRT);
    }

    /// `1 / sqrt(x)`
    public Tensor rsqrt() {
        return apply(Unary.RSQRT);
    }

    /// `x^2`
    public Tensor square() {
        return apply(Unary.SQUARE);
    }

    /// Sine of radians.
    public Tensor sin() {
        return apply(Unary.SIN);
    }

    /// Cosine of radians.
    public Tensor cos() {
        return apply(Unary.COS);
    }

    /// `1 / (1 + e^-x)`
    public Tensor sigmoid() {
        return apply(Unary.SIGMOID);
    }

    /// `x * sigmoid(x)`
    public Tensor silu() {
        return apply(Unary.SILU);
    }

    /// The tanh form of the Gaussian error linear unit; see [Unary#GELU_TANH].
    public Tensor geluTanh() {
        return apply(Unary.GELU_TANH);
    }

    /// Matrix product of the last two axes; the axes before broadcast.
    ///
    /// @throws IllegalArgumentException naming both shapes if the inner extents differ
    public Tensor matmul(Tensor other) {
        return new MathOps.MatMul().apply(this, other);
    }

    /// Softmax along the last axis.
    public Tensor softmax() {
        return new MathOps.Softmax().apply(this);
    }

    // ---- reductions

    /// Sum over the given axes, which stay with extent 1; over all axes if none is given.
    public Tensor sum(int... axes) {
        return reduce(Reduction.SUM, axes);
    }

    /// Mean over the given axes, which stay with extent 1; over all axes if none is given.
    public Tensor mean(int... axes) {
        return reduce(Reduction.MEAN, axes);
    }

    /// Largest element over the given axes, which stay with extent 1; over all axes if none is given.
    public Tensor max(int... axes) {
        return reduce(Reduction.MAX, axes);
    }

    /// Smallest element over the given axes, which stay with extent 1; over all axes if none is given.
    public Tensor min(int... axes) {
        return reduce(Reduction.MIN, axes);
    }

    /// Standard deviation over the given axes, which stay with extent 1.
    ///
    /// @param correction subtracted from the count in the divisor: 1 for the unbiased estimate, 0 for the population's
    public Tensor std(int correction, int... axes) {
        long n = 1;
        for (int axis : axes.length == 0 ? allAxes() : axes) {
            n *= dim(axis);
        }
        Tensor deviation = sub(mean(axes));
        return deviation
                .square()
                .sum(axes)
                .div((double) Math.max(n - correction, 0))
                .sqrt();
    }

    /// Index of the largest element along the last axis, the first one on ties; i64.
    public Tensor argmax() {
        return new MathOps.ArgMax().apply(this);
    }

    private Tensor reduce(Reduction function, int... axes) {
        return new MathOps.Reduce(function, axes.length == 0 ? allAxes() : axes.clone()).apply(this);
    }

    private int[] allAxes() {
        int[] axes = new int[rank()];
        Arrays.setAll(axes, i -> i);
        return axes;
    }

    // ---- in place

    /// Adds to every element; `other` stretches to this shape. Returns this tensor.
    public Tensor addInPlace(Tensor other) {
        writing("addInPlace", other);
        Backend.kernels().binary(Binary.ADD, array(), other.array().expand(shape()), array());
        return this;
    }

    /// Multiplies every element; `other` stretches to this shape. Returns this tensor.
    public Tensor mulInPlace(Tensor other) {
        writing("mulInPlace", other);
        Backend.kernels().binary(Binary.MULTIPLY, array(), other.array().expand(shape()), array());
        return this;
    }

    /// Overwrites every element, converting types; `other` stretches to this shape. Returns this tensor.
    public Tensor copyInPlace(Tensor other) {
        writing("copyInPlace", other);
        Backend.kernels().copy(other.array().expand(shape()), array());
        return this;
    }

    /// Sets every element. Returns this tensor.
    public Tensor fillInPlace(double value) {
        writing("fillInPlace", null);
        Backend.kernels().fill(array(), value);
        return this;
    }

    private void writing(String what, @Nullable Tensor source) {
        Recorder recorder = Recorder.current();
        if (recorder != null) {
            recorder.writing(what, this, source);
        }
    }

    /// Type and shape, for example `f32(2, 3)`.
    @Override
    public String toString() {
        return array.toString();
    }
}
