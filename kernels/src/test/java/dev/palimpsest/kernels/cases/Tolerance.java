package dev.palimpsest.kernels.cases;

/// How far a result may be from the reference.
///
/// @param absolute largest difference that is always fine
/// @param relative what is added to it for each unit of the reference's magnitude
public record Tolerance(double absolute, double relative) {
    /// The distance of 1 from the next larger f32.
    public static final double EPSILON = Math.ulp(1f);

    /// The same number, the sign of a zero included; any NaN for a NaN.
    public static final Tolerance EXACT = new Tolerance(0, 0);

    /// A few units in the last place of an f32; below the normal numbers, of the smallest normal one.
    public static Tolerance ulps(double ulps) {
        return new Tolerance(ulps * Float.MIN_VALUE, ulps * EPSILON);
    }

    /// Sums of `length` products of numbers around 1, in f32 one after the other.
    ///
    /// After i terms the partial sum is about `sqrt(i)`, rounding it errs by at most `EPSILON / 2` times that, evenly
    /// distributed and independent, so the whole error has a standard deviation of `0.2 EPSILON length`. The bound is
    /// five times that and a few roundings of what follows the sum.
    public static Tolerance sum(int length) {
        return new Tolerance(EPSILON * (length + 8), 4 * EPSILON);
    }

    /// This many f32 roundings of numbers as large as `magnitude`.
    public static Tolerance roundings(double count, double magnitude) {
        return new Tolerance(EPSILON * count * magnitude, EPSILON);
    }

    /// This tolerance for a result that is multiplied by a number of at most this magnitude.
    public Tolerance times(double factor) {
        return new Tolerance(absolute * factor, relative);
    }

    /// Whether `actual` is close enough to `expected`.
    public boolean accepts(double actual, double expected) {
        if (Double.compare(actual, expected) == 0) {
            return true;
        }
        return (absolute > 0 || relative > 0)
                && (actual == expected || Math.abs(actual - expected) <= absolute + relative * Math.abs(expected))
                && Double.isFinite(actual) == Double.isFinite(expected);
    }
}
