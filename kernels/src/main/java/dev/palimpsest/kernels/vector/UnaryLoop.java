package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Unary;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// One function over a row of dense floats; a template for [Specialized].
final class UnaryLoop implements UnaryRow {
    private static final Unary OP = Specialized.constant(MethodHandles.lookup(), Unary.class);

    UnaryLoop() {}

    /// One loop with a chain of comparisons with a constant, of which the compiler keeps one branch; the definitions
    /// are in
    /// [Unary].
    @Override
    public void run(MemorySegment x, long xo, MemorySegment y, long yo, int n) {
        for (int i = 0; i < n; i += Simd.LANES) {
            FloatVector v = Simd.load(x, xo + 4L * i);
            FloatVector w;
            if (OP == Unary.NEGATE) {
                w = v.neg();
            } else if (OP == Unary.ABS) {
                w = v.abs();
            } else if (OP == Unary.EXP) {
                w = VectorMath.exp(v);
            } else if (OP == Unary.LOG) {
                w = VectorMath.log(v);
            } else if (OP == Unary.SQRT) {
                w = v.sqrt();
            } else if (OP == Unary.RSQRT) {
                w = Simd.splat(1).div(v.sqrt());
            } else if (OP == Unary.RECIPROCAL) {
                w = Simd.splat(1).div(v);
            } else if (OP == Unary.SQUARE) {
                w = v.mul(v);
            } else if (OP == Unary.SIN) {
                w = VectorMath.sin(v);
            } else if (OP == Unary.COS) {
                w = VectorMath.cos(v);
            } else if (OP == Unary.TANH) {
                w = VectorMath.tanh(v);
            } else if (OP == Unary.SIGMOID) {
                w = VectorMath.sigmoid(v);
            } else if (OP == Unary.SILU) {
                w = VectorMath.silu(v);
            } else if (OP == Unary.GELU_TANH) {
                w = VectorMath.geluTanh(v);
            } else if (OP == Unary.GELU) {
                w = VectorMath.gelu(v);
            } else if (OP == Unary.RELU) {
                w = relu(v);
            } else if (OP == Unary.FLOOR) {
                w = VectorMath.floor(v);
            } else if (OP == Unary.ROUND) {
                w = VectorMath.round(v);
            } else {
                throw new IllegalStateException("no vector form of " + OP);
            }
            Simd.store(w, y, yo + 4L * i);
        }
    }

    /// Not the larger one of x and 0: a NaN must stay one, which fails every comparison.
    @Inline
    private static FloatVector relu(FloatVector x) {
        return x.blend(0f, x.compare(VectorOperators.LE, 0f));
    }
}
