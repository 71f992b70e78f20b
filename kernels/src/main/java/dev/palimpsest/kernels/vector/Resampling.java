package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Interpolation;
import java.util.Arrays;

/// How one axis is resized: every output sample is a weighted sum of neighbouring input samples.
///
/// @param first for each output sample the first input sample of its sum
/// @param weights for each output sample the weights, beginning with the first input sample; they add up to 1
record Resampling(int[] first, float[][] weights) {
    /// The sums by which `in` samples become `out`; see [Interpolation] for the definitions.
    static Resampling of(Interpolation mode, int in, int out) {
        int[] first = new int[out];
        float[][] weights = new float[out][];
        double ratio = (double) in / out;
        for (int i = 0; i < out; i++) {
            switch (mode) {
                case NEAREST -> {
                    first[i] = (int) ((long) i * in / out);
                    weights[i] = new float[] {1};
                }
                case LINEAR -> linear(i, Math.max((i + 0.5) * ratio - 0.5, 0), in, first, weights);
                case LINEAR_ALIGN_CORNERS ->
                    linear(i, out == 1 ? 0 : (double) i * (in - 1) / (out - 1), in, first, weights);
                case AREA -> {
                    first[i] = (int) ((long) i * in / out);
                    int end = Math.toIntExact(Math.ceilDiv((i + 1L) * in, out));
                    weights[i] = new float[end - first[i]];
                    Arrays.fill(weights[i], (float) (1.0 / (end - first[i])));
                }
                case BICUBIC_ANTIALIAS -> cubic(i, ratio, in, first, weights);
            }
        }
        return new Resampling(first, weights);
    }

    private static void linear(int i, double source, int in, int[] first, float[][] weights) {
        int below = Math.min((int) source, in - 1);
        double fraction = source - below;
        first[i] = below;
        weights[i] = below == in - 1 ? new float[] {1} : new float[] {(float) (1 - fraction), (float) fraction};
    }

    private static void cubic(int i, double ratio, int in, int[] first, float[][] weights) {
        // shrinking widens the kernel, so that every input sample counts
        double widening = Math.max(ratio, 1);
        double centre = (i + 0.5) * ratio;
        int from = Math.max((int) (centre - 2 * widening + 0.5), 0);
        int to = Math.min((int) (centre + 2 * widening + 0.5), in);
        double[] exact = new double[to - from];
        double sum = 0;
        for (int j = 0; j < exact.length; j++) {
            exact[j] = keys((from + j + 0.5 - centre) / widening);
            sum += exact[j];
        }
        first[i] = from;
        weights[i] = new float[exact.length];
        for (int j = 0; j < exact.length; j++) {
            weights[i][j] = (float) (exact[j] / sum);
        }
    }

    /// The cubic convolution kernel of Keys 1981 with `a = -1/2`.
    private static double keys(double distance) {
        double x = Math.abs(distance);
        if (x < 1) {
            return (1.5 * x - 2.5) * x * x + 1;
        }
        return x < 2 ? ((2.5 - 0.5 * x) * x - 4) * x + 2 : 0;
    }
}
