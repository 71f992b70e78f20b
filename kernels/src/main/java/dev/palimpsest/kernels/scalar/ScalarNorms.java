package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import org.jspecify.annotations.Nullable;

/// Softmax and the normalisations, in two passes over the elements that belong together.
final class ScalarNorms {
    private ScalarNorms() {}

    /// `out[i] = e^(x[i] - max) / sum over j of e^(x[j] - max)` for every row
    static void softmax(NdArray x, NdArray out) {
        double[] row = new double[x.dim(-1)];
        Rows.forEach(x.shape(), index -> {
            Rows.read(x, index, row);
            double max = Double.NEGATIVE_INFINITY;
            for (double v : row) {
                max = Math.max(max, v);
            }
            double sum = 0;
            for (int i = 0; i < row.length; i++) {
                row[i] = Math.exp(row[i] - max);
                sum += row[i];
            }
            for (int i = 0; i < row.length; i++) {
                row[i] /= sum;
            }
            Rows.write(row, out, index);
        });
    }

    static void rmsNorm(NdArray x, float eps, Affine affine, NdArray out) {
        double[] row = new double[x.dim(-1)];
        RowAffine after = new RowAffine(affine, x.shape());
        Rows.forEach(x.shape(), index -> {
            Rows.read(x, index, row);
            double squares = 0;
            for (double v : row) {
                squares += v * v;
            }
            double factor = 1 / Math.sqrt(squares / row.length + eps);
            for (int i = 0; i < row.length; i++) {
                row[i] *= factor;
            }
            after.apply(row, index);
            Rows.write(row, out, index);
        });
    }

    static void layerNorm(NdArray x, float eps, Affine affine, NdArray out) {
        double[] row = new double[x.dim(-1)];
        RowAffine after = new RowAffine(affine, x.shape());
        Rows.forEach(x.shape(), index -> {
            Rows.read(x, index, row);
            double sum = 0;
            for (double v : row) {
                sum += v;
            }
            double mean = sum / row.length;
            double squares = 0;
            for (double v : row) {
                squares += (v - mean) * (v - mean);
            }
            double factor = 1 / Math.sqrt(squares / row.length + eps);
            for (int i = 0; i < row.length; i++) {
                row[i] = (row[i] - mean) * factor;
            }
            after.apply(row, index);
            Rows.write(row, out, index);
        });
    }

    static void groupNorm(
            NdArray x, int groups, float eps, NdArray weight, NdArray bias, Activation activation, NdArray out) {
        int channels = x.dim(1) / groups;
        for (int n = 0; n < x.dim(0); n++) {
            for (int g = 0; g < groups; g++) {
                int first = g * channels;
                NdArray from = Rows.atLeastTwoAxes(x.select(0, n).slice(0, first, first + channels));
                NdArray to = Rows.atLeastTwoAxes(out.select(0, n).slice(0, first, first + channels));
                groupNorm(
                        from,
                        eps,
                        weight.slice(0, first, first + channels),
                        bias.slice(0, first, first + channels),
                        activation,
                        to);
            }
        }
    }

    /// One group: `x` and `out` are `(channels, ...)`.
    private static void groupNorm(
            NdArray x, float eps, NdArray weight, NdArray bias, Activation activation, NdArray out) {
        double[] row = new double[x.dim(-1)];
        double[] sums = new double[2];
        Rows.forEach(x.shape(), index -> {
            Rows.read(x, index, row);
            for (double v : row) {
                sums[0] += v;
            }
        });
        double mean = sums[0] / x.elements();
        Rows.forEach(x.shape(), index -> {
            Rows.read(x, index, row);
            for (double v : row) {
                sums[1] += (v - mean) * (v - mean);
            }
        });
        double factor = 1 / Math.sqrt(sums[1] / x.elements() + eps);
        Rows.forEach(x.shape(), index -> {
            double w = weight.get(index[0]);
            double b = bias.get(index[0]);
            Rows.read(x, index, row);
            for (int i = 0; i < row.length; i++) {
                row[i] = Functions.apply(activation, (row[i] - mean) * factor * w + b);
            }
            Rows.write(row, out, index);
        });
    }

    /// The affine part behind a row's normalisation.
    private static final class RowAffine {
        private final @Nullable NdArray weight;
        private final @Nullable NdArray bias;
        private final @Nullable NdArray scale;
        private final @Nullable NdArray shift;
        private final double[] operand;

        RowAffine(Affine affine, Shape shape) {
            weight = affine.weight() == null ? null : affine.weight().expand(shape);
            bias = affine.bias() == null ? null : affine.bias().expand(shape);
            scale = affine.scale() == null ? null : affine.scale().expand(shape);
            shift = affine.shift() == null ? null : affine.shift().expand(shape);
            operand = new double[shape.dim(-1)];
        }

        void apply(double[] row, int[] index) {
            multiply(row, weight, index);
            add(row, bias, index);
            multiply(row, scale, index);
            add(row, shift, index);
        }

        private void multiply(double[] row, @Nullable NdArray x, int[] index) {
            if (x != null) {
                Rows.read(x, index, operand);
                for (int i = 0; i < row.length; i++) {
                    row[i] *= operand[i];
                }
            }
        }

        private void add(double[] row, @Nullable NdArray x, int[] index) {
            if (x != null) {
                Rows.read(x, index, operand);
                for (int i = 0; i < row.length; i++) {
                    row[i] += operand[i];
                }
            }
        }
    }
}
