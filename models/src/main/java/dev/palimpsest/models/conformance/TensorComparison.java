package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// How a computed tensor compares with the expected one.
///
/// @param key name of the tensor in the file
/// @param relL2 `||a - b|| / ||b||`, infinite if only the expected tensor is zero; NaN if they could not be compared
/// @param maxAbs largest difference of two elements; NaN if they could not be compared
/// @param passed the verdict
/// @param problem what is wrong, in words; empty if the tensor passed
public record TensorComparison(String key, double relL2, double maxAbs, boolean passed, String problem) {

    static TensorComparison failed(String key, String problem) {
        return new TensorComparison(key, Double.NaN, Double.NaN, false, problem);
    }

    /// Compares a computed tensor with the expected one.
    ///
    /// Infinities of the same sign are equal, and so are two NaN; a NaN on one side only is a failure.
    ///
    /// @param actual what was computed, null if nothing was
    public static TensorComparison compare(String key, @Nullable Tensor actual, Tensor expected, Tolerance tolerance) {
        if (actual == null) {
            return failed(key, "was not computed");
        }
        if (!actual.shape().equals(expected.shape())) {
            return failed(key, "has the shape " + actual.shape() + " instead of " + expected.shape());
        }
        boolean floating = expected.dtype().isFloating();
        if (floating != actual.dtype().isFloating()) {
            return failed(
                    key,
                    "has the type " + actual.dtype().label() + " instead of "
                            + expected.dtype().label());
        }
        Distance d = Scope.run(
                () -> floating ? Distance.ofFloating(actual, expected) : Distance.ofIntegers(actual, expected));
        String problem = switch (tolerance) {
            case Tolerance.Exact exact -> d.differing == 0 ? "" : d.differing + " of " + d.count + " values differ";
            case Tolerance.Close close -> close(close, d);
            case Tolerance.Picture picture -> picture(picture, d);
        };
        return new TensorComparison(key, d.relL2(), d.maxAbs, problem.isEmpty(), problem);
    }

    private static String close(Tolerance.Close tolerance, Distance d) {
        if (d.relL2() <= tolerance.relL2() || (d.largest <= tolerance.maxAbs() && d.maxAbs <= tolerance.maxAbs())) {
            return "";
        }
        return String.format(Locale.ROOT, "relative error %.3g is above %.3g", d.relL2(), tolerance.relL2());
    }

    private static String picture(Tolerance.Picture tolerance, Distance d) {
        double mean = d.count == 0 ? 0 : d.sumAbs / d.count;
        if (d.maxAbs <= tolerance.levels() && mean <= tolerance.meanLevels()) {
            return "";
        }
        return String.format(
                Locale.ROOT,
                "differs by %.0f levels, %.3f on average, where %d and %.3f are allowed",
                d.maxAbs,
                mean,
                tolerance.levels(),
                tolerance.meanLevels());
    }

    /// Sums over all elements, in double precision.
    private static final class Distance {
        private long count;
        private long differing;
        private double squares;
        private double expectedSquares;
        private double sumAbs;
        private double maxAbs;
        private double largest;

        static Distance ofFloating(Tensor actual, Tensor expected) {
            Distance d = new Distance();
            if (actual.dtype() == DType.F64 && expected.dtype() == DType.F64) {
                Tensor a = actual.reshape(-1);
                Tensor b = expected.reshape(-1);
                for (int i = 0; i < a.dim(0); i++) {
                    d.add(a.get(i), b.get(i));
                }
                return d;
            }
            float[] a = actual.toFloatArray();
            float[] b = expected.toFloatArray();
            for (int i = 0; i < a.length; i++) {
                d.add(a[i], b[i]);
            }
            return d;
        }

        static Distance ofIntegers(Tensor actual, Tensor expected) {
            Distance d = new Distance();
            long[] a = actual.toLongArray();
            long[] b = expected.toLongArray();
            for (int i = 0; i < a.length; i++) {
                d.add(a[i] == b[i], (double) a[i], (double) b[i]);
            }
            return d;
        }

        private void add(double a, double b) {
            add(a == b || (Double.isNaN(a) && Double.isNaN(b)), a, b);
        }

        private void add(boolean same, double a, double b) {
            count++;
            largest = Math.max(largest, Math.abs(b));
            if (same) {
                expectedSquares += Double.isFinite(b) ? b * b : 0;
                return;
            }
            differing++;
            double difference = Math.abs(a - b);
            squares += difference * difference;
            expectedSquares += b * b;
            sumAbs += difference;
            maxAbs = Math.max(maxAbs, difference);
        }

        double relL2() {
            double norm = Math.sqrt(expectedSquares);
            return squares == 0 ? 0 : Math.sqrt(squares) / norm;
        }
    }
}
