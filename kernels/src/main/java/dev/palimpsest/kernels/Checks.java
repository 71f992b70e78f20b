package dev.palimpsest.kernels;

import java.util.EnumSet;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// The argument checks of every op in [Kernels], so that all providers accept and refuse the same arrays with the same
/// words.
///
/// Each method carries the name of the op it guards and throws an [IllegalArgumentException] whose message starts with
/// that name and says which shapes or element types do not fit. Shared memory between inputs and outputs is not looked
/// for: strided arrays may interleave in one block of memory without touching each other.
public final class Checks {
    /// What kernels widen to f32 while they read.
    private static final Set<DType> NARROW = EnumSet.of(DType.F32, DType.F16, DType.BF16);

    private static final Set<DType> NARROW_OR_F64 = EnumSet.of(DType.F32, DType.F16, DType.BF16, DType.F64);
    private static final Set<DType> ARITHMETIC = EnumSet.of(DType.F32, DType.F16, DType.BF16, DType.F64, DType.I64);
    private static final Set<DType> F32 = EnumSet.of(DType.F32);
    private static final Set<DType> F64 = EnumSet.of(DType.F64);
    private static final Set<DType> F32_OR_F64 = EnumSet.of(DType.F32, DType.F64);
    private static final Set<DType> I64 = EnumSet.of(DType.I64);
    private static final Set<DType> BOOL = EnumSet.of(DType.BOOL);
    private static final Set<DType> INDICES = EnumSet.of(DType.I64, DType.I32);
    private static final Set<DType> OPAQUE = EnumSet.of(DType.F8_E4M3, DType.F8_E5M2);

    /// Groups of weights that share a scale are a multiple of this.
    private static final int GROUP_STEP = 32;

    private Checks() {}

    /// Guards [Kernels#matmul].
    public static void matmul(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
        String op = "matmul";
        type(op, "the left side", a, NARROW);
        type(op, "the right side", b, NARROW);
        Supplier<String> both = () -> op + ": " + a.shape() + " x " + b.shape();
        require(a.rank() >= 2 && b.rank() >= 2, both, () -> "both sides need at least two axes");
        require(a.dim(-1) == b.dim(-2), both, () -> "inner dimensions " + a.dim(-1) + " and " + b.dim(-2) + " differ");
        require(sameLeading(a.shape(), b.shape(), 2), both, () -> "the leading axes differ");
        output(op, "the output", out, a.shape().with(-1, b.dim(-1)), F32, both);
        epilogue(op, epilogue, out, b.dim(-1), "the output columns");
    }

    /// Guards [Kernels#pack].
    public static void pack(NdArray b, Arithmetic arithmetic, int groupSize) {
        String op = "pack";
        type(op, "the matrix", b, NARROW);
        Supplier<String> where = () -> op + ": " + b.shape();
        require(b.rank() == 2, where, () -> "the matrix must have the axes (K, N)");
        require(
                groupSize == 0
                        || (arithmetic == Arithmetic.INT8_WEIGHT_ONLY && groupSize > 0 && groupSize % GROUP_STEP == 0),
                where,
                () -> "groups of " + groupSize + " elements are not a multiple of " + GROUP_STEP
                        + ", or the arithmetic " + arithmetic + " has none");
        require(
                arithmetic != Arithmetic.INT8 || b.dim(0) <= Quantization.MAX_INNER,
                where,
                () -> "the 32-bit sums of " + arithmetic + " hold at most " + Quantization.MAX_INNER + " terms");
    }

    /// Guards products with a packed right side. That it belongs to the provider is the provider's to check.
    public static void matmul(NdArray a, PackedMatrix b, NdArray out, Epilogue epilogue) {
        packedMatmul(a, b.shape(), out, epilogue);
    }

    /// Guards products whose right side is packed in passing.
    public static void matmul(NdArray a, NdArray b, NdArray out, Epilogue epilogue, Arithmetic arithmetic) {
        pack(b, arithmetic, 0);
        packedMatmul(a, b.shape(), out, epilogue);
    }

    private static void packedMatmul(NdArray a, Shape b, NdArray out, Epilogue epilogue) {
        String op = "matmul";
        type(op, "the left side", a, NARROW);
        int k = b.dim(0);
        int n = b.dim(1);
        Supplier<String> both = () -> op + ": " + a.shape() + " x packed " + b;
        require(a.rank() >= 2, both, () -> "the left side needs at least two axes");
        require(a.dim(-1) == k, both, () -> "inner dimensions " + a.dim(-1) + " and " + k + " differ");
        output(op, "the output", out, a.shape().with(-1, n), F32, both);
        epilogue(op, epilogue, out, n, "the output columns");
    }

    /// The refusal of a packed matrix that another provider made.
    ///
    /// @param provider who was asked for the product
    public static IllegalArgumentException foreign(String provider, PackedMatrix b) {
        return new IllegalArgumentException(
                "matmul: the right side " + b.shape() + " was not packed by the " + provider + " kernels");
    }

    /// Guards [Kernels#convolution].
    public static void convolution(
            Convolution geometry, NdArray input, NdArray weight, NdArray out, Epilogue epilogue) {
        String op = "convolution";
        type(op, "the input", input, NARROW);
        type(op, "the weight", weight, NARROW);
        convolution(geometry, input, weight.shape(), out, epilogue);
    }

    /// Guards convolutions with a packed weight. That it belongs to the provider is the provider's to check.
    public static void convolution(
            Convolution geometry, NdArray input, PackedFilter weight, NdArray out, Epilogue epilogue) {
        type("convolution", "the input", input, NARROW);
        require(
                geometry.arithmetic() == weight.arithmetic(),
                () -> "convolution: " + input.shape() + " * packed " + weight.shape(),
                () -> "it is to run in " + geometry.arithmetic() + " but was packed for " + weight.arithmetic());
        convolution(geometry, input, weight.shape(), out, epilogue);
    }

    private static void convolution(Convolution geometry, NdArray input, Shape weight, NdArray out, Epilogue epilogue) {
        String op = "convolution";
        Shape expected = geometry.outputShape(input.shape(), weight);
        output(op, "the output", out, expected, F32, () -> op + ": " + input.shape() + " * " + weight);
        epilogue(op, epilogue, out, weight.dim(0), "the output channels");
    }

    /// Guards [Kernels#packFilter].
    public static void packFilter(NdArray weight, Arithmetic arithmetic) {
        String op = "packFilter";
        type(op, "the weight", weight, NARROW);
        require(
                weight.rank() == 5,
                () -> op + ": " + weight.shape(),
                () -> "the weight must have the axes (O, C, kT, kH, kW)");
        require(
                arithmetic == Arithmetic.F32 || arithmetic == Arithmetic.BF16,
                () -> op + ": " + weight.shape(),
                () -> "the arithmetic " + arithmetic + " is for matrix products; use F32 or BF16");
    }

    /// The refusal of a packed weight that another provider made.
    ///
    /// @param provider who was asked for the convolution
    public static IllegalArgumentException foreign(String provider, PackedFilter weight) {
        return new IllegalArgumentException(
                "convolution: the weight " + weight.shape() + " was not packed by the " + provider + " kernels");
    }

    /// Guards [Kernels#attention].
    public static void attention(Attention attention, NdArray q, NdArray k, NdArray v, NdArray out) {
        String op = "attention";
        type(op, "q", q, NARROW);
        type(op, "k", k, NARROW);
        type(op, "v", v, NARROW);
        Supplier<String> all = () -> op + ": q " + q.shape() + ", k " + k.shape() + ", v " + v.shape();
        require(
                q.rank() == 3 && k.rank() == 3 && v.rank() == 3,
                all,
                () -> "each needs three axes (length, heads, head width)");
        require(
                q.dim(1) == k.dim(1) && k.dim(1) == v.dim(1),
                all,
                () -> "the numbers of heads " + q.dim(1) + ", " + k.dim(1) + " and " + v.dim(1) + " differ");
        require(
                q.dim(2) == k.dim(2),
                all,
                () -> "the head widths " + q.dim(2) + " and " + k.dim(2) + " of q and k differ");
        require(k.dim(0) == v.dim(0), all, () -> "the lengths " + k.dim(0) + " and " + v.dim(0) + " of k and v differ");
        KeyRanges visible = attention.visible();
        require(
                visible.queries() == q.dim(0) && visible.keys() == k.dim(0),
                all,
                () -> "the key ranges are for " + visible.queries() + " queries and " + visible.keys() + " keys");
        output(op, "the output", out, Shape.of(q.dim(0), q.dim(1), v.dim(2)), F32, all);
        Shape scores = Shape.of(q.dim(1), q.dim(0), k.dim(0));
        stretches(op, "bias", attention.bias(), scores);
        NdArray probabilities = attention.probabilities();
        if (probabilities != null) {
            output(op, "probabilities", probabilities, scores, F32, all);
        }
        NdArray logSumExp = attention.logSumExp();
        if (logSumExp != null) {
            output(op, "log-sum-exp", logSumExp, Shape.of(q.dim(0), q.dim(1)), F32, all);
        }
    }

    /// Guards [Kernels#softmax].
    public static void softmax(NdArray x, NdArray out) {
        lastAxis("softmax", x);
        output("softmax", "the output", out, x.shape(), F32, () -> "softmax: " + x.shape());
    }

    /// Guards [Kernels#rmsNorm].
    public static void rmsNorm(NdArray x, Affine affine, NdArray out) {
        rowNorm("rmsNorm", x, affine, out);
    }

    /// Guards [Kernels#layerNorm].
    public static void layerNorm(NdArray x, Affine affine, NdArray out) {
        rowNorm("layerNorm", x, affine, out);
    }

    private static void rowNorm(String op, NdArray x, Affine affine, NdArray out) {
        lastAxis(op, x);
        output(op, "the output", out, x.shape(), F32, () -> op + ": " + x.shape());
        vector(op, "weight", affine.weight(), x.dim(-1), "the width", x);
        vector(op, "bias", affine.bias(), x.dim(-1), "the width", x);
        stretches(op, "scale", affine.scale(), x.shape());
        stretches(op, "shift", affine.shift(), x.shape());
    }

    /// Guards [Kernels#groupNorm].
    public static void groupNorm(NdArray x, int groups, NdArray weight, NdArray bias, NdArray out) {
        String op = "groupNorm";
        type(op, "the input", x, NARROW);
        require(x.rank() >= 2, () -> op + ": " + x.shape(), () -> "the input needs the axes (N, C, ...)");
        require(
                groups >= 1 && x.dim(1) % groups == 0,
                () -> op + ": " + x.shape(),
                () -> groups + " groups do not divide " + x.dim(1) + " channels");
        vector(op, "weight", weight, x.dim(1), "the channels", x);
        vector(op, "bias", bias, x.dim(1), "the channels", x);
        output(op, "the output", out, x.shape(), F32, () -> op + ": " + x.shape());
    }

    /// Guards [Kernels#unary].
    public static void unary(Unary function, NdArray x, NdArray out) {
        String op = "unary " + function;
        if (x.dtype() == DType.F64) {
            output(op, "the output", out, x.shape(), F64, () -> op + ": " + x.shape());
        } else {
            type(op, "the argument", x, NARROW_OR_F64);
            output(op, "the output", out, x.shape(), F32, () -> op + ": " + x.shape());
        }
    }

    /// Guards [Kernels#binary].
    public static void binary(Binary function, NdArray a, NdArray b, NdArray out) {
        String op = "binary " + function;
        Supplier<String> both = () -> op + ": " + a.shape() + " and " + b.shape();
        if (function.isComparison()) {
            notOpaque(op, a);
            require(
                    a.dtype() == b.dtype(),
                    both,
                    () -> "the element types " + a.dtype().label() + " and "
                            + b.dtype().label() + " differ");
            type(op, "the output", out, BOOL);
        } else if (a.dtype() == DType.F64 || a.dtype() == DType.I64) {
            require(
                    a.dtype() == b.dtype() && a.dtype() == out.dtype(),
                    both,
                    () -> "f64 and i64 do not mix with other types, but the arguments are "
                            + a.dtype().label() + " and " + b.dtype().label() + " and the output is "
                            + out.dtype().label());
        } else {
            type(op, "the left argument", a, ARITHMETIC);
            type(op, "the right argument", b, ARITHMETIC);
            require(
                    NARROW.contains(b.dtype()),
                    both,
                    () -> "the element types " + a.dtype().label() + " and "
                            + b.dtype().label() + " do not mix");
            type(op, "the output", out, F32);
        }
        stretchesTo(op, "the left argument", a, out.shape());
        stretchesTo(op, "the right argument", b, out.shape());
        writable(op, out);
    }

    /// Guards [Kernels#where].
    public static void where(NdArray condition, NdArray a, NdArray b, NdArray out) {
        String op = "where";
        type(op, "the condition", condition, BOOL);
        require(
                a.dtype() == b.dtype() && a.dtype() == out.dtype(),
                () -> op + ": " + a.shape() + " and " + b.shape(),
                () -> "both choices and the output must have one element type but are "
                        + a.dtype().label() + ", " + b.dtype().label() + " and "
                        + out.dtype().label());
        stretchesTo(op, "the condition", condition, out.shape());
        stretchesTo(op, "the first choice", a, out.shape());
        stretchesTo(op, "the second choice", b, out.shape());
        writable(op, out);
    }

    /// Guards [Kernels#reduce].
    public static void reduce(Reduction reduction, NdArray x, NdArray out) {
        String op = "reduce " + reduction;
        Supplier<String> both = () -> op + ": " + x.shape() + " to " + out.shape();
        type(op, "the input", x, ARITHMETIC);
        boolean wide = x.dtype() == DType.F64 || x.dtype() == DType.I64;
        type(op, "the output", out, EnumSet.of(wide ? x.dtype() : DType.F32));
        require(
                x.dtype() != DType.I64 || reduction != Reduction.MEAN,
                both,
                () -> "integers have no mean; convert them to f32 or f64 first");
        require(
                x.rank() == out.rank(),
                both,
                () -> "the numbers of axes " + x.rank() + " and " + out.rank() + " differ");
        for (int i = 0; i < x.rank(); i++) {
            int axis = i;
            require(
                    out.dim(axis) == x.dim(axis) || out.dim(axis) == 1,
                    both,
                    () -> "axis " + axis + " must stay " + x.dim(axis) + " or become 1");
        }
        require(
                x.dtype() != DType.I64 || reduction == Reduction.SUM || x.elements() > 0 || out.elements() == 0,
                both,
                () -> "no elements have no largest or smallest integer");
        writable(op, out);
    }

    /// Guards [Kernels#argmax].
    public static void argmax(NdArray x, NdArray out) {
        String op = "argmax";
        lastAxis(op, x);
        require(x.dim(-1) >= 1, () -> op + ": " + x.shape(), () -> "the last axis is empty");
        output(op, "the output", out, x.shape().remove(-1), I64, () -> op + ": " + x.shape());
    }

    /// Guards [Kernels#copy].
    public static void copy(NdArray x, NdArray out) {
        String op = "copy";
        if (x.dtype() != out.dtype()) {
            notOpaque(op, x);
            notOpaque(op, out);
        }
        stretchesTo(op, "the source", x, out.shape());
        writable(op, out);
    }

    /// Guards [Kernels#fill].
    public static void fill(NdArray out) {
        notOpaque("fill", out);
        writable("fill", out);
    }

    /// Guards [Kernels#gather]; reads the indices.
    public static void gather(NdArray table, NdArray indices, NdArray out) {
        String op = "gather";
        Supplier<String> both = () -> op + ": " + table.shape() + " at " + indices.shape();
        type(op, "the array of indices", indices, INDICES);
        require(table.rank() >= 1, both, () -> "the table needs at least one axis");
        require(indices.rank() == 1, both, () -> "the indices need exactly one axis");
        boolean widened = NARROW.contains(table.dtype()) && out.dtype() == DType.F32;
        require(
                widened || table.dtype() == out.dtype(),
                both,
                () -> "the table is " + table.dtype().label() + " but the output is "
                        + out.dtype().label());
        output(op, "the output", out, table.shape().with(0, indices.dim(0)), EnumSet.of(out.dtype()), both);
        indices(op, indices, table.dim(0));
    }

    /// Guards [Kernels#scatterAdd]; reads the indices.
    public static void scatterAdd(NdArray rows, NdArray indices, NdArray out) {
        String op = "scatterAdd";
        Supplier<String> both = () -> op + ": " + rows.shape() + " at " + indices.shape();
        type(op, "the array of indices", indices, INDICES);
        type(op, "the array of rows", rows, F32_OR_F64);
        type(op, "the output", out, EnumSet.of(rows.dtype()));
        require(rows.rank() >= 1, both, () -> "the rows need at least one axis");
        require(
                indices.rank() == 1 && indices.dim(0) == rows.dim(0),
                both,
                () -> "there must be one index for each of the " + rows.dim(0) + " rows");
        require(
                out.rank() == rows.rank() && sameFrom(out.shape(), rows.shape(), 1),
                both,
                () -> "rows of this shape do not fit the output " + out.shape());
        writable(op, out);
        indices(op, indices, out.dim(0));
    }

    /// Guards [Kernels#interpolate].
    public static void interpolate(Interpolation mode, NdArray x, NdArray out) {
        String op = "interpolate " + mode;
        Supplier<String> both = () -> op + ": " + x.shape() + " to " + out.shape();
        type(op, "the input", x, NARROW);
        type(op, "the output", out, F32);
        require(x.rank() == 4 || x.rank() == 5, both, () -> "the input needs the axes (N, C, H, W) or (N, C, T, H, W)");
        require(out.rank() == x.rank(), both, () -> "the numbers of axes differ");
        require(
                out.dim(0) == x.dim(0) && out.dim(1) == x.dim(1),
                both,
                () -> "the first two axes must stay as they are");
        require(
                mode != Interpolation.BICUBIC_ANTIALIAS || x.rank() == 4,
                both,
                () -> "bicubic interpolation resizes (N, C, H, W) only");
        require(x.elements() > 0 || out.elements() == 0, both, () -> "nothing can be enlarged from an empty input");
        writable(op, out);
    }

    /// Guards [Kernels#rope].
    public static void rope(NdArray x, NdArray cos, NdArray sin, NdArray out) {
        String op = "rope";
        type(op, "the input", x, NARROW);
        type(op, "the array of cosines", cos, F32);
        type(op, "the array of sines", sin, F32);
        Supplier<String> all = () -> op + ": " + x.shape() + " by " + cos.shape();
        require(x.rank() == 3, all, () -> "the input needs the axes (length, heads, head width)");
        require(
                cos.shape().equals(sin.shape()),
                () -> op + ": " + x.shape(),
                () -> "cosines " + cos.shape() + " and sines " + sin.shape() + " differ in shape");
        require(
                cos.rank() == 2 && cos.dim(0) == x.dim(0),
                all,
                () -> "the angles need the axes (length, pairs) with the input's length");
        require(
                2L * cos.dim(1) <= x.dim(2),
                all,
                () -> cos.dim(1) + " pairs do not fit into a head of width " + x.dim(2));
        output(op, "the output", out, x.shape(), F32, () -> op + ": " + x.shape());
    }

    /// The sentence is put together only when it is needed: these checks run before every op.
    private static void require(boolean holds, Supplier<String> where, Supplier<String> what) {
        if (!holds) {
            throw new IllegalArgumentException(where.get() + ": " + what.get());
        }
    }

    private static void type(String op, String what, NdArray x, Set<DType> allowed) {
        if (!allowed.contains(x.dtype())) {
            throw new IllegalArgumentException(op + ": " + what + " " + x.shape() + " is "
                    + x.dtype().label() + " but must be " + labels(allowed));
        }
    }

    private static String labels(Set<DType> types) {
        return types.stream().map(DType::label).collect(Collectors.joining(" or "));
    }

    private static void notOpaque(String op, NdArray x) {
        if (OPAQUE.contains(x.dtype())) {
            throw new IllegalArgumentException(op + ": " + x.shape() + " is "
                    + x.dtype().label() + ", whose elements can only be copied to the same type");
        }
    }

    private static void lastAxis(String op, NdArray x) {
        type(op, "the input", x, NARROW);
        require(x.rank() >= 1, () -> op + ": " + x.shape(), () -> "the input needs at least one axis");
    }

    private static void output(
            String op, String what, NdArray out, Shape expected, Set<DType> types, Supplier<String> where) {
        type(op, what, out, types);
        require(out.shape().equals(expected), where, () -> what + " must be " + expected + " but is " + out.shape());
        writable(op, what, out);
    }

    private static void writable(String op, NdArray out) {
        writable(op, "the output", out);
    }

    private static void writable(String op, String what, NdArray out) {
        if (out.elements() < 2) {
            return;
        }
        for (int i = 0; i < out.rank(); i++) {
            if (out.stride(i) == 0 && out.dim(i) > 1) {
                throw new IllegalArgumentException(op + ": " + what + " " + out.shape() + " has stride 0 on axis " + i
                        + ", so its elements overlap");
            }
        }
    }

    private static void epilogue(String op, Epilogue epilogue, NdArray out, int columns, String what) {
        vector(op, "bias", epilogue.bias(), columns, what, out);
        stretches(op, "gate", epilogue.gate(), out.shape());
        stretches(op, "residual", epilogue.residual(), out.shape());
    }

    private static void vector(String op, String what, @Nullable NdArray x, int width, String of, NdArray whole) {
        if (x == null) {
            return;
        }
        type(op, what, x, F32);
        require(
                x.rank() == 1 && x.dim(0) == width,
                () -> op + ": " + what + " " + x.shape(),
                () -> "it must be (" + width + ") to fit " + of + " of " + whole.shape());
    }

    private static void stretches(String op, String what, @Nullable NdArray x, Shape to) {
        if (x == null) {
            return;
        }
        type(op, what, x, F32);
        stretchesTo(op, what, x, to);
    }

    private static void stretchesTo(String op, String what, NdArray x, Shape to) {
        boolean fits = x.rank() <= to.rank();
        for (int i = 1; fits && i <= x.rank(); i++) {
            fits = x.dim(-i) == 1 || x.dim(-i) == to.dim(-i);
        }
        require(fits, () -> op + ": " + what + " " + x.shape(), () -> "it does not stretch to the shape " + to);
    }

    private static boolean sameLeading(Shape a, Shape b, int tail) {
        if (a.rank() != b.rank()) {
            return false;
        }
        for (int i = 0; i < a.rank() - tail; i++) {
            if (a.dim(i) != b.dim(i)) {
                return false;
            }
        }
        return true;
    }

    private static boolean sameFrom(Shape a, Shape b, int axis) {
        for (int i = axis; i < a.rank(); i++) {
            if (a.dim(i) != b.dim(i)) {
                return false;
            }
        }
        return true;
    }

    private static void indices(String op, NdArray indices, int rows) {
        for (int i = 0; i < indices.dim(0); i++) {
            long row = indices.getLong(i);
            if (row < 0 || row >= rows) {
                throw new IndexOutOfBoundsException(
                        op + ": index " + row + " at position " + i + " is not one of " + rows + " rows");
            }
        }
    }
}
