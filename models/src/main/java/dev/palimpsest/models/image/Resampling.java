package dev.palimpsest.models.image;

/// Resizing of 8-bit pictures to the byte as PIL (Pillow) does it.
///
/// Separable: a horizontal pass into 8-bit values, then a vertical one; a pass that does not change the size is left
/// out. When shrinking, the filter widens with the scale, which is what prevents aliasing. Weights are normalised in
/// double precision, then rounded to 22 fraction bits, half away from zero; sums are rounded and clamped to 0..255.
public enum Resampling {
    /// Triangle, support 1.
    BILINEAR(1) {
        @Override
        double filter(double x) {
            return Math.max(1 - Math.abs(x), 0);
        }
    },
    /// Cubic convolution with a = -0.5, support 2 (Keys 1981). PIL's default for `Image.resize`.
    BICUBIC(2) {
        @Override
        double filter(double x) {
            double a = -0.5;
            double t = Math.abs(x);
            if (t < 1) {
                return ((a + 2) * t - (a + 3)) * t * t + 1;
            }
            return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
        }
    },
    /// Windowed sinc, `sinc(x) sinc(x/3)`, support 3 (Duchon 1979).
    LANCZOS(3) {
        @Override
        double filter(double x) {
            return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
        }
    };

    private static final int FRACTION_BITS = 22;

    private final double support;

    Resampling(double support) {
        this.support = support;
    }

    abstract double filter(double x);

    private static double sinc(double x) {
        if (x == 0) {
            return 1;
        }
        double t = x * Math.PI;
        return Math.sin(t) / t;
    }

    /// The picture at another size; the picture itself if it has that size already.
    ///
    /// @throws ImageException if width or height is less than 1
    public RgbImage resize(RgbImage image, int width, int height) {
        if (width < 1 || height < 1) {
            throw new ImageException("a picture cannot be resized to " + width + " x " + height + " pixels");
        }
        RgbImage wide = width == image.width() ? image : horizontally(image, width);
        return height == wide.height() ? wide : vertically(wide, height);
    }

    /// For every output position the first input position and its fixed-point weights.
    private record Windows(int[] first, int[][] weights) {}

    private Windows windows(int in, int out) {
        double scale = (double) in / out;
        double filterScale = Math.max(scale, 1);
        double radius = support * filterScale;
        int[] first = new int[out];
        int[][] weights = new int[out][];
        for (int i = 0; i < out; i++) {
            double centre = (i + 0.5) * scale;
            int from = Math.max((int) (centre - radius + 0.5), 0);
            int to = Math.min((int) (centre + radius + 0.5), in);
            double[] w = new double[to - from];
            double sum = 0;
            for (int j = 0; j < w.length; j++) {
                w[j] = filter((j + from - centre + 0.5) / filterScale);
                sum += w[j];
            }
            first[i] = from;
            weights[i] = new int[w.length];
            for (int j = 0; j < w.length; j++) {
                double fixed = w[j] / sum * (1 << FRACTION_BITS);
                weights[i][j] = (int) (fixed < 0 ? fixed - 0.5 : fixed + 0.5);
            }
        }
        return new Windows(first, weights);
    }

    private RgbImage horizontally(RgbImage image, int width) {
        Windows windows = windows(image.width(), width);
        byte[] in = image.samples();
        byte[] out = new byte[Math.multiplyExact(3, Math.multiplyExact(width, image.height()))];
        for (int y = 0; y < image.height(); y++) {
            for (int x = 0; x < width; x++) {
                int from = (y * image.width() + windows.first[x]) * 3;
                weigh(in, from, 3, windows.weights[x], out, (y * width + x) * 3);
            }
        }
        return RgbImage.owning(width, image.height(), out);
    }

    private RgbImage vertically(RgbImage image, int height) {
        Windows windows = windows(image.height(), height);
        int width = image.width();
        byte[] in = image.samples();
        byte[] out = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int from = (windows.first[y] * width + x) * 3;
                weigh(in, from, 3 * width, windows.weights[y], out, (y * width + x) * 3);
            }
        }
        return RgbImage.owning(width, height, out);
    }

    /// The weighted sum of the three samples of a pixel along a line of pixels `step` bytes apart.
    private static void weigh(byte[] in, int from, int step, int[] weights, byte[] out, int to) {
        int r = 1 << (FRACTION_BITS - 1);
        int g = r;
        int b = r;
        int at = from;
        for (int w : weights) {
            r += w * (in[at] & 0xff);
            g += w * (in[at + 1] & 0xff);
            b += w * (in[at + 2] & 0xff);
            at += step;
        }
        out[to] = clamp(r);
        out[to + 1] = clamp(g);
        out[to + 2] = clamp(b);
    }

    private static byte clamp(int sum) {
        return (byte) Math.clamp(sum >> FRACTION_BITS, 0, 255);
    }
}
