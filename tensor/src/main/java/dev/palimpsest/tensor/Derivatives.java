package dev.palimpsest.tensor;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.Unary;
import java.util.function.BinaryOperator;

/// The derivatives of the elementwise functions.
final class Derivatives {
    private static final int PIECE_ELEMENTS = 1 << 18;
    private static final double SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

    private Derivatives() {}

    /// Whether the derivative is a function of the result, so that the argument need not be kept.
    static boolean fromOutput(Unary function) {
        return switch (function) {
            case EXP, SQRT, RSQRT, RECIPROCAL, TANH, SIGMOID -> true;
            default -> false;
        };
    }

    /// Whether the derivative is a function of the argument.
    static boolean fromArgument(Unary function) {
        return switch (function) {
            case NEGATE, FLOOR, ROUND -> false;
            default -> !fromOutput(function);
        };
    }

    /// `dy * f'(x)` where `y = f(x)`.
    ///
    /// @param x has memory if [#fromArgument]
    /// @param y has memory if [#fromOutput]
    static Tensor times(Unary function, Tensor x, Tensor y, Tensor dy) {
        return switch (function) {
            case NEGATE -> dy.neg();
            case ABS -> {
                Tensor zero = Tensor.full(x.dtype(), Shape.scalar(), 0);
                yield only(zero.lt(x), dy).sub(only(x.lt(zero), dy));
            }
            case EXP -> dy.mul(y);
            case LOG -> dy.div(x);
            case SQRT -> dy.div(y).mul(0.5);
            case RSQRT -> dy.mul(y.square().mul(y)).mul(-0.5);
            case RECIPROCAL -> dy.mul(y.square()).neg();
            case SQUARE -> dy.mul(x).mul(2.0);
            case SIN -> dy.mul(x.cos());
            case COS -> dy.mul(x.sin()).neg();
            case TANH -> dy.sub(dy.mul(y.square()));
            case SIGMOID -> dy.mul(y.sub(y.square()));
            case SILU -> piecewise(x, dy, Derivatives::silu);
            case GELU_TANH -> piecewise(x, dy, Derivatives::geluTanh);
            case GELU -> piecewise(x, dy, Derivatives::gelu);
            case RELU -> only(Tensor.full(x.dtype(), Shape.scalar(), 0).lt(x), dy);
            case FLOOR, ROUND -> Tensor.full(dy.dtype(), Shape.scalar(), 0).expand(dy.shape());
        };
    }

    /// `dy` where the condition holds, 0 elsewhere.
    static Tensor only(Tensor condition, Tensor dy) {
        return condition.where(dy, Tensor.full(dy.dtype(), Shape.scalar(), 0));
    }

    /// A chain of elementwise ops a piece at a time, so that what is computed on the way stays in the caches.
    private static Tensor piecewise(Tensor x, Tensor dy, BinaryOperator<Tensor> chain) {
        if (x.elements() <= PIECE_ELEMENTS || !x.isContiguous() || !dy.isContiguous()) {
            return chain.apply(x, dy);
        }
        int n = Math.toIntExact(x.elements());
        Tensor from = x.reshape(n);
        Tensor by = dy.reshape(n);
        Tensor out = Tensor.empty(dy.dtype(), Shape.of(n));
        for (int at = 0; at < n; at += PIECE_ELEMENTS) {
            int start = at;
            int end = Math.min(n, at + PIECE_ELEMENTS);
            Scope.run(() -> out.slice(0, start, end)
                    .copyInPlace(chain.apply(from.slice(0, start, end), by.slice(0, start, end))));
        }
        return out.reshape(x.shape());
    }

    /// `s(x) (1 + x (1 - s(x)))` with the logistic function s.
    private static Tensor silu(Tensor x, Tensor dy) {
        Tensor s = x.sigmoid();
        return dy.mul(s.mul(x.sub(x.mul(s)).add(1.0)));
    }

    /// The function is `x s(2u)` with `u = sqrt(2/pi) (x + 0.044715 x^3)`, so its derivative is `s + x s (1 - s) 2u'`.
    private static Tensor geluTanh(Tensor x, Tensor dy) {
        Tensor squares = x.square();
        Tensor s = squares.mul(2 * SQRT_2_OVER_PI * 0.044715)
                .add(2 * SQRT_2_OVER_PI)
                .mul(x)
                .sigmoid();
        Tensor slope = squares.mul(6 * SQRT_2_OVER_PI * 0.044715).add(2 * SQRT_2_OVER_PI); // 2u'
        return dy.mul(s.add(x.mul(s.sub(s.square())).mul(slope)));
    }

    /// The function is `x P(x)` with the normal distribution P, so its derivative is `P + x P'`. P is the function
    /// divided by x, and near 0 its own tangent.
    private static Tensor gelu(Tensor x, Tensor dy) {
        double density = 1 / Math.sqrt(2 * Math.PI);
        DType type = MathOps.floating(x.dtype());
        Tensor wide = x.to(type);
        Tensor near = wide.apply(Unary.ABS).lt(Tensor.full(type, Shape.scalar(), 1e-4));
        Tensor one = Tensor.full(type, Shape.scalar(), 1);
        Tensor p = near.where(wide.mul(density).add(0.5), wide.apply(Unary.GELU).div(near.where(one, wide)));
        return dy.mul(p.add(wide.square().mul(-0.5).exp().mul(wide).mul(density)));
    }
}
