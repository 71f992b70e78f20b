package dev.palimpsest.bench;

import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.Shape;

/// The shapes that the models really use, by where they occur: VINCIE-3B (transformer of width 2560, 20 heads of 128,
/// feed-forward 6912), its text encoder Qwen-14B (width 5120, 40 heads of 128, feed-forward 13,696, at most 150
/// tokens), Infinity-2B (width 2048, 16 heads of 128, feed-forward 8192), its text encoder T5-XL (width 2048, 32 heads
/// of 64, feed-forward 5120), and the two autoencoders (channels 128 to 512).
///
/// A picture of 256 pixels is 256 tokens to VINCIE and 16 x 16 to the last scale of Infinity, one of 512 pixels 1024
/// and 32 x 32.
public final class Shapes {
    private Shapes() {}

    /// Linear layers: `(m, k)` times the transpose of a weight `(n, k)`.
    public enum Product {
        /// Queries, keys and values of VINCIE, two frames of 256 pixels.
        VINCIE_QKV(512, 7680, 2560),
        /// What follows its attention.
        VINCIE_ATTENTION_OUT(512, 2560, 2560),
        /// Into its feed-forward part, which has two of these.
        VINCIE_MLP_IN(512, 6912, 2560),
        /// Out of it.
        VINCIE_MLP_OUT(512, 2560, 6912),
        /// The same layer for two frames of 512 pixels.
        VINCIE_512_MLP_OUT(2048, 2560, 6912),
        /// VINCIE's text at the width of the text encoder.
        VINCIE_TEXT_IN(150, 2560, 5120),
        /// Queries, keys and values of Infinity at the last scale of 512 pixels.
        INFINITY_QKV(1024, 6144, 2048),
        /// Into its feed-forward part.
        INFINITY_MLP_IN(1024, 8192, 2048),
        /// Out of it.
        INFINITY_MLP_OUT(1024, 2048, 8192),
        /// The last scale of 256 pixels.
        INFINITY_256_MLP_OUT(256, 2048, 8192),
        /// Queries, keys and values of Qwen for its longest text.
        QWEN_QKV(150, 15_360, 5120),
        /// Into its feed-forward part, which has two of these.
        QWEN_MLP_IN(150, 13_696, 5120),
        /// Out of it.
        QWEN_MLP_OUT(150, 5120, 13_696),
        /// Into the feed-forward part of T5 for a prompt.
        T5_MLP_IN(64, 5120, 2048),
        /// What follows Qwen's attention, for a very short text.
        QWEN_SHORT_ATTENTION_OUT(16, 5120, 5120),
        /// Queries, keys and values of Infinity at its scale of 4 x 4.
        INFINITY_4X4_QKV(16, 6144, 2048),
        /// Into its feed-forward part at the scale of 2 x 2.
        INFINITY_2X2_MLP_IN(4, 8192, 2048),
        /// The first scale with and without the prompt.
        INFINITY_FIRST_QKV(2, 6144, 2048),
        /// Modulation of all of Infinity's blocks by the prompt.
        INFINITY_MODULATION(1, 12_288, 2048),
        /// Modulation of all of VINCIE's blocks by the time.
        VINCIE_MODULATION(1, 15_360, 2560),
        /// A square for comparison with other reports.
        SQUARE_1024(1024, 1024, 1024);

        private final int m;
        private final int n;
        private final int k;

        Product(int m, int n, int k) {
            this.m = m;
            this.n = n;
            this.k = k;
        }

        /// Rows of the left side and the output.
        public int m() {
            return m;
        }

        /// Columns of the output, rows of the stored weight.
        public int n() {
            return n;
        }

        /// Length of the sums.
        public int k() {
            return k;
        }

        /// Billions of floating-point operations, a multiplication and an addition counted as two.
        public double gflop() {
            return 2e-9 * m * n * k;
        }
    }

    /// Convolutions of the autoencoders, for a picture of 256 pixels unless another size is named.
    @SuppressWarnings("ImmutableEnumChecker") // nobody changes a record or a shape
    public enum Conv {
        /// First layer of an encoder.
        ENCODER_IN(Geometry.SAME, Shape.of(1, 3, 1, 256, 256), Shape.of(128, 3, 1, 3, 3)),
        /// A residual block at the full resolution.
        BLOCK_128(Geometry.SAME, Shape.of(1, 128, 1, 256, 256), Shape.of(128, 128, 1, 3, 3)),
        /// The first one at the full resolution in a decoder.
        BLOCK_256_TO_128(Geometry.SAME, Shape.of(1, 256, 1, 256, 256), Shape.of(128, 256, 1, 3, 3)),
        /// A residual block at half of it.
        BLOCK_256(Geometry.SAME, Shape.of(1, 256, 1, 128, 128), Shape.of(256, 256, 1, 3, 3)),
        /// A residual block at a quarter of it.
        BLOCK_512(Geometry.SAME, Shape.of(1, 512, 1, 64, 64), Shape.of(512, 512, 1, 3, 3)),
        /// A residual block at an eighth of it.
        BLOCK_512_SMALL(Geometry.SAME, Shape.of(1, 512, 1, 32, 32), Shape.of(512, 512, 1, 3, 3)),
        /// A residual block of the causal video autoencoder.
        CAUSAL_512(Geometry.CAUSAL, Shape.of(1, 512, 2, 32, 32), Shape.of(512, 512, 3, 3, 3)),
        /// The first one at half the resolution in the causal video decoder.
        CAUSAL_512_TO_256(Geometry.CAUSAL, Shape.of(1, 512, 2, 64, 64), Shape.of(256, 512, 3, 3, 3)),
        /// A step down in time, rows and columns of the causal video encoder.
        CAUSAL_DOWN_256(Geometry.CAUSAL_DOWN, Shape.of(1, 256, 5, 128, 128), Shape.of(256, 256, 3, 3, 3)),
        /// A residual block at the full resolution of a picture of 1024 pixels.
        BLOCK_128_1024(Geometry.SAME, Shape.of(1, 128, 1, 1024, 1024), Shape.of(128, 128, 1, 3, 3)),
        /// A step down in resolution.
        DOWN_128(Geometry.DOWN, Shape.of(1, 128, 1, 256, 256), Shape.of(128, 128, 1, 3, 3)),
        /// A shortcut between different numbers of channels.
        SHORTCUT(Geometry.POINT, Shape.of(1, 256, 1, 128, 128), Shape.of(128, 256, 1, 1, 1)),
        /// First layer of a decoder.
        DECODER_IN(Geometry.SAME, Shape.of(1, 16, 1, 32, 32), Shape.of(512, 16, 1, 3, 3)),
        /// Last layer of a decoder.
        DECODER_OUT(Geometry.SAME, Shape.of(1, 128, 1, 256, 256), Shape.of(3, 128, 1, 3, 3));

        private static final class Geometry {
            static final Convolution SAME = Convolution.planar(1, 1);
            static final Convolution POINT = Convolution.planar(1, 0);
            static final Convolution DOWN = new Convolution(1, 2, 2, 0, 0, 0, 1, 0, 1, false);
            static final Convolution CAUSAL_DOWN = new Convolution(2, 2, 2, 2, 0, 0, 1, 0, 1, true);
            static final Convolution CAUSAL = new Convolution(1, 1, 1, 2, 0, 1, 1, 1, 1, true);
        }

        private final Convolution geometry;
        private final Shape input;
        private final Shape weight;

        Conv(Convolution geometry, Shape input, Shape weight) {
            this.geometry = geometry;
            this.input = input;
            this.weight = weight;
        }

        /// Strides and padding.
        public Convolution geometry() {
            return geometry;
        }

        /// `(N, C, T, H, W)`.
        public Shape input() {
            return input;
        }

        /// `(O, C, kT, kH, kW)`.
        public Shape weight() {
            return weight;
        }

        /// `(N, O, T', H', W')`.
        public Shape output() {
            return geometry.outputShape(input, weight);
        }

        /// Billions of floating-point operations.
        public double gflop() {
            return 2e-9 * output().elements() * weight.elements() / weight.dim(0);
        }
    }

    /// Attentions.
    @SuppressWarnings("ImmutableEnumChecker") // nobody changes key ranges
    public enum Heads {
        /// The last scale of Infinity's 512 pixels, its own keys alone.
        INFINITY_1024(KeyRanges.full(1024, 1024), 16, 128),
        /// Two frames of 512 pixels in VINCIE.
        VINCIE_2048(KeyRanges.full(2048, 2048), 20, 128),
        /// Four of them.
        VINCIE_4096(KeyRanges.full(4096, 4096), 20, 128),
        /// Three frames that see the frames before them.
        VINCIE_BLOCK_CAUSAL(KeyRanges.blockCausal(new int[][] {{1024, 1024, 1024}}), 20, 128),
        /// Two samples of different lengths behind each other, with and without the prompt.
        VINCIE_SAMPLES(KeyRanges.packed(new int[] {662, 514}, new int[] {662, 514}), 20, 128),
        /// Two frames of 256 pixels and a prompt.
        VINCIE_256(KeyRanges.full(662, 662), 20, 128),
        /// All scales of Infinity's 256 pixels at once, as training sees them.
        INFINITY_TRAINING(KeyRanges.blockCausal(new int[][] {{1, 4, 16, 36, 64, 144, 256}}), 16, 128),
        /// All scales of Infinity's 1024 pixels at once.
        INFINITY_1024_TRAINING(
                KeyRanges.blockCausal(new int[][] {{1, 4, 16, 36, 64, 144, 256, 400, 576, 1024, 1600, 2304, 4096}}),
                16,
                128),
        /// A middle scale of Infinity: its queries, and the keys of all scales so far.
        INFINITY_SCALE(KeyRanges.full(256, 521), 16, 128),
        /// Infinity's cross-attention to a prompt.
        INFINITY_PROMPT(KeyRanges.full(1024, 64), 16, 128),
        /// Qwen's longest text.
        QWEN(KeyRanges.causal(150, 150), 40, 128),
        /// T5 on a prompt, without its position bias.
        T5(KeyRanges.full(64, 64), 32, 64),
        /// The one wide head in the middle of VINCIE's autoencoder.
        AUTOENCODER(KeyRanges.full(1024, 1024), 1, 512);

        private final KeyRanges visible;
        private final int heads;
        private final int width;

        Heads(KeyRanges visible, int heads, int width) {
            this.visible = visible;
            this.heads = heads;
            this.width = width;
        }

        /// Who sees whom.
        public KeyRanges visible() {
            return visible;
        }

        /// Number of heads.
        public int heads() {
            return heads;
        }

        /// Width of a head.
        public int width() {
            return width;
        }

        /// Billions of floating-point operations over the visible pairs of query and key.
        public double gflop() {
            return 4e-9 * pairs() * heads * width;
        }

        /// Number of visible pairs of query and key.
        public long pairs() {
            long pairs = 0;
            for (int i = 0; i < visible.queries(); i++) {
                pairs += visible.to(i) - visible.from(i);
            }
            return pairs;
        }
    }

    /// Rows of numbers, for normalisations, softmax, and functions of single elements.
    public enum Rows {
        /// A few tokens, which stay in the first two levels of cache.
        SMALL(32, 2048),
        /// Hidden states of VINCIE, two frames of 256 pixels.
        VINCIE(512, 2560),
        /// The same for two frames of 512 pixels.
        VINCIE_512(2048, 2560),
        /// Inside VINCIE's feed-forward part.
        VINCIE_MLP(512, 6912),
        /// The heads of VINCIE's queries.
        VINCIE_HEADS(512 * 20, 128),
        /// The same for two frames of 512 pixels.
        VINCIE_512_HEADS(2048 * 20, 128),
        /// Hidden states of Infinity at the last scale of 512 pixels.
        INFINITY(1024, 2048),
        /// Inside Infinity's feed-forward part.
        INFINITY_MLP(1024, 8192),
        /// Hidden states of Qwen's longest text.
        QWEN(150, 5120),
        /// Hidden states of T5 for a prompt.
        T5(64, 2048),
        /// Scores of one head over 1024 tokens.
        SCORES(1024, 1024),
        /// Scores over a short prompt.
        PROMPT_SCORES(16_384, 64),
        /// Scores of a vocabulary.
        VOCABULARY(8, 151_936);

        private final int rows;
        private final int width;

        Rows(int rows, int width) {
            this.rows = rows;
            this.width = width;
        }

        /// Number of rows.
        public int rows() {
            return rows;
        }

        /// Elements in a row.
        public int width() {
            return width;
        }

        /// Number of elements.
        public long elements() {
            return (long) rows * width;
        }
    }
}
