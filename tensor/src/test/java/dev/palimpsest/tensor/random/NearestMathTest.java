package dev.palimpsest.tensor.random;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NearestMathTest {

    /// Arguments for which `StrictMath` misses the nearest double, with the values at 60 decimal digits rounded once.
    @ParameterizedTest
    @CsvSource({
        "log, 0x1.6dd1ce4395039p-1, -0x1.5840bb9b89015p-2",
        "log, 0x1.de3a772f342d0p-1, -0x1.177edd579dc11p-4",
        "log, 0x1.a7539a60dbe1ep-2, -0x1.c4438d50ebe0fp-1",
        "log, 0x1.490ca99769bc4p-3, -0x1.d412bcac2638dp+0",
        "log, 0x1.ae800c2b9f64dp-1, -0x1.6313698d63c3bp-3",
        "sin, 0x1.5c4af2271e321p+2, -0x1.7da2ff35532c1p-1",
        "sin, 0x1.7cdb32b04beabp+1, 0x1.52b7e5d72418ap-3",
        "sin, 0x1.8b4d99e495d97p-1, 0x1.652f074ec35f3p-1",
        "sin, 0x1.fc0f872bab5bbp+1, -0x1.7900557b84b73p-1",
        "sin, 0x1.60b9b414b33e8p+2, -0x1.6519d83958bcdp-1",
        "cos, 0x1.45d8049e469acp+1, -0x1.a7be226f1db91p-1",
        "cos, 0x1.01733db781aaap+2, -0x1.45cced55ac7f2p-1",
        "cos, 0x1.5c305655ab4cdp+2, 0x1.54b26a80cdb95p-1",
        "cos, 0x1.eff68ef48459fp+1, -0x1.7c766172afd1bp-1",
        "cos, 0x1.798c91c2121a0p-1, 0x1.7afdf5f1c3935p-1"
    })
    void findsTheNearestDoubleWhereStrictMathDoesNot(String function, double x, double nearest) {
        assertThat(evaluate(function, x)).isEqualTo(nearest);
        assertThat(strict(function, x)).isNotEqualTo(nearest);
    }

    @ParameterizedTest
    @CsvSource({
        "log, 1, 0",
        "log, 0x1p-53, -0x1.25e4f7b2737fap+5",
        "log, 0x1.fffffffffffffp-1, -0x1.0000000000000p-53",
        "sin, 0, 0",
        "cos, 0, 1",
        "sin, 0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53",
        "cos, 0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54",
        "sin, 0x1.921fb54442d18p+2, -0x1.1a62633145c07p-52"
    })
    void holdsAtTheEndsAndNextToTheZeros(String function, double x, double nearest) {
        assertThat(evaluate(function, x)).isEqualTo(nearest);
    }

    @Test
    void neverStraysFromStrictMathByMoreThanItsErrorBound() {
        var random = new SplittableRandom(11);
        for (int i = 0; i < 20_000; i++) {
            double u = 1 - random.nextDouble();
            double angle = 2 * Math.PI * random.nextDouble();
            assertClose("log", u);
            assertClose("sin", angle);
            assertClose("cos", angle);
        }
    }

    private static void assertClose(String function, double x) {
        double expected = strict(function, x);
        assertThat(Math.abs(evaluate(function, x) - expected))
                .as("%s(%s)", function, x)
                .isLessThanOrEqualTo(Math.ulp(expected));
    }

    private static double evaluate(String function, double x) {
        return switch (function) {
            case "log" -> NearestMath.log(x);
            case "sin" -> NearestMath.sin(x);
            case "cos" -> NearestMath.cos(x);
            default -> throw new IllegalArgumentException(function);
        };
    }

    private static double strict(String function, double x) {
        return switch (function) {
            case "log" -> StrictMath.log(x);
            case "sin" -> StrictMath.sin(x);
            case "cos" -> StrictMath.cos(x);
            default -> throw new IllegalArgumentException(function);
        };
    }
}
