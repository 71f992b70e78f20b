package dev.palimpsest.tensor;

import static dev.palimpsest.tensor.ShapeOps.input;
import static dev.palimpsest.tensor.ShapeOps.only;

import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Reduction;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.Unary;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Elementwise functions, reductions and the matrix product.
final class MathOps {
    private MathOps() {}

    /// The type in which two operands meet: equal types stay, floating types meet in f32.
    static DType common(String op, DType a, DType b) {
        boolean narrow = isNarrowFloat(a) && isNarrowFloat(b);
        if (narrow) {
            return DType.F32;
        }
        if (a != b) {
            throw new IllegalArgumentException(
                    op + ": " + a.label() + " and " + b.label() + " do not mix; convert one of them with to(...)");
        }
        return a;
    }

    /// The type of a floating result: f64 stays, the others give f32.
    static DType floating(DType t) {
        return t == DType.F64 ? DType.F64 : DType.F32;
    }

    private static boolean isNarrowFloat(DType t) {
        return t == DType.F32 || t == DType.F16 || t == DType.BF16;
    }

    record Elementwise(Unary function) implements Op {
        @Override
        public String name() {
            return function.name().toLowerCase(Locale.ROOT);
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = only(inputs);
            Tensor out = output(floating(x.dtype()), x.shape());
            Backend.kernels().unary(function, x.array(), out.array());
            return out;
        }

        @Override
        public void gradient(Backward b) {
            switch (function) {
                case FLOOR, ROUND -> b.zero(0);
                default -> b.to(0, dy -> Derivatives.times(function, b.input(0), b.output(), dy));
            }
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return Derivatives.fromArgument(function);
        }

        @Override
        public boolean needsOutput(boolean[] wanted) {
            return Derivatives.fromOutput(function);
        }
    }

    record Pairwise(Binary function) implements Op {
        @Override
        public String name() {
            return function.name().toLowerCase(Locale.ROOT);
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor a = input(inputs, 0);
            Tensor b = input(inputs, 1);
            DType type = common(name(), a.dtype(), b.dtype());
            Shape shape = Shape.broadcast(name(), a.shape(), b.shape());
            Tensor out = output(function.isComparison() ? DType.BOOL : type, shape);
            Backend.kernels()
                    .binary(function, a.array().expand(shape), b.array().expand(shape), out.array());
            return out;
        }

        /// Where both operands of an extreme are equal, the first one has the derivative.
        @Override
        public void gradient(Backward b) {
            switch (function) {
                case ADD -> {
                    b.to(0, dy -> dy);
                    b.to(1, dy -> dy);
                }
                case SUBTRACT -> {
                    b.to(0, dy -> dy);
                    b.to(1, Tensor::neg);
                }
                case MULTIPLY -> {
                    b.to(0, dy -> dy.mul(b.input(1)));
                    b.to(1, dy -> dy.mul(b.input(0)));
                }
                case DIVIDE -> {
                    b.to(0, dy -> dy.div(b.input(1)));
                    b.to(1, dy -> dy.mul(b.output()).div(b.input(1)).neg());
                }
                case MIN -> extreme(b, b.input(0), b.input(1));
                case MAX -> extreme(b, b.input(1), b.input(0));
                case POWER -> power(b);
                case EQUAL, LESS, LESS_EQUAL -> throw new IllegalStateException(name() + ": has no derivative");
            }
        }

        private static void extreme(Backward b, Tensor low, Tensor high) {
            Tensor first = low.to(floating(low.dtype())).le(high.to(floating(high.dtype())));
            b.to(0, dy -> Derivatives.only(first, dy));
            b.to(1, dy -> dy.sub(Derivatives.only(first, dy)));
        }

        /// `a^b` has the derivatives `b a^(b-1)` and `a^b log a`; the latter is 0 for a = 0.
        private static void power(Backward b) {
            Tensor base = b.input(0);
            Tensor exponent = b.input(1);
            b.to(
                    0,
                    dy -> dy.mul(exponent)
                            .mul(new Pairwise(Binary.POWER)
                                    .apply(
                                            base,
                                            exponent.to(floating(exponent.dtype()))
                                                    .sub(1.0))));
            b.to(1, dy -> {
                Tensor slope = b.output().mul(base.log());
                Tensor zero = Tensor.full(slope.dtype(), Shape.scalar(), 0);
                return dy.mul(
                        base.eq(Tensor.full(base.dtype(), Shape.scalar(), 0)).where(zero, slope));
            });
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return switch (function) {
                case MULTIPLY -> wanted[1 - input];
                case DIVIDE -> input == 1;
                case MIN, MAX, POWER -> true;
                default -> false;
            };
        }

        @Override
        public boolean needsOutput(boolean[] wanted) {
            return wanted[1] && (function == Binary.DIVIDE || function == Binary.POWER);
        }
    }

    record Where() implements Op {
        @Override
        public String name() {
            return "where";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor condition = input(inputs, 0);
            Tensor a = input(inputs, 1);
            Tensor b = input(inputs, 2);
            Shape shape = Shape.broadcast(name(), condition.shape(), Shape.broadcast(name(), a.shape(), b.shape()));
            Tensor out = output(common(name(), a.dtype(), b.dtype()), shape);
            Backend.kernels()
                    .where(
                            condition.array().expand(shape),
                            a.array().expand(shape),
                            b.array().expand(shape),
                            out.array());
            return out;
        }

        @Override
        public void gradient(Backward b) {
            Tensor condition = b.input(0);
            Tensor zero = Tensor.full(b.gradient().dtype(), Shape.scalar(), 0);
            b.to(1, dy -> condition.where(dy, zero));
            b.to(2, dy -> condition.where(zero, dy));
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return input == 0;
        }
    }

    /// Reduces axes to extent 1.
    record Reduce(Reduction function, int... axes) implements Op {
        @Override
        public String name() {
            return function.name().toLowerCase(Locale.ROOT);
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = only(inputs);
            Shape shape = x.shape();
            for (int axis : axes) {
                shape = shape.with(axis, 1);
            }
            Tensor out = output(x.dtype() == DType.I64 ? DType.I64 : floating(x.dtype()), shape);
            Backend.kernels().reduce(function, x.array(), out.array());
            return out;
        }

        /// Elements that are equally extreme share the derivative.
        @Override
        public void gradient(Backward b) {
            Tensor x = b.input(0);
            switch (function) {
                case SUM -> b.to(0, dy -> dy.expand(x.shape()));
                case MEAN ->
                    b.to(
                            0,
                            dy -> dy.mul((double) b.output().elements() / x.elements())
                                    .expand(x.shape()));
                case MAX, MIN ->
                    b.to(0, dy -> {
                        Tensor chosen = x.to(b.output().dtype()).eq(b.output()).to(dy.dtype());
                        return chosen.mul(dy.div(chosen.sum(axes)));
                    });
            }
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return function == Reduction.MAX || function == Reduction.MIN;
        }

        @Override
        public boolean needsOutput(boolean[] wanted) {
            return function == Reduction.MAX || function == Reduction.MIN;
        }
    }

    record ArgMax() implements Op {
        @Override
        public String name() {
            return "argmax";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = only(inputs);
            if (x.rank() == 0 || x.dim(-1) == 0) {
                throw new IllegalArgumentException("argmax: " + x.shape() + " has no elements along a last axis");
            }
            Tensor out = output(DType.I64, x.shape().remove(-1));
            Backend.kernels().argmax(x.array(), out.array());
            return out;
        }
    }

    record Softmax() implements Op {
        @Override
        public String name() {
            return "softmax";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = only(inputs);
            Tensor out = output(DType.F32, x.shape());
            Backend.kernels().softmax(x.array(), out.array());
            return out;
        }

        @Override
        public void gradient(Backward b) {
            Tensor y = b.output();
            b.to(0, dy -> dy.sub(dy.mul(y).sum(-1)).mul(y));
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return false;
        }

        @Override
        public boolean needsOutput(boolean[] wanted) {
            return true;
        }
    }

    /// Matrix product of the last two axes; the axes before broadcast.
    record MatMul() implements Op {
        @Override
        public String name() {
            return "matmul";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor a = input(inputs, 0);
            Tensor b = input(inputs, 1);
            if (a.rank() < 2 || b.rank() < 2) {
                throw new IllegalArgumentException(
                        "matmul: " + a.shape() + " x " + b.shape() + ": both need at least two axes");
            }
            if (a.dim(-1) != b.dim(-2)) {
                throw new IllegalArgumentException("matmul: " + a.shape() + " x " + b.shape() + ": inner dimensions "
                        + a.dim(-1) + " and " + b.dim(-2) + " differ");
            }
            Shape batch = Shape.broadcast(
                    name(),
                    a.shape().remove(-1).remove(-1),
                    b.shape().remove(-1).remove(-1));
            Shape as = append(batch, a.dim(-2), a.dim(-1));
            Shape bs = append(batch, b.dim(-2), b.dim(-1));
            Tensor out = output(DType.F32, append(batch, a.dim(-2), b.dim(-1)));
            Backend.kernels().matmul(a.array().expand(as), b.array().expand(bs), out.array(), Epilogue.NONE);
            return out;
        }

        @Override
        public void gradient(Backward b) {
            b.to(0, dy -> dy.matmul(b.input(1).transpose(-1, -2)));
            b.to(1, dy -> b.input(0).transpose(-1, -2).matmul(dy));
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return wanted[1 - input];
        }

        private static Shape append(Shape batch, int rows, int columns) {
            return batch.unsqueeze(-1).with(-1, rows).unsqueeze(-1).with(-1, columns);
        }
    }
}
