package dev.palimpsest.kernels.scalar;

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
import dev.palimpsest.kernels.Reduction;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Unary;
import java.lang.foreign.Arena;

/// The reference implementation: every op from its definition in plain loops on the calling thread.
///
/// Values are read into double precision, computed there and rounded once when they are written, so a result is as
/// close to the truth as its type allows. It has no state and may be used by any number of threads.
public final class ScalarKernels implements Kernels {
    /// The only kind there is.
    public ScalarKernels() {}

    @Override
    public String name() {
        return "scalar";
    }

    @Override
    public void matmul(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
        Checks.matmul(a, b, out, epilogue);
        ScalarMatmul.run(a, b, out, epilogue);
    }

    @Override
    public PackedMatrix pack(NdArray b, Arithmetic arithmetic, int groupSize, Arena arena) {
        Checks.pack(b, arithmetic, groupSize);
        return ScalarPacked.of(b, arithmetic, groupSize, arena);
    }

    @Override
    public void matmul(NdArray a, PackedMatrix b, NdArray out, Epilogue epilogue) {
        if (!(b instanceof ScalarPacked packed)) {
            throw Checks.foreign(name(), b);
        }
        Checks.matmul(a, b, out, epilogue);
        packed.multiply(a, out, epilogue);
    }

    @Override
    public void convolution(Convolution op, NdArray input, NdArray weight, NdArray out, Epilogue epilogue) {
        Checks.convolution(op, input, weight, out, epilogue);
        ScalarConvolution.run(op, input, weight, out, epilogue);
    }

    @Override
    public PackedFilter packFilter(NdArray weight, Arithmetic arithmetic, Arena arena) {
        Checks.packFilter(weight, arithmetic);
        return ScalarFilter.of(this, weight, arithmetic, arena);
    }

    @Override
    public void convolution(Convolution op, NdArray input, PackedFilter weight, NdArray out, Epilogue epilogue) {
        if (!(weight instanceof ScalarFilter filter)) {
            throw Checks.foreign(name(), weight);
        }
        Checks.convolution(op, input, weight, out, epilogue);
        ScalarConvolution.run(op, input, filter.weight(), out, epilogue);
    }

    @Override
    public void attention(Attention op, NdArray q, NdArray k, NdArray v, NdArray out) {
        Checks.attention(op, q, k, v, out);
        ScalarAttention.run(op, q, k, v, out);
    }

    @Override
    public void softmax(NdArray x, NdArray out) {
        Checks.softmax(x, out);
        ScalarNorms.softmax(x, out);
    }

    @Override
    public void rmsNorm(NdArray x, float eps, Affine affine, NdArray out) {
        Checks.rmsNorm(x, affine, out);
        ScalarNorms.rmsNorm(x, eps, affine, out);
    }

    @Override
    public void layerNorm(NdArray x, float eps, Affine affine, NdArray out) {
        Checks.layerNorm(x, affine, out);
        ScalarNorms.layerNorm(x, eps, affine, out);
    }

    @Override
    public void groupNorm(
            NdArray x, int groups, float eps, NdArray weight, NdArray bias, Activation activation, NdArray out) {
        Checks.groupNorm(x, groups, weight, bias, out);
        ScalarNorms.groupNorm(x, groups, eps, weight, bias, activation, out);
    }

    @Override
    public void unary(Unary op, NdArray x, NdArray out) {
        Checks.unary(op, x, out);
        ScalarElementwise.unary(op, x, out);
    }

    @Override
    public void binary(Binary op, NdArray a, NdArray b, NdArray out) {
        Checks.binary(op, a, b, out);
        ScalarElementwise.binary(op, a, b, out);
    }

    @Override
    public void where(NdArray condition, NdArray a, NdArray b, NdArray out) {
        Checks.where(condition, a, b, out);
        ScalarElementwise.where(condition, a, b, out);
    }

    @Override
    public void reduce(Reduction op, NdArray x, NdArray out) {
        Checks.reduce(op, x, out);
        ScalarReductions.reduce(op, x, out);
    }

    @Override
    public void argmax(NdArray x, NdArray out) {
        Checks.argmax(x, out);
        ScalarReductions.argmax(x, out);
    }

    @Override
    public void copy(NdArray x, NdArray out) {
        Checks.copy(x, out);
        ScalarMovement.copy(x, out);
    }

    @Override
    public void fill(NdArray out, double value) {
        Checks.fill(out);
        ScalarMovement.fill(out, value);
    }

    @Override
    public void gather(NdArray table, NdArray indices, NdArray out) {
        Checks.gather(table, indices, out);
        ScalarMovement.gather(table, indices, out);
    }

    @Override
    public void scatterAdd(NdArray rows, NdArray indices, NdArray out) {
        Checks.scatterAdd(rows, indices, out);
        ScalarMovement.scatterAdd(rows, indices, out);
    }

    @Override
    public void interpolate(Interpolation mode, NdArray x, NdArray out) {
        Checks.interpolate(mode, x, out);
        ScalarInterpolation.run(mode, x, out);
    }

    @Override
    public void rope(RopeLayout layout, NdArray x, NdArray cos, NdArray sin, NdArray out) {
        Checks.rope(x, cos, sin, out);
        ScalarRope.run(layout, x, cos, sin, out);
    }
}
