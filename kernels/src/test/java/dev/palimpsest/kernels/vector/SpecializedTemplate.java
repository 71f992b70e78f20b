package dev.palimpsest.kernels.vector;

import java.lang.invoke.MethodHandles;

/// A template without vectors, for [SpecializedTest].
final class SpecializedTemplate implements SpecializedSample {
    private static final int FACTOR = Specialized.constant(MethodHandles.lookup(), Integer.class);

    SpecializedTemplate() {}

    @Override
    public int times(int x) {
        return (int) scaled(x, FACTOR, 0);
    }

    @Override
    public double mixed(int n, double factor, long offset) {
        double sum = 0;
        for (int i = 0; i < 3; i++) {
            sum += scaled(power(n, i), factor, offset) + choose(n - i, sum);
        }
        return sum;
    }

    @Inline
    private static double scaled(long x, double factor, long offset) {
        double product = x * factor;
        return product + offset;
    }

    @Inline
    private static long power(int base, int exponent) {
        long p = 1;
        for (int i = 0; i < exponent; i++) {
            p *= base;
        }
        return p;
    }

    @Inline
    private static double choose(int d, double sum) {
        if (d < 0) {
            return -sum;
        }
        if (d == 0) {
            return scaled(1, 1, 0);
        }
        return d > 10 ? d : sum / 2;
    }
}
