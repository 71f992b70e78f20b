package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Unary;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// One function over a row of dense floats; a template for [Specialized].
final class UnaryLoop implements UnaryRow {
    private static final Unary OP = Specialized.constant(MethodHandles.lookup(), Unary.class);

    UnaryLoop() {}

    @Override
    public void run(MemorySegment x, long xo, MemorySegment y, long yo, int n) {
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            Simd.store(apply(Simd.load(x, xo + 4L * i)), y, yo + 4L * i);
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            Simd.store(apply(Simd.load(x, xo + 4L * i, rest)), y, yo + 4L * i, rest);
        }
    }

    /// A chain of comparisons with a constant, of which the compiler keeps one branch; the definitions are in [Unary].
    private static FloatVector apply(FloatVector x) {
        if (OP == Unary.NEGATE) {
            return x.neg();
        } else if (OP == Unary.ABS) {
            return x.abs();
        } else if (OP == Unary.EXP) {
            return VectorMath.exp(x);
        } else if (OP == Unary.LOG) {
            return VectorMath.log(x);
        } else if (OP == Unary.SQRT) {
            return x.sqrt();
        } else if (OP == Unary.RSQRT) {
            return Simd.splat(1).div(x.sqrt());
        } else if (OP == Unary.RECIPROCAL) {
            return Simd.splat(1).div(x);
        } else if (OP == Unary.SQUARE) {
            return x.mul(x);
        } else if (OP == Unary.SIN) {
            return VectorMath.sin(x);
        } else if (OP == Unary.COS) {
            return VectorMath.cos(x);
        } else if (OP == Unary.TANH) {
            return VectorMath.tanh(x);
        } else if (OP == Unary.SIGMOID) {
            return VectorMath.sigmoid(x);
        } else if (OP == Unary.SILU) {
            return VectorMath.silu(x);
        } else if (OP == Unary.GELU_TANH) {
            return VectorMath.geluTanh(x);
        } else if (OP == Unary.GELU) {
            return VectorMath.gelu(x);
        } else if (OP == Unary.RELU) {
            // not max: a NaN must stay one, which fails every comparison
            return x.blend(0f, x.compare(VectorOperators.LE, 0f));
        } else if (OP == Unary.FLOOR) {
            return VectorMath.floor(x);
        } else if (OP == Unary.ROUND) {
            return VectorMath.round(x);
        }
        throw new IllegalStateException("no vector form of " + OP);
    }
}
