package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.Unary;

/// The elementwise functions in double precision.
final class Functions {
    private Functions() {}

    static double apply(Unary op, double x) {
        return switch (op) {
            case NEGATE -> -x;
            case ABS -> Math.abs(x);
            case EXP -> Math.exp(x);
            case LOG -> Math.log(x);
            case SQRT -> Math.sqrt(x);
            case RSQRT -> 1 / Math.sqrt(x);
            case RECIPROCAL -> 1 / x;
            case SQUARE -> x * x;
            case SIN -> Math.sin(x);
            case COS -> Math.cos(x);
            case TANH -> Math.tanh(x);
            case SIGMOID -> 1 / (1 + Math.exp(-x));
            case SILU -> x / (1 + Math.exp(-x));
            // (1 + tanh u) / 2 is the logistic function of 2u, which keeps the digits that 1 + tanh would lose.
            case GELU_TANH -> x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
            // Likewise the complementary error function against 1 + erf.
            case GELU -> x / 2 * ErrorFunction.erfc(-x / Math.sqrt(2));
            case RELU -> Math.max(x, 0);
            case FLOOR -> Math.floor(x);
            case ROUND -> Math.rint(x);
        };
    }

    static double apply(Activation activation, double x) {
        return switch (activation) {
            case NONE -> x;
            case SILU -> apply(Unary.SILU, x);
            case GELU_TANH -> apply(Unary.GELU_TANH, x);
        };
    }

    static double apply(Binary op, double a, double b) {
        return switch (op) {
            case ADD -> a + b;
            case SUBTRACT -> a - b;
            case MULTIPLY -> a * b;
            case DIVIDE -> a / b;
            case MIN -> Math.min(a, b);
            case MAX -> Math.max(a, b);
            case POWER -> Math.pow(a, b);
            case EQUAL -> a == b ? 1 : 0;
            case LESS -> a < b ? 1 : 0;
            case LESS_EQUAL -> a <= b ? 1 : 0;
        };
    }

    /// Integers wrap around on overflow, quotients are truncated toward zero.
    static long apply(Binary op, long a, long b) {
        return switch (op) {
            case ADD -> a + b;
            case SUBTRACT -> a - b;
            case MULTIPLY -> a * b;
            case DIVIDE -> {
                if (b == 0) {
                    throw new ArithmeticException("binary DIVIDE: the integer " + a + " is divided by 0");
                }
                yield a / b;
            }
            case MIN -> Math.min(a, b);
            case MAX -> Math.max(a, b);
            case POWER -> power(a, b);
            case EQUAL -> a == b ? 1 : 0;
            case LESS -> a < b ? 1 : 0;
            case LESS_EQUAL -> a <= b ? 1 : 0;
        };
    }

    /// Power by squaring. A negative exponent truncates toward zero like a quotient: only 1 and -1 leave something.
    private static long power(long base, long exponent) {
        if (exponent < 0) {
            return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
        }
        long result = 1;
        long square = base;
        for (long e = exponent; e > 0; e >>= 1) {
            if ((e & 1) == 1) {
                result *= square;
            }
            square *= square;
        }
        return result;
    }
}
