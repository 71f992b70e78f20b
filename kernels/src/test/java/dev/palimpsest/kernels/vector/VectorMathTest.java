package dev.palimpsest.kernels.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.DoubleUnaryOperator;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Errors of the vector functions against [StrictMath] in double precision, over every exponent, for every vector
/// width that the machine has.
class VectorMathTest {
    private static final float INF = Float.POSITIVE_INFINITY;
    private static final String PROPERTY = "palimpsest.vector.bits";

    private static final List<VectorSpecies<Float>> WIDTHS = Stream.of(
                    FloatVector.SPECIES_128, FloatVector.SPECIES_256, FloatVector.SPECIES_512)
            .filter(s -> s.length() <= FloatVector.SPECIES_PREFERRED.length())
            .toList();

    /// The functions hold vectors of one width as constants. For another width they are loaded once more, by a loader
    /// of their own.
    private static final class Width extends ClassLoader {
        private final Class<?> math;

        Width(int bits) {
            super(VectorMath.class.getClassLoader());
            String before = System.getProperty(PROPERTY);
            System.setProperty(PROPERTY, String.valueOf(bits));
            try {
                Class.forName(Simd.class.getName(), true, this);
                math = Class.forName(VectorMath.class.getName(), true, this);
            } catch (ClassNotFoundException e) {
                throw new IllegalStateException(e);
            } finally {
                if (before == null) {
                    System.clearProperty(PROPERTY);
                } else {
                    System.setProperty(PROPERTY, before);
                }
            }
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            boolean own = name.equals(Simd.class.getName()) || name.startsWith(VectorMath.class.getName());
            if (!own || name.equals(VectorMathTest.class.getName())) {
                return super.loadClass(name, resolve);
            }
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                return loaded != null ? loaded : define(name);
            }
        }

        private Class<?> define(String name) throws ClassNotFoundException {
            String file = name.substring(name.lastIndexOf('.') + 1) + ".class";
            try (InputStream in = VectorMath.class.getResourceAsStream(file)) {
                byte[] bytes = Objects.requireNonNull(in, file).readAllBytes();
                return defineClass(name, bytes, 0, bytes.length);
            } catch (IOException e) {
                throw new ClassNotFoundException(name, e);
            }
        }

        UnaryOperator<FloatVector> function(String name) {
            try {
                Method method = math.getDeclaredMethod(name, FloatVector.class);
                method.setAccessible(true);
                return v -> {
                    try {
                        return (FloatVector) method.invoke(null, v);
                    } catch (ReflectiveOperationException e) {
                        throw new IllegalStateException(e);
                    }
                };
            } catch (NoSuchMethodException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /// A function with its exact counterpart, the largest error allowed in units in the last place of the exact
    /// result, and an error that is allowed in any case.
    record Function(
            String name,
            UnaryOperator<FloatVector> vector,
            DoubleUnaryOperator exact,
            double ulps,
            double absolute,
            float limit) {}

    private static List<Function> functions(int bits) {
        Width width = new Width(bits);
        float limit = VectorMath.TRIGONOMETRIC_LIMIT;
        return List.of(
                new Function("exp", width.function("exp"), StrictMath::exp, 1.2, 0, INF),
                // above 0 nothing is promised; below the smallest normal number the result is 0
                new Function(
                        "expOfNegative",
                        x -> width.function("expOfNegative").apply(x.min(0f)),
                        x -> StrictMath.exp(Math.min(x, 0)),
                        4,
                        2 * Float.MIN_NORMAL,
                        INF),
                new Function("log", width.function("log"), StrictMath::log, 1.2, 0, INF),
                new Function("tanh", width.function("tanh"), StrictMath::tanh, 3, 0, INF),
                new Function("sigmoid", width.function("sigmoid"), x -> 1 / (1 + StrictMath.exp(-x)), 2.5, 1e-37, INF),
                new Function("silu", width.function("silu"), x -> x / (1 + StrictMath.exp(-x)), 3.5, 1e-36, 1e30f),
                new Function("gelu tanh", width.function("geluTanh"), VectorMathTest::geluTanh, 4, 5e-6, 1e12f),
                new Function("gelu", width.function("gelu"), VectorMathTest::gelu, 7, 1e-36, 1e30f),
                new Function("sin", width.function("sin"), StrictMath::sin, 0, 1e-7, limit),
                new Function("cos", width.function("cos"), StrictMath::cos, 0, 1e-7, limit),
                new Function("floor", width.function("floor"), StrictMath::floor, 0, 0, INF),
                new Function("round", width.function("round"), StrictMath::rint, 0, 0, INF));
    }

    private static double geluTanh(double x) {
        return x / 2 * (1 + StrictMath.tanh(StrictMath.sqrt(2 / StrictMath.PI) * (x + 0.044715 * x * x * x)));
    }

    private static double gelu(double x) {
        return x * normalDistribution(x);
    }

    /// Phi(x) by its series around zero and by its continued fraction in the tails (Abramowitz & Stegun 26.2.11,
    /// 26.2.14).
    private static double normalDistribution(double x) {
        double density = StrictMath.exp(-x * x / 2) / StrictMath.sqrt(2 * StrictMath.PI);
        if (StrictMath.abs(x) < 3) {
            double term = x;
            double sum = x;
            for (int k = 3; k < 200; k += 2) {
                term *= x * x / k;
                sum += term;
            }
            return 0.5 + density * sum;
        }
        double fraction = StrictMath.abs(x);
        for (int k = 200; k >= 1; k--) {
            fraction = StrictMath.abs(x) + k / fraction;
        }
        double tail = density / fraction;
        return x > 0 ? 1 - tail : tail;
    }

    static Stream<Object[]> functionsAndWidths() {
        List<Object[]> all = new ArrayList<>();
        for (VectorSpecies<Float> s : WIDTHS) {
            for (Function f : functions(s.vectorBitSize())) {
                all.add(new Object[] {f.name, s.vectorBitSize(), f, s});
            }
        }
        return all.stream();
    }

    @ParameterizedTest(name = "{0}, {1} bits")
    @MethodSource("functionsAndWidths")
    void staysWithinItsErrorOnEveryExponent(String name, int bits, Function f, VectorSpecies<Float> species) {
        float[] in = new float[species.length()];
        float[] out = new float[species.length()];
        // an odd step over all bit patterns visits every exponent with ever different fractions
        long step = 150_001;
        double worst = 0;
        for (long b = 0; b < 1L << 32; ) {
            for (int i = 0; i < in.length; i++, b += step) {
                in[i] = Float.intBitsToFloat((int) b);
            }
            f.vector.apply(FloatVector.fromArray(species, in, 0)).intoArray(out, 0);
            for (int i = 0; i < in.length; i++) {
                if (Float.isNaN(in[i])) {
                    assertThat(out[i]).isNaN();
                } else if (Math.abs(in[i]) <= f.limit) {
                    worst = Math.max(worst, error(f, in[i], out[i]));
                }
            }
        }
        assertThat(worst).as("largest error in units of what is allowed").isLessThanOrEqualTo(1);
    }

    @ParameterizedTest(name = "{0}, {1} bits")
    @MethodSource("functionsAndWidths")
    void staysWithinItsErrorInTheRangeOfActivations(String name, int bits, Function f, VectorSpecies<Float> species) {
        float[] in = new float[species.length()];
        float[] out = new float[species.length()];
        double worst = 0;
        float where = 0;
        for (double x = -110; x < 110; ) {
            for (int i = 0; i < in.length; i++, x += 0.00637) {
                in[i] = (float) x;
            }
            f.vector.apply(FloatVector.fromArray(species, in, 0)).intoArray(out, 0);
            for (int i = 0; i < in.length; i++) {
                double error = error(f, in[i], out[i]);
                where = error > worst ? in[i] : where;
                worst = Math.max(worst, error);
            }
        }
        assertThat(worst)
                .as("largest error, at %s, in units of what is allowed", where)
                .isLessThanOrEqualTo(1);
    }

    /// Error in units of what the function is allowed: 1 or less is fine.
    private static double error(Function f, float x, float y) {
        double exact = f.exact.applyAsDouble(x);
        float rounded = (float) exact;
        if (Double.isNaN(exact) || Float.isInfinite(rounded) || Float.isNaN(y) || Float.isInfinite(y)) {
            return Float.compare(rounded, y) == 0 || nextToOverflow(rounded, y) ? 0 : Double.POSITIVE_INFINITY;
        }
        double allowed = Math.max(f.ulps * Math.ulp(rounded), f.absolute);
        double difference = Math.abs(y - exact);
        // functions that are exact must keep the sign of zero as well
        if (allowed == 0) {
            return Float.compare(rounded, y) == 0 ? 0 : Double.POSITIVE_INFINITY;
        }
        return difference / allowed;
    }

    private static boolean nextToOverflow(float a, float b) {
        return Math.min(Math.abs(a), Math.abs(b)) >= Float.MAX_VALUE * (1 - 1e-6f) && a > 0 == b > 0;
    }

    @ParameterizedTest(name = "{0}, {1} bits")
    @MethodSource("functionsAndWidths")
    void givesTheExactLimitsForSpecialValues(String name, int bits, Function f, VectorSpecies<Float> species) {
        float[] specials = {0f, -0f, INF, -INF, Float.NaN, Float.MIN_VALUE, -Float.MIN_VALUE, 1f};
        float[] expected = switch (name) {
            case "exp" -> new float[] {1, 1, INF, 0, Float.NaN, 1, 1, (float) Math.E};
            case "expOfNegative" -> new float[] {1, 1, 1, 0, Float.NaN, 1, 1, 1};
            case "log" -> new float[] {-INF, -INF, INF, Float.NaN, Float.NaN, -103.27893f, Float.NaN, 0};
            case "tanh" -> new float[] {0f, -0f, 1, -1, Float.NaN, 1.4e-45f, -1.4e-45f, 0.7615942f};
            case "sigmoid" -> new float[] {.5f, .5f, 1, 0, Float.NaN, .5f, .5f, 0.7310586f};
            case "sin" -> new float[] {0f, -0f, Float.NaN, Float.NaN, Float.NaN, 1.4e-45f, -1.4e-45f, 0.841471f};
            case "cos" -> new float[] {1, 1, Float.NaN, Float.NaN, Float.NaN, 1, 1, 0.5403023f};
            case "floor" -> new float[] {0f, -0f, INF, -INF, Float.NaN, 0, -1, 1};
            case "round" -> new float[] {0f, -0f, INF, -INF, Float.NaN, 0f, -0f, 1};
            // what the definitions give in floating point: -inf * 0 is not a number
            case "silu" -> new float[] {0f, -0f, INF, Float.NaN, Float.NaN, 0, -0f, 0.7310586f};
            case "gelu tanh" -> new float[] {0f, -0f, INF, Float.NaN, Float.NaN, 0, -0f, 0.841192f};
            case "gelu" -> new float[] {0f, -0f, INF, Float.NaN, Float.NaN, 0, -0f, 0.8413447f};
            default -> throw new IllegalArgumentException(name);
        };
        for (int i = 0; i < specials.length; i++) {
            float y =
                    f.vector.apply(FloatVector.broadcast(species, specials[i])).lane(0);
            float tolerance = Math.abs(expected[i]) < 1e-30f ? 2 * Float.MIN_VALUE : Math.ulp(expected[i]) * 2;
            boolean same = Float.compare(y, expected[i]) == 0 || Math.abs(y - expected[i]) <= tolerance;
            boolean sameZero = expected[i] != 0 || y != 0 || Float.compare(y, expected[i]) == 0;
            assertThat(same && (sameZero || specials[i] != 0))
                    .as("%s(%s) is %s, expected %s", name, specials[i], y, expected[i])
                    .isTrue();
        }
    }
}
