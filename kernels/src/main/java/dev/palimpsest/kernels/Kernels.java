package dev.palimpsest.kernels;

import java.lang.foreign.Arena;

/// Everything numerical that the engine asks of a processor, in terms of memory, shapes and strides.
///
/// All arrays are given by the caller, outputs included; no op allocates an output or keeps a reference. Unless a
/// method says otherwise:
///
/// - inputs may have any strides (0 for broadcast axes included), outputs any strides without overlap;
/// - an output must not share memory with an input, except that elementwise ops, normalisations, softmax and rotary
/// embeddings accept an output with exactly the memory and layout of an input (in place);
/// - results are f32; inputs are f32, or f16 or bf16 that are widened while being read; sums run in f32 or wider;
/// - empty arrays are fine and do nothing;
/// - the result does not depend on the number of threads: same input, same bits.
///
/// Misfitting shapes and unsupported element types are an [IllegalArgumentException] whose message starts with the op
/// and names the shapes. Implementations share these checks through `Checks`, so that every provider says the same.
public interface Kernels {
    /// Elements of a right side that are packed at once where it is packed in passing.
    int PACKED_AT_ONCE = 2 << 20;

    /// Short name: `scalar`, `vector`.
    String name();

    /// Batched matrix product with an epilogue, `out = epilogue(a b)`.
    ///
    /// @param a `(..., M, K)`, floating
    /// @param b `(..., K, N)`, floating; a linear layer's weight `(N, K)` is passed as its transposed view
    /// @param out `(..., M, N)`, f32, with the same leading axes as `a` and `b` (stretch them with stride 0 where
    ///     needed)
    /// @param epilogue bias `(N)`, activation, gate, residual
    void matmul(NdArray a, NdArray b, NdArray out, Epilogue epilogue);

    /// Copies the right side of many products to come into the layout that [#matmul(NdArray, PackedMatrix, NdArray,
    /// Epilogue)] reads; later changes of `b` are not seen.
    ///
    /// @param b `(K, N)`, floating; a linear layer's weight `(N, K)` is passed as its transposed view
    /// @param arithmetic how the products are computed
    /// @param groupSize elements of a column that share a scale, a multiple of 32, or 0 for one scale a column; other
    ///     than 0 only for [Arithmetic#INT8_WEIGHT_ONLY]
    /// @param arena where the copy lives, accessible to all threads (shared, automatic or global)
    /// @throws IllegalArgumentException if the weights are to become integers and hold a NaN or an infinity, or there
    ///     are more than [Quantization#MAX_INNER] rows for [Arithmetic#INT8]
    PackedMatrix pack(NdArray b, Arithmetic arithmetic, int groupSize, Arena arena);

    /// Matrix product with a packed right side, `out = epilogue(a b)`, in the arithmetic that it was packed for.
    ///
    /// @param a `(..., M, K)`, floating
    /// @param b `(K, N)`, packed by this provider
    /// @param out `(..., M, N)`, f32
    /// @param epilogue bias `(N)`, activation, gate, residual
    /// @throws IllegalArgumentException if another provider packed `b`
    /// @throws IllegalStateException if the arena of `b` is closed
    void matmul(NdArray a, PackedMatrix b, NdArray out, Epilogue epilogue);

    /// Matrix product in an arithmetic of choice with a right side that is not worth a packed copy because it is used
    /// too seldom: it is packed in passing. The result is that of [#pack], with one scale a column, and the product
    /// with what it gives.
    ///
    /// @param a `(..., M, K)`, floating
    /// @param b `(K, N)`, floating
    /// @param out `(..., M, N)`, f32
    /// @param epilogue bias `(N)`, activation, gate, residual
    /// @throws IllegalArgumentException where [#pack] throws it
    default void matmul(NdArray a, NdArray b, NdArray out, Epilogue epilogue, Arithmetic arithmetic) {
        Checks.matmul(a, b, out, epilogue, arithmetic);
        int n = b.dim(1);
        // Some columns at a time: what is packed stays in the caches until it is used, and never is much.
        int atOnce = Math.max(64, PACKED_AT_ONCE / Math.max(1, b.dim(0)));
        for (int from = 0; from < n; from += atOnce) {
            int to = Math.min(n, from + atOnce);
            try (Arena arena = Arena.ofShared()) {
                PackedMatrix some = pack(b.slice(1, from, to), arithmetic, 0, arena);
                matmul(a, some, out.slice(-1, from, to), epilogue.columns(from, to));
            }
        }
    }

    /// Convolution over time, rows and columns, `out = epilogue(input * weight)`; see [Convolution].
    ///
    /// Arrays are logically channels-first; their strides may make the channels the innermost axis, which is the
    /// faster layout.
    ///
    /// @param op strides and padding
    /// @param input `(N, C, T, H, W)`, floating
    /// @param weight `(O, C, kT, kH, kW)`, floating
    /// @param out `(N, O, T', H', W')` as [Convolution#outputShape] says, f32
    /// @param epilogue bias `(O)`, activation, gate, residual
    void convolution(Convolution op, NdArray input, NdArray weight, NdArray out, Epilogue epilogue);

    /// Copies the weight of many convolutions to come into the layout that [#convolution(Convolution, NdArray,
    /// PackedFilter, NdArray, Epilogue)] reads; later changes of `weight` are not seen.
    ///
    /// @param weight `(O, C, kT, kH, kW)`, floating
    /// @param arithmetic how the convolutions are computed: [Arithmetic#F32] or [Arithmetic#BF16]
    /// @param arena where the copy lives, accessible to all threads (shared, automatic or global)
    PackedFilter packFilter(NdArray weight, Arithmetic arithmetic, Arena arena);

    /// Convolution with a packed weight; strides and padding may differ from call to call.
    ///
    /// @param op strides and padding, in the arithmetic that the weight was packed for
    /// @param input `(N, C, T, H, W)`, floating
    /// @param weight `(O, C, kT, kH, kW)`, packed by this provider
    /// @param out `(N, O, T', H', W')` as [Convolution#outputShape] says, f32
    /// @param epilogue bias `(O)`, activation, gate, residual
    /// @throws IllegalArgumentException if another provider packed `weight`
    /// @throws IllegalStateException if the arena of `weight` is closed
    void convolution(Convolution op, NdArray input, PackedFilter weight, NdArray out, Epilogue epilogue);

    /// Scaled dot-product attention per head; see [Attention]. Batches are packed behind each other along the first
    /// axis.
    ///
    /// @param op scale, visible ranges, optional bias and extra outputs
    /// @param q queries `(Lq, heads, headDim)`, floating
    /// @param k keys `(Lk, heads, headDim)`, floating
    /// @param v values `(Lk, heads, valueDim)`, floating
    /// @param out `(Lq, heads, valueDim)`, f32
    void attention(Attention op, NdArray q, NdArray k, NdArray v, NdArray out);

    /// Softmax along the last axis.
    ///
    /// @param x `(..., n)`
    /// @param out same shape
    void softmax(NdArray x, NdArray out);

    /// Root-mean-square normalisation along the last axis, `x * rsqrt(mean(x^2) + eps)` (Zhang & Sennrich 2019, arXiv
    /// 1910.07467), then the affine part.
    void rmsNorm(NdArray x, float eps, Affine affine, NdArray out);

    /// Layer normalisation along the last axis, `(x - mean) * rsqrt(var + eps)` with the biased variance (Ba et al.
    /// 2016, arXiv 1607.06450), then the affine part.
    void layerNorm(NdArray x, float eps, Affine affine, NdArray out);

    /// Group normalisation (Wu & He 2018, arXiv 1803.08494): mean and biased variance over each group of channels and
    /// all positions of a sample, then learned weight and bias per channel, then the activation.
    ///
    /// @param x `(N, C, ...)`
    /// @param groups divides C
    /// @param weight `(C)`
    /// @param bias `(C)`
    /// @param out same shape as `x`
    void groupNorm(NdArray x, int groups, float eps, NdArray weight, NdArray bias, Activation activation, NdArray out);

    /// Elementwise function of one argument. Also takes f64 arrays when input and output both are.
    void unary(Unary op, NdArray x, NdArray out);

    /// Elementwise function of two arguments; both stretch to the shape of `out`. Arithmetic also takes f64 or i64
    /// when all three arrays are of that type; comparisons take any two equal types and write [DType#BOOL]. Integers
    /// wrap around and their quotients truncate toward zero.
    ///
    /// @throws ArithmeticException if an integer is divided by 0
    void binary(Binary op, NdArray a, NdArray b, NdArray out);

    /// `out = condition ? a : b`; all three stretch to the shape of `out`. `a`, `b` and `out` have one type, the
    /// condition is [DType#BOOL].
    void where(NdArray condition, NdArray a, NdArray b, NdArray out);

    /// Reduces the axes on which `out` has extent 1 (same rank as `x`). Also takes f64 when both arrays are, and sums
    /// and extremes of i64.
    void reduce(Reduction op, NdArray x, NdArray out);

    /// Index of the largest element along the last axis, the first one on ties; a NaN counts as largest.
    ///
    /// @param x `(..., n)` with n at least 1
    /// @param out `(...)`, i64
    void argmax(NdArray x, NdArray out);

    /// Copies with any strides and converts between any two types that can be read as numbers; equal types are copied
    /// bit for bit. Conversion to integers truncates toward zero, to bool tests for not zero.
    ///
    /// @param x stretches to the shape of `out`
    void copy(NdArray x, NdArray out);

    /// Sets every element.
    void fill(NdArray out, double value);

    /// Picks rows: `out[i, ...] = table[indices[i], ...]`.
    ///
    /// @param table `(rows, ...)` of any type
    /// @param indices `(n)`, i64 or i32
    /// @param out `(n, ...)`, same type as the table or f32 from a narrower floating table
    /// @throws IndexOutOfBoundsException naming the first index that is not a row
    void gather(NdArray table, NdArray indices, NdArray out);

    /// Adds rows: `out[indices[i], ...] += rows[i, ...]`, in the order of i.
    ///
    /// @param rows `(n, ...)`, f32 or f64
    /// @param indices `(n)`, i64 or i32
    /// @param out `(rows, ...)`, same type as `rows`
    /// @throws IndexOutOfBoundsException naming the first index that is not a row
    void scatterAdd(NdArray rows, NdArray indices, NdArray out);

    /// Resizes the axes behind the first two.
    ///
    /// @param x `(N, C, H, W)` or `(N, C, T, H, W)`
    /// @param out same rank, same N and C
    void interpolate(Interpolation mode, NdArray x, NdArray out);

    /// Rotary embedding: turns the first 2r elements of every head by the given angles and copies the rest.
    ///
    /// A pair `(a, b)` becomes `(a cos - b sin, a sin + b cos)`.
    ///
    /// @param layout which elements form pairs
    /// @param x `(L, heads, headDim)`
    /// @param cos cosines `(L, r)` with 2r at most headDim, f32
    /// @param sin sines `(L, r)`, f32
    /// @param out same shape as `x`
    void rope(RopeLayout layout, NdArray x, NdArray cos, NdArray sin, NdArray out);
}
