package dev.palimpsest.kernels.scalar;

/// The Gaussian error function, `erf(x) = 2 / sqrt(pi) * integral of e^(-t^2) from 0 to x`, and its complement, to
/// nearly double precision.
///
/// Near zero the series of positive terms 7.6.2 of the NIST Digital Library of Mathematical Functions is summed,
/// further out its continued fraction 7.9.1 is evaluated from the back.
final class ErrorFunction {
    private static final double SPLIT = 2.5;
    private static final int SERIES_TERMS = 60;
    private static final int FRACTION_TERMS = 60;

    private ErrorFunction() {}

    static double erf(double x) {
        double a = Math.abs(x);
        if (Double.isNaN(x)) {
            return x;
        }
        return a < SPLIT ? series(x) : Math.signum(x) * (1 - fraction(a));
    }

    static double erfc(double x) {
        if (Double.isNaN(x)) {
            return x;
        }
        if (x >= SPLIT) {
            return fraction(x);
        }
        // Below the split the complement is above 4e-4, so the difference keeps more than 12 digits.
        return x > -SPLIT ? 1 - series(x) : 2 - fraction(-x);
    }

    /// `erf(x) = 2 / sqrt(pi) * e^(-x^2) * sum of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1))`
    private static double series(double x) {
        double term = x;
        double sum = x;
        for (int n = 1; n < SERIES_TERMS; n++) {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
    }

    /// `erfc(x) = e^(-x^2) / sqrt(pi) / (x + (1/2) / (x + (2/2) / (x + (3/2) / ...)))` for positive x
    private static double fraction(double x) {
        double f = x;
        for (int n = FRACTION_TERMS; n >= 1; n--) {
            f = x + n / 2.0 / f;
        }
        return Math.exp(-x * x) / (Math.sqrt(Math.PI) * f);
    }
}
