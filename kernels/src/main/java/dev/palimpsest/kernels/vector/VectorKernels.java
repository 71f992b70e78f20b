package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.Checks;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Reduction;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.Unary;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import java.lang.foreign.Arena;

/// The provider on the Java Vector API: SIMD of whatever width the machine prefers, shared between the threads of a
/// [Parallel].
///
/// Every op computes with vectors whatever the strides of its arrays are, for f32, f16 and bf16 inputs. What is left
/// to [ScalarKernels], on the calling thread:
///
/// - `unary`, `binary`, `reduce` and `scatterAdd` of f64 and of integers, and comparisons of types other than f32, f16,
/// bf16;
/// - the function [Binary#POWER];
/// - `where` of types other than f32;
/// - `copy` between two different types unless both are among f32, f16 and bf16;
/// - `scatterAdd` of rows that are not dense;
/// - reductions of empty arrays.
///
/// Sines and cosines of a chunk that has an argument beyond 1e5 are computed one by one by [Math].
///
/// Results do not depend on the number of threads, nor on whether a loop is interpreted or compiled at the time. They
/// do depend, in the last bits, on the vector width, because sums have as many chains as a vector has lanes.
public final class VectorKernels implements Kernels {
    private final Kernels scalar = new ScalarKernels();
    private final Parallel parallel;
    private final VectorElementwise elementwise;
    private final VectorCopy copies;
    private final VectorNorms norms;
    private final VectorGroupNorm groupNorms;
    private final VectorSoftmax softmax;
    private final VectorReduce reductions;
    private final VectorIndexing indexing;
    private final VectorRope rope;
    private final VectorInterpolation interpolation;
    private final Workspace.Pool workspaces = new Workspace.Pool();
    private final VectorMatmul matmul;
    private final PanelPacking packing;
    private final ImplicitGemm convolution;
    private final Tiles tiles;
    private final StreamingAttention attention;

    /// A provider with its threads.
    ///
    /// @param parallel the threads that share the loops
    public VectorKernels(Parallel parallel) {
        this(parallel, Simd.FLOATS.vectorBitSize());
    }

    /// A provider whose matrix kernels use tiles of another vector width, up to the machine's own.
    VectorKernels(Parallel parallel, int bits) {
        this.parallel = parallel;
        Scratch scratch = new Scratch();
        elementwise = new VectorElementwise(parallel, scratch);
        copies = new VectorCopy(parallel, scratch);
        norms = new VectorNorms(parallel, scratch);
        groupNorms = new VectorGroupNorm(parallel, scratch);
        softmax = new VectorSoftmax(parallel, scratch);
        reductions = new VectorReduce(parallel, scratch, copies);
        indexing = new VectorIndexing(parallel, copies);
        rope = new VectorRope(parallel, scratch);
        interpolation = new VectorInterpolation(parallel, copies);
        tiles = Tiles.of(bits);
        matmul = new VectorMatmul(parallel, tiles, workspaces);
        packing = new PanelPacking(parallel, tiles, workspaces);
        convolution = new ImplicitGemm(parallel, workspaces, new VectorPatchTiles(tiles));
        attention = new StreamingAttention(parallel, workspaces);
    }

    /// Bytes of native memory that the matrix kernels hold for packed operands.
    public long workspaceBytes() {
        return workspaces.bytes();
    }

    /// Number of threads that share the loops.
    public int threads() {
        return parallel.threads();
    }

    @Override
    public String name() {
        return "vector";
    }

    @Override
    public void matmul(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
        matmul.run(a, b, out, epilogue);
    }

    @Override
    public PackedMatrix pack(NdArray b, Arithmetic arithmetic, int groupSize, Arena arena) {
        return packing.pack(b, arithmetic, groupSize, arena);
    }

    @Override
    public void matmul(NdArray a, PackedMatrix b, NdArray out, Epilogue epilogue) {
        if (!(b instanceof VectorPacked packed)) {
            throw Checks.foreign(name(), b);
        }
        matmul.run(a, packed, out, epilogue);
    }

    @Override
    public void convolution(Convolution op, NdArray input, NdArray weight, NdArray out, Epilogue epilogue) {
        Checks.convolution(op, input, weight, out, epilogue);
        convolution.run(op, input, weight, out, epilogue);
    }

    @Override
    public PackedFilter packFilter(NdArray weight, Arithmetic arithmetic, Arena arena) {
        Checks.packFilter(weight, arithmetic);
        return convolution.pack(weight, arithmetic, arena);
    }

    @Override
    public void convolution(Convolution op, NdArray input, PackedFilter weight, NdArray out, Epilogue epilogue) {
        if (!(weight instanceof PanelFilter filter && filter.provider().equals(name()))) {
            throw Checks.foreign(name(), weight);
        }
        Checks.convolution(op, input, weight, out, epilogue);
        convolution.run(op, input, filter, out, epilogue);
    }

    @Override
    public void attention(Attention op, NdArray q, NdArray k, NdArray v, NdArray out) {
        Checks.attention(op, q, k, v, out);
        attention.run(op, new VectorAttention(tiles, op, q.dim(2), v.dim(2)), q, k, v, out);
    }

    @Override
    public void softmax(NdArray x, NdArray out) {
        Checks.softmax(x, out);
        softmax.softmax(x, out);
    }

    @Override
    public void rmsNorm(NdArray x, float eps, Affine affine, NdArray out) {
        Checks.rmsNorm(x, affine, out);
        norms.rmsNorm(x, eps, affine, out);
    }

    @Override
    public void layerNorm(NdArray x, float eps, Affine affine, NdArray out) {
        Checks.layerNorm(x, affine, out);
        norms.layerNorm(x, eps, affine, out);
    }

    @Override
    public void groupNorm(
            NdArray x, int groups, float eps, NdArray weight, NdArray bias, Activation activation, NdArray out) {
        Checks.groupNorm(x, groups, weight, bias, out);
        groupNorms.groupNorm(x, groups, eps, weight, bias, activation, out);
    }

    @Override
    public void unary(Unary op, NdArray x, NdArray out) {
        Checks.unary(op, x, out);
        if (VectorElementwise.canUnary(x, out)) {
            elementwise.unary(op, x, out);
        } else {
            scalar.unary(op, x, out);
        }
    }

    @Override
    public void binary(Binary op, NdArray a, NdArray b, NdArray out) {
        Checks.binary(op, a, b, out);
        if (VectorElementwise.canBinary(op, a, b)) {
            elementwise.binary(op, a.expand(out.shape()), b.expand(out.shape()), out);
        } else {
            scalar.binary(op, a, b, out);
        }
    }

    @Override
    public void where(NdArray condition, NdArray a, NdArray b, NdArray out) {
        Checks.where(condition, a, b, out);
        if (VectorElementwise.canWhere(condition, out)) {
            Shape shape = out.shape();
            elementwise.where(condition.expand(shape), a.expand(shape), b.expand(shape), out);
        } else {
            scalar.where(condition, a, b, out);
        }
    }

    @Override
    public void reduce(Reduction op, NdArray x, NdArray out) {
        Checks.reduce(op, x, out);
        if (VectorReduce.canReduce(x)) {
            reductions.reduce(op, x, out);
        } else {
            scalar.reduce(op, x, out);
        }
    }

    @Override
    public void argmax(NdArray x, NdArray out) {
        Checks.argmax(x, out);
        softmax.argmax(x, out);
    }

    @Override
    public void copy(NdArray x, NdArray out) {
        Checks.copy(x, out);
        if (VectorCopy.canCopy(x.dtype(), out.dtype())) {
            copies.copy(x.expand(out.shape()), out);
        } else {
            scalar.copy(x, out);
        }
    }

    @Override
    public void fill(NdArray out, double value) {
        Checks.fill(out);
        if (out.elements() > 0) {
            out.set(value, new int[out.rank()]);
            copies.spread(out);
        }
    }

    @Override
    public void gather(NdArray table, NdArray indices, NdArray out) {
        Checks.gather(table, indices, out);
        indexing.gather(table, indices, out);
    }

    @Override
    public void scatterAdd(NdArray rows, NdArray indices, NdArray out) {
        Checks.scatterAdd(rows, indices, out);
        if (VectorIndexing.canScatterAdd(rows, out)) {
            indexing.scatterAdd(rows, indices, out);
        } else {
            scalar.scatterAdd(rows, indices, out);
        }
    }

    @Override
    public void interpolate(Interpolation mode, NdArray x, NdArray out) {
        Checks.interpolate(mode, x, out);
        interpolation.interpolate(mode, x, out);
    }

    @Override
    public void rope(RopeLayout layout, NdArray x, NdArray cos, NdArray sin, NdArray out) {
        Checks.rope(x, cos, sin, out);
        rope.rope(layout, x, cos, sin, out);
    }
}
