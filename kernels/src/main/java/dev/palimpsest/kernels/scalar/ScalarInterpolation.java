package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.util.Arrays;

/// Interpolation. All modes are separable: along each axis every output sample is a weighted sum of neighbouring input
/// samples, and the axes are resized one after the other.
final class ScalarInterpolation {
    private ScalarInterpolation() {}

    /// The weighted sum that makes one output sample: `weights[0]` belongs to input sample `first`.
    private static final class Taps {
        final int first;
        final double[] weights;

        Taps(int first, double... weights) {
            this.first = first;
            this.weights = weights;
        }
    }

    static void run(Interpolation mode, NdArray x, NdArray out) {
        int spatial = x.rank() - 2;
        Taps[][] taps = new Taps[spatial][];
        for (int i = 0; i < spatial; i++) {
            taps[i] = new Taps[out.dim(i + 2)];
            for (int j = 0; j < taps[i].length; j++) {
                taps[i][j] = taps(mode, j, x.dim(i + 2), out.dim(i + 2));
            }
        }
        Rows.forEach(Rows.leading(x.shape(), 2), index -> {
            NdArray from = x.select(0, index[0]).select(0, index[1]);
            NdArray to = out.select(0, index[0]).select(0, index[1]);
            double[] values = read(from);
            int[] dims = from.shape().dims();
            for (int axis = spatial - 1; axis >= 0; axis--) {
                values = resize(values, dims, axis, taps[axis]);
                dims[axis] = taps[axis].length;
            }
            write(values, to);
        });
    }

    /// The samples and weights of output sample `i` when `in` samples become `out`.
    private static Taps taps(Interpolation mode, int i, int in, int out) {
        double ratio = (double) in / out;
        return switch (mode) {
            case NEAREST -> new Taps((int) ((long) i * in / out), 1);
            case LINEAR -> linear(Math.max((i + 0.5) * ratio - 0.5, 0), in);
            case LINEAR_ALIGN_CORNERS -> linear(out == 1 ? 0 : (double) i * (in - 1) / (out - 1), in);
            case AREA -> {
                int from = (int) ((long) i * in / out);
                int to = (int) Math.ceilDiv((i + 1L) * in, out);
                double[] weights = new double[to - from];
                Arrays.fill(weights, 1.0 / (to - from));
                yield new Taps(from, weights);
            }
            case BICUBIC_ANTIALIAS -> {
                double widening = Math.max(ratio, 1);
                double centre = (i + 0.5) * ratio;
                int from = Math.max((int) (centre - 2 * widening + 0.5), 0);
                int to = Math.min((int) (centre + 2 * widening + 0.5), in);
                double[] weights = new double[to - from];
                double sum = 0;
                for (int j = 0; j < weights.length; j++) {
                    weights[j] = cubic((from + j + 0.5 - centre) / widening);
                    sum += weights[j];
                }
                for (int j = 0; j < weights.length; j++) {
                    weights[j] /= sum;
                }
                yield new Taps(from, weights);
            }
        };
    }

    private static Taps linear(double source, int in) {
        int below = Math.min((int) source, in - 1);
        double fraction = source - below;
        return below == in - 1 ? new Taps(below, 1) : new Taps(below, 1 - fraction, fraction);
    }

    /// Keys' cubic convolution kernel with `a = -0.5`.
    private static double cubic(double distance) {
        double a = -0.5;
        double x = Math.abs(distance);
        if (x < 1) {
            return ((a + 2) * x - (a + 3)) * x * x + 1;
        }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    }

    /// Replaces one axis of a dense block of these extents by its weighted sums.
    private static double[] resize(double[] values, int[] dims, int axis, Taps[] taps) {
        int outer = 1;
        int inner = 1;
        for (int i = 0; i < dims.length; i++) {
            outer *= i < axis ? dims[i] : 1;
            inner *= i > axis ? dims[i] : 1;
        }
        double[] resized = new double[outer * taps.length * inner];
        for (int o = 0; o < outer; o++) {
            for (int j = 0; j < taps.length; j++) {
                for (int k = 0; k < taps[j].weights.length; k++) {
                    double weight = taps[j].weights[k];
                    int from = (o * dims[axis] + taps[j].first + k) * inner;
                    int to = (o * taps.length + j) * inner;
                    for (int i = 0; i < inner; i++) {
                        resized[to + i] += weight * values[from + i];
                    }
                }
            }
        }
        return resized;
    }

    private static double[] read(NdArray x) {
        Shape shape = x.shape();
        double[] values = new double[Math.toIntExact(shape.elements())];
        double[] row = new double[shape.dim(-1)];
        int[] at = {0};
        Rows.forEach(shape, index -> {
            Rows.read(x, index, row);
            System.arraycopy(row, 0, values, at[0], row.length);
            at[0] += row.length;
        });
        return values;
    }

    private static void write(double[] values, NdArray out) {
        double[] row = new double[out.dim(-1)];
        int[] at = {0};
        Rows.forEach(out.shape(), index -> {
            System.arraycopy(values, at[0], row, 0, row.length);
            Rows.write(row, out, index);
            at[0] += row.length;
        });
    }
}
