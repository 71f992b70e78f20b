package dev.palimpsest.tensor.random;

/// Logarithm, sine and cosine rounded to the nearest double.
///
/// PyTorch's double-precision normals go through the C library, whose results are the nearest double in all but a few
/// cases in a thousand. Java's `Math` and `StrictMath` only promise one unit in the last place and miss the nearest
/// double far more often (6 of 100 normals). So these functions work with about 100 bits, as unevaluated sums of two
/// doubles (T. Dekker, "A Floating-Point Technique for Extending the Available Precision", Numerische Mathematik 18,
/// 1971), and round once.
final class NearestMath {

    private static final Sum ONE = new Sum(1, 0);
    private static final Sum LN2 = new Sum(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56);

    /// pi / 2 in three parts of 53 bits.
    private static final double HALF_PI_HIGH = 0x1.921fb54442d18p+0;

    private static final double HALF_PI_MIDDLE = 0x1.1a62633145c07p-54;
    private static final double HALF_PI_LOW = -0x1.f1976b7ed8fbcp-110;

    /// The last powers whose term still counts at 100 bits, for arguments as small as the reductions make them.
    private static final int LAST_LOG_POWER = 45;

    private static final int LAST_SIN_POWER = 27;
    private static final int LAST_COS_POWER = 28;

    private NearestMath() {}

    /// ln x for finite normal x > 0.
    ///
    /// With x = m 2^e and m in [sqrt(1/2), sqrt(2)], ln m = 2 artanh(s) for s = (m - 1) / (m + 1).
    static double log(double x) {
        int exponent = Math.getExponent(x);
        double m = Math.scalb(x, -exponent);
        if (m > Math.sqrt(2)) {
            m *= 0.5;
            exponent++;
        }
        var s = new Sum(m - 1, 0).over(Sum.of(m, 1)); // m - 1 is exact
        var square = s.times(s);
        var series = ONE.over(LAST_LOG_POWER);
        for (int power = LAST_LOG_POWER - 2; power >= 1; power -= 2) {
            series = series.times(square).plus(ONE.over(power));
        }
        var logMantissa = series.times(s).times(new Sum(2, 0));
        return LN2.times(new Sum(exponent, 0)).plus(logMantissa).nearest();
    }

    /// sin x for |x| up to a few turns.
    static double sin(double x) {
        return sinShifted(x, 0);
    }

    /// cos x for |x| up to a few turns.
    static double cos(double x) {
        return sinShifted(x, 1);
    }

    /// sin(x + quarters * pi / 2).
    private static double sinShifted(double x, int quarters) {
        int nearest = (int) Math.rint(x * (2 / Math.PI));
        var reduced = Sum.of(x, 0)
                .plus(Sum.product(-nearest, HALF_PI_HIGH))
                .plus(Sum.product(-nearest, HALF_PI_MIDDLE))
                .plus(new Sum(-nearest * HALF_PI_LOW, 0));
        int quadrant = (nearest + quarters) & 3;
        double value = ((quadrant & 1) == 0 ? sinSeries(reduced) : cosSeries(reduced)).nearest();
        return quadrant < 2 ? value : -value;
    }

    /// x - x^3/3! + x^5/5! - ... for |x| <= pi / 4.
    private static Sum sinSeries(Sum x) {
        return alternatingSeries(x.times(x), LAST_SIN_POWER).times(x);
    }

    /// 1 - x^2/2! + x^4/4! - ... for |x| <= pi / 4.
    private static Sum cosSeries(Sum x) {
        return alternatingSeries(x.times(x), LAST_COS_POWER);
    }

    /// 1 - z/(n(n-1)) (1 - z/((n+2)(n+1)) (...)) up to the given n, from n = 2 or 3.
    private static Sum alternatingSeries(Sum z, int lastPower) {
        var series = ONE;
        for (int n = lastPower; n > 1; n -= 2) {
            series = ONE.plus(z.times(series).over(-n * (n - 1.0)));
        }
        return series;
    }

    /// The unevaluated sum `high + low` with |low| at most half a unit in the last place of `high`.
    private record Sum(double high, double low) {

        /// a + b, exactly (Knuth).
        static Sum of(double a, double b) {
            double sum = a + b;
            double part = sum - a;
            return new Sum(sum, (a - (sum - part)) + (b - part));
        }

        /// a + b, exactly, for |a| >= |b| (Dekker).
        private static Sum ofOrdered(double a, double b) {
            double sum = a + b;
            return new Sum(sum, b - (sum - a));
        }

        /// a * b, exactly.
        static Sum product(double a, double b) {
            double product = a * b;
            return new Sum(product, Math.fma(a, b, -product));
        }

        Sum plus(Sum other) {
            var highs = of(high, other.high);
            var lows = of(low, other.low);
            var sum = ofOrdered(highs.high, highs.low + lows.high);
            return ofOrdered(sum.high, sum.low + lows.low);
        }

        Sum times(Sum other) {
            var product = product(high, other.high);
            return ofOrdered(product.high, product.low + (high * other.low + low * other.high));
        }

        Sum over(double divisor) {
            return over(new Sum(divisor, 0));
        }

        /// Long division with three digits of 53 bits.
        Sum over(Sum divisor) {
            double first = high / divisor.high;
            var rest = plus(divisor.times(new Sum(-first, 0)));
            double second = rest.high / divisor.high;
            rest = rest.plus(divisor.times(new Sum(-second, 0)));
            return ofOrdered(first, second).plus(new Sum(rest.high / divisor.high, 0));
        }

        double nearest() {
            return high + low;
        }
    }
}
