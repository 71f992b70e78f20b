package dev.palimpsest.models.editinfinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.tensor.Tensor;
import java.awt.image.BufferedImage;
import java.util.Arrays;

/// Which pixels of a picture may change. In masks that are pictures, black may change and white stays.
///
/// The pixels may also be larger parts of the picture, such as those of an attention map.
public final class Mask {
    /// Grey levels up to this one are black.
    private static final int BLACK = 128;

    /// Share of a block's pixels that must be marked for the block to be.
    private static final double BLOCK_SHARE = 0.2;

    /// Which pixels belong to a block where a side of the mask does not divide into blocks. Where it does, there is no
    /// difference.
    public enum Blocks {
        /// All blocks are of the same whole number of pixels, rounded (half to even), as in the original. They drift
        /// away from the pixels they stand for: the last ones repeat the border, or the border is left out.
        ROUNDED,
        /// Every block has the pixels it stands for, and shares those on its border with its neighbours.
        EXACT
    }

    private final int height;
    private final int width;
    private final boolean[] edited; // (height, width)

    private Mask(int height, int width, boolean[] edited) {
        this.height = height;
        this.width = width;
        this.edited = edited;
    }

    /// A mask from a grey picture: levels above 128 stay, all others may change.
    ///
    /// @param grey `(height, width)`, levels 0 to 255
    /// @throws IllegalArgumentException if there are not two axes of at least one pixel
    public static Mask ofGrey(Tensor grey) {
        if (grey.rank() != 2 || grey.elements() == 0) {
            throw new IllegalArgumentException("mask: " + grey.shape() + " needs the axes (height, width)");
        }
        float[] levels = grey.toFloatArray();
        boolean[] edited = new boolean[levels.length];
        for (int i = 0; i < levels.length; i++) {
            edited[i] = !(levels[i] > BLACK);
        }
        return new Mask(grey.dim(0), grey.dim(1), edited);
    }

    /// A mask from a picture, of whose colours the brightness counts (ITU-R BT.601).
    public static Mask of(RgbImage image) {
        boolean[] edited = new boolean[image.width() * image.height()];
        for (int y = 0; y < image.height(); y++) {
            for (int x = 0; x < image.width(); x++) {
                int luma = 19595 * image.get(x, y, 0) + 38470 * image.get(x, y, 1) + 7471 * image.get(x, y, 2);
                edited[y * image.width() + x] = (luma + (1 << 15)) >> 16 <= BLACK;
            }
        }
        return new Mask(image.height(), image.width(), edited);
    }

    /// A mask from a map of attention to the words that are to change: what is above a threshold between the map's
    /// smallest and largest value may change.
    ///
    /// @param map `(height, width)`
    /// @param threshold 0 for the smallest value, 1 for the largest
    /// @throws IllegalArgumentException if there are not two axes, or the threshold does not lie between 0 and 1
    public static Mask above(Tensor map, double threshold) {
        if (map.rank() != 2 || map.elements() == 0) {
            throw new IllegalArgumentException("mask: " + map.shape() + " needs the axes (height, width)");
        }
        if (!(threshold >= 0 && threshold <= 1)) {
            throw new IllegalArgumentException("mask: threshold " + threshold + " does not lie between 0 and 1");
        }
        float[] values = map.toFloatArray();
        float low = Float.POSITIVE_INFINITY;
        float high = Float.NEGATIVE_INFINITY;
        for (float v : values) {
            low = Math.min(low, v);
            high = Math.max(high, v);
        }
        double limit = low + threshold * (high - low);
        boolean[] edited = new boolean[values.length];
        for (int i = 0; i < values.length; i++) {
            edited[i] = values[i] > limit;
        }
        return new Mask(map.dim(0), map.dim(1), edited);
    }

    /// Rows.
    public int height() {
        return height;
    }

    /// Columns.
    public int width() {
        return width;
    }

    /// Whether a pixel may change.
    public boolean isEdited(int row, int column) {
        return edited[row * width + column];
    }

    /// Number of pixels that may change.
    public int count() {
        int count = 0;
        for (boolean e : edited) {
            count += e ? 1 : 0;
        }
        return count;
    }

    /// This mask in another size: every pixel is that of this mask below its centre.
    public Mask resized(int toHeight, int toWidth) {
        boolean[] to = new boolean[Math.multiplyExact(toHeight, toWidth)];
        for (int y = 0; y < toHeight; y++) {
            for (int x = 0; x < toWidth; x++) {
                to[y * toWidth + x] = isEdited(nearest(y, toHeight, height), nearest(x, toWidth, width));
            }
        }
        return new Mask(toHeight, toWidth, to);
    }

    private static int nearest(int i, int to, int from) {
        return (int) ((2L * i + 1) * from / (2L * to));
    }

    /// The blocks of this mask that may change, as the original cuts it into [Blocks#ROUNDED].
    ///
    /// @param rows number of blocks from top to bottom
    /// @param columns number of blocks from left to right
    public Mask blocks(int rows, int columns) {
        return blocks(rows, columns, Blocks.ROUNDED);
    }

    /// The blocks of this mask that may change: those of whose pixels at least a fifth may.
    ///
    /// @param rows number of blocks from top to bottom
    /// @param columns number of blocks from left to right
    /// @param cut which pixels belong to a block
    public Mask blocks(int rows, int columns, Blocks cut) {
        boolean[] blocks = new boolean[Math.multiplyExact(rows, columns)];
        for (int i = 0; i < rows; i++) {
            int top = begin(cut, i, rows, height);
            int bottom = end(cut, i, rows, height);
            for (int j = 0; j < columns; j++) {
                int left = begin(cut, j, columns, width);
                int right = end(cut, j, columns, width);
                blocks[i * columns + j] = share(top, bottom, left, right) >= BLOCK_SHARE;
            }
        }
        return new Mask(rows, columns, blocks);
    }

    private static int begin(Blocks cut, int block, int blocks, int pixels) {
        return switch (cut) {
            case ROUNDED -> Math.min(block * rounded(pixels, blocks), pixels - 1);
            case EXACT -> (int) ((long) block * pixels / blocks);
        };
    }

    private static int end(Blocks cut, int block, int blocks, int pixels) {
        return switch (cut) {
            case ROUNDED ->
                Math.max(
                        begin(cut, block, blocks, pixels) + 1, Math.min((block + 1) * rounded(pixels, blocks), pixels));
            case EXACT -> (int) Math.ceilDiv((block + 1L) * pixels, (long) blocks);
        };
    }

    private static int rounded(int pixels, int blocks) {
        return (int) Math.rint((double) pixels / blocks);
    }

    private double share(int top, int bottom, int left, int right) {
        int count = 0;
        for (int y = top; y < bottom; y++) {
            for (int x = left; x < right; x++) {
                count += isEdited(y, x) ? 1 : 0;
            }
        }
        return (double) count / ((long) (bottom - top) * (right - left));
    }

    /// Whether each pixel may change.
    ///
    /// @return `(height, width)`, u8: 1 where it may, 0 where it stays
    public Tensor toTensor() {
        int[] values = new int[edited.length];
        Arrays.setAll(values, i -> edited[i] ? 1 : 0);
        return Tensor.of(values, height, width).to(DType.U8);
    }

    /// This mask as a picture: black where a pixel may change, white where it stays.
    public BufferedImage toImage() {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                image.setRGB(x, y, isEdited(y, x) ? 0 : 0xffffff);
            }
        }
        return image;
    }

    /// This mask as a grey picture.
    ///
    /// @return `(height, width)`, u8: 0 (black) where a pixel may change, 255 (white) where it stays
    public Tensor toGrey() {
        int[] values = new int[edited.length];
        Arrays.setAll(values, i -> edited[i] ? 0 : 255);
        return Tensor.of(values, height, width).to(DType.U8);
    }
}
