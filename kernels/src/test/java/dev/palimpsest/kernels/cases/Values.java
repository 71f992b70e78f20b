package dev.palimpsest.kernels.cases;

import java.util.Arrays;
import java.util.random.RandomGenerator;

/// What an operand is filled with.
///
/// @param name as it appears in the name of a case
/// @param generator makes the values in row-major order
public record Values(String name, Generator generator) {

    /// Makes values one after the other.
    @FunctionalInterface
    public interface Generator {
        /// The i-th value.
        double next(RandomGenerator random, int i);
    }

    /// Nothing: every byte stays 0xFF, which is a NaN in all floating types. Outputs start so unless an op reads them.
    public static final Values POISON = new Values("nothing", (random, i) -> {
        throw new IllegalStateException("poison is not written");
    });

    /// Standard normal numbers.
    public static final Values NORMAL = new Values("normal", (random, i) -> random.nextGaussian());

    /// True or false.
    public static final Values BOOLEAN = new Values("truth values", (random, i) -> random.nextInt(2));

    private static final double[] NOT_ORDINARY = {
        0.0,
        -0.0,
        1,
        -1,
        Double.POSITIVE_INFINITY,
        Double.NEGATIVE_INFINITY,
        Double.NaN,
        Float.MIN_VALUE,
        -Float.MIN_VALUE,
        Float.MIN_NORMAL,
        -Float.MIN_NORMAL,
        Math.nextDown(Float.MIN_NORMAL),
        1e-40,
        Float.MAX_VALUE,
        -Float.MAX_VALUE,
        0.5,
        1.5,
        2.5,
        -0.5,
        -2.5,
        -0.3,
        88.5,
        -87.5,
        20,
        -20,
        8388609,
        -8388609,
    };

    /// Everything that is not an ordinary number, its neighbours, and some ordinary numbers, in turn.
    public static final Values SPECIAL =
            new Values("special values", (random, i) -> NOT_ORDINARY[i % NOT_ORDINARY.length]);

    /// Uniform numbers from a range.
    public static Values uniform(double from, double to) {
        return new Values("uniform " + from + ".." + to, (random, i) -> random.nextDouble(from, to));
    }

    /// Normal numbers with this mean and standard deviation.
    public static Values normal(double mean, double deviation) {
        return new Values(
                "normal " + mean + " +- " + deviation, (random, i) -> mean + deviation * random.nextGaussian());
    }

    /// Whole numbers from a range, the end included.
    public static Values integers(long from, long to) {
        return new Values("integers " + from + ".." + to, (random, i) -> random.nextLong(from, to + 1));
    }

    /// Whole numbers from 1 to a limit with both signs: divisors.
    public static Values integersWithoutZero(long limit) {
        return new Values(
                "integers up to " + limit + " without 0",
                (random, i) -> (random.nextBoolean() ? 1 : -1) * random.nextLong(1, limit + 1));
    }

    /// Powers of ten from a range of exponents, with both signs.
    public static Values magnitudes(double from, double to) {
        return new Values(
                "magnitudes 10^" + from + "..10^" + to,
                (random, i) -> Math.pow(10, random.nextDouble(from, to)) * (random.nextBoolean() ? 1 : -1));
    }

    /// These values in turn.
    public static Values cycle(double... values) {
        double[] copy = values.clone();
        return new Values(
                copy.length > 12 ? copy.length + " values" : Arrays.toString(copy),
                (random, i) -> copy[i % copy.length]);
    }
}
