package dev.palimpsest.bench;

import dev.palimpsest.bench.Shapes.Conv;
import dev.palimpsest.bench.Shapes.Heads;
import dev.palimpsest.bench.Shapes.Product;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.KernelSelection.Tier;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/// The command `bench/accuracy`: how far products, convolutions and attention are from the same in f64, as a Markdown
/// table, for each arithmetic and provider: `|ours - exact| / |exact|` in the L2 norm.
///
/// Operands are normally distributed and f32, weights scaled such that results are about as large as activations. So
/// the rounding of operands to narrower types is part of the error. Of large results a regular sample is compared.
public final class Accuracy {
    private static final int ROWS = 64;
    private static final int GROUP = 64;
    private static final int SAMPLES = 32;

    private Accuracy() {}

    /// A way to compute.
    ///
    /// @param group elements of a column of the weight that share a scale, 0 for all
    private record Way(String name, Arithmetic arithmetic, int group) {}

    private static final List<Way> WAYS = List.of(
            new Way("`F32`", Arithmetic.F32, 0),
            new Way("`BF16`", Arithmetic.BF16, 0),
            new Way("`INT8`", Arithmetic.INT8, 0),
            new Way("`INT8_WEIGHT_ONLY`, a scale for each output", Arithmetic.INT8_WEIGHT_ONLY, 0),
            new Way("`INT8_WEIGHT_ONLY`, a scale for each " + GROUP + " weights", Arithmetic.INT8_WEIGHT_ONLY, GROUP));

    /// Computes and prints.
    ///
    /// @param args none
    public static void main(String[] args) {
        Product product = Product.VINCIE_MLP_OUT;
        Conv conv = Conv.BLOCK_512_SMALL;
        Heads heads = Heads.VINCIE_256;
        System.out.printf(
                "| arithmetic | kernels | product %dx%dx%d | convolution 3x3, %d channels, %dx%d | attention %dx%d, "
                        + "%d heads of %d |%n|---|---|---|---|---|%n",
                ROWS,
                product.n(),
                product.k(),
                conv.input().dim(1),
                conv.input().dim(3),
                conv.input().dim(4),
                heads.visible().queries(),
                heads.visible().keys(),
                heads.heads(),
                heads.width());
        List<String> names = KernelProviders.tiers().stream()
                .filter(Tier::available)
                .map(Tier::name)
                .toList();
        try (Parallel parallel = new Parallel(Runtime.getRuntime().availableProcessors())) {
            for (Way way : WAYS) {
                for (String name : names) {
                    Kernels kernels = KernelProviders.create(name, parallel);
                    boolean weights = way.arithmetic() == Arithmetic.F32 || way.arithmetic() == Arithmetic.BF16;
                    System.out.printf(
                            "| %s | `%s` | %s | %s | %s |%n",
                            way.name(),
                            name,
                            text(() -> product(kernels, way.arithmetic(), way.group(), ROWS, product.n(), product.k())),
                            weights ? text(() -> convolution(kernels, way.arithmetic(), conv)) : "",
                            weights ? text(() -> attention(kernels, way.arithmetic(), heads)) : "");
                }
            }
        }
    }

    /// A number, or nothing where the provider does not know the arithmetic.
    private static String text(Supplier<Double> error) {
        try {
            return String.format(Locale.ROOT, "%.1e", error.get());
        } catch (UnsupportedOperationException e) {
            return "";
        }
    }

    /// Error of `(m, k)` times the transpose of `(n, k)`.
    ///
    /// @param group elements of a column of the weight that share a scale, 0 for all
    static double product(Kernels kernels, Arithmetic arithmetic, int group, int m, int n, int k) {
        try (Arena arena = Arena.ofShared()) {
            Inputs inputs = new Inputs(arena);
            NdArray a = inputs.normal(DType.F32, 1, m, k);
            NdArray weight = inputs.normal(DType.F32, 1 / Math.sqrt(k), n, k);
            NdArray out = inputs.zeros(DType.F32, m, n);
            PackedMatrix packed = kernels.pack(weight.transpose(0, 1), arithmetic, group, arena);
            kernels.matmul(a, packed, out, Epilogue.NONE);
            double[] x = doubles(a);
            double[] w = doubles(weight);
            Distance distance = new Distance();
            for (int i = 0; i < m; i++) {
                for (int j = 0; j < n; j++) {
                    double exact = 0;
                    for (int p = 0; p < k; p++) {
                        exact += x[i * k + p] * w[j * k + p];
                    }
                    distance.add(out.get(i, j), exact);
                }
            }
            return distance.relative();
        }
    }

    /// Error of a planar convolution with stride 1, channels innermost.
    static double convolution(Kernels kernels, Arithmetic arithmetic, Conv layer) {
        try (Arena arena = Arena.ofShared()) {
            Inputs inputs = new Inputs(arena);
            Shape in = layer.input();
            Shape filter = layer.weight();
            int channels = in.dim(1);
            int height = in.dim(3);
            int width = in.dim(4);
            int side = filter.dim(3);
            double spread = 1 / Math.sqrt((double) channels * side * side);
            NdArray x = inputs.normal(DType.F32, 1, 1, 1, height, width, channels); // (1, 1, H, W, C)
            NdArray weight = inputs.normal(DType.F32, spread, filter.dims()); // (O, C, 1, kH, kW)
            NdArray out = inputs.zeros(DType.F32, 1, 1, height, width, filter.dim(0)); // (1, 1, H, W, O)
            PackedFilter packed = kernels.packFilter(weight, arithmetic, arena);
            kernels.convolution(
                    layer.geometry().in(arithmetic),
                    x.permute(0, 4, 1, 2, 3),
                    packed,
                    out.permute(0, 4, 1, 2, 3),
                    Epilogue.NONE);
            double[] pixels = doubles(x);
            double[] w = doubles(weight);
            Distance distance = new Distance();
            for (int at = 0; at < height * width; at += Math.max(1, height * width / SAMPLES)) {
                int row = at / width;
                int column = at % width;
                for (int o = 0; o < filter.dim(0); o++) {
                    double exact = 0;
                    for (int tap = 0; tap < side * side; tap++) {
                        int r = row + tap / side - side / 2;
                        int c = column + tap % side - side / 2;
                        if (r < 0 || r >= height || c < 0 || c >= width) {
                            continue;
                        }
                        for (int p = 0; p < channels; p++) {
                            exact += pixels[(r * width + c) * channels + p] * w[(o * channels + p) * side * side + tap];
                        }
                    }
                    distance.add(out.get(0, 0, row, column, o), exact);
                }
            }
            return distance.relative();
        }
    }

    /// Error of an attention.
    static double attention(Kernels kernels, Arithmetic arithmetic, Heads site) {
        try (Arena arena = Arena.ofShared()) {
            Inputs inputs = new Inputs(arena);
            int queries = site.visible().queries();
            int keys = site.visible().keys();
            int heads = site.heads();
            int width = site.width();
            NdArray q = inputs.normal(DType.F32, 1, queries, heads, width);
            NdArray k = inputs.normal(DType.F32, 1, keys, heads, width);
            NdArray v = inputs.normal(DType.F32, 1, keys, heads, width);
            NdArray out = inputs.zeros(DType.F32, queries, heads, width);
            float scale = (float) (1 / Math.sqrt(width));
            kernels.attention(Attention.of(scale, site.visible()).withArithmetic(arithmetic), q, k, v, out);
            double[] qs = doubles(q);
            double[] ks = doubles(k);
            double[] vs = doubles(v);
            Distance distance = new Distance();
            for (int i = 0; i < queries; i += Math.max(1, queries / SAMPLES)) {
                for (int h = 0; h < heads; h++) {
                    double[] exact = attended(
                            qs,
                            ks,
                            vs,
                            (i * heads + h) * width,
                            h,
                            heads,
                            width,
                            scale,
                            site.visible().from(i),
                            site.visible().to(i));
                    for (int p = 0; p < width; p++) {
                        distance.add(out.get(i, h, p), exact[p]);
                    }
                }
            }
            return distance.relative();
        }
    }

    /// One query over some keys.
    ///
    /// @param at of the query
    private static double[] attended(
            double[] q,
            double[] k,
            double[] v,
            int at,
            int head,
            int heads,
            int width,
            double scale,
            int from,
            int to) {
        double[] sum = new double[width];
        double total = 0;
        for (int j = from; j < to; j++) {
            int key = (j * heads + head) * width;
            double score = 0;
            for (int p = 0; p < width; p++) {
                score += q[at + p] * k[key + p];
            }
            double weight = Math.exp(score * scale);
            total += weight;
            for (int p = 0; p < width; p++) {
                sum[p] += weight * v[key + p];
            }
        }
        for (int p = 0; p < width; p++) {
            sum[p] /= total;
        }
        return sum;
    }

    private static double[] doubles(NdArray x) {
        double[] values = new double[(int) x.elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = x.memory().getAtIndex(ValueLayout.JAVA_FLOAT, i);
        }
        return values;
    }

    /// A distance that is summed up.
    private static final class Distance {
        private double difference;
        private double norm;

        void add(double ours, double exact) {
            difference += (ours - exact) * (ours - exact);
            norm += exact * exact;
        }

        double relative() {
            return Math.sqrt(difference / norm);
        }
    }
}
