package dev.palimpsest.models.image;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Tensor;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentSampleModel;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/// A picture of 8-bit red, green and blue samples, rows from the top, pixels from the left, samples of a pixel
/// together. Immutable.
public final class RgbImage {
    private final int width;
    private final int height;
    private final byte[] samples;

    private RgbImage(int width, int height, byte[] samples) {
        if (width < 1 || height < 1) {
            throw new ImageException("a picture of " + width + " x " + height + " pixels has no content");
        }
        if (samples.length != 3L * width * height) {
            throw new IllegalArgumentException(
                    samples.length + " samples do not fill a picture of " + width + " x " + height + " pixels");
        }
        this.width = width;
        this.height = height;
        this.samples = samples;
    }

    /// A picture with a copy of these samples: `samples[(y * width + x) * 3 + channel]`.
    ///
    /// @throws ImageException if width or height is less than 1
    public static RgbImage of(int width, int height, byte[] samples) {
        return new RgbImage(width, height, samples.clone());
    }

    static RgbImage owning(int width, int height, byte[] samples) {
        return new RgbImage(width, height, samples);
    }

    /// The samples of a Java picture as they are stored: no colour management, alpha dropped, grey repeated, 16-bit
    /// samples cut to their upper half. This is what PIL's `convert("RGB")` does.
    public static RgbImage of(BufferedImage image) {
        int w = image.getWidth();
        int h = image.getHeight();
        byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(w, h))];
        ColorModel model = image.getColorModel();
        Raster raster = image.getRaster();
        boolean stored = !(model instanceof IndexColorModel)
                && raster.getSampleModel() instanceof ComponentSampleModel
                && (raster.getTransferType() == java.awt.image.DataBuffer.TYPE_BYTE
                        || raster.getTransferType() == java.awt.image.DataBuffer.TYPE_USHORT)
                && !model.isAlphaPremultiplied();
        if (stored) {
            // Grey pictures must not go through getRGB, which would apply the gamma of Java's linear grey colour space.
            int bands = raster.getNumBands();
            int shift = raster.getTransferType() == java.awt.image.DataBuffer.TYPE_USHORT ? 8 : 0;
            int[] row = new int[w * bands];
            for (int y = 0; y < h; y++) {
                raster.getPixels(raster.getMinX(), raster.getMinY() + y, w, 1, row);
                for (int x = 0; x < w; x++) {
                    for (int c = 0; c < 3; c++) {
                        rgb[(y * w + x) * 3 + c] = (byte) (row[x * bands + (bands < 3 ? 0 : c)] >> shift);
                    }
                }
            }
        } else {
            int[] row = new int[w];
            for (int y = 0; y < h; y++) {
                image.getRGB(0, y, w, 1, row, 0, w);
                for (int x = 0; x < w; x++) {
                    int p = row[x];
                    int at = (y * w + x) * 3;
                    rgb[at] = (byte) (p >> 16);
                    rgb[at + 1] = (byte) (p >> 8);
                    rgb[at + 2] = (byte) p;
                }
            }
        }
        return new RgbImage(w, h, rgb);
    }

    /// The picture of a tensor of samples.
    ///
    /// @param samples `(H, W, 3)`, u8
    public static RgbImage of(Tensor samples) {
        if (samples.rank() != 3 || samples.dim(2) != 3 || samples.dtype() != DType.U8) {
            throw new IllegalArgumentException("picture: " + samples + " is not u8(H, W, 3)");
        }
        NdArray dense = samples.contiguous().array();
        byte[] bytes =
                dense.memory().asSlice(dense.byteOffset(), dense.elements()).toArray(ValueLayout.JAVA_BYTE);
        return new RgbImage(samples.dim(1), samples.dim(0), bytes);
    }

    /// Width in pixels.
    public int width() {
        return width;
    }

    /// Height in pixels.
    public int height() {
        return height;
    }

    /// One sample, 0 to 255.
    ///
    /// @param channel 0 red, 1 green, 2 blue
    public int get(int x, int y, int channel) {
        return samples[(y * width + x) * 3 + channel] & 0xff;
    }

    byte[] samples() {
        return samples;
    }

    /// The samples as a tensor `(H, W, 3)`, u8.
    public Tensor toTensor() {
        Tensor t = Tensor.empty(DType.U8, Shape.of(height, width, 3));
        MemorySegment.copy(samples, 0, t.array().memory(), ValueLayout.JAVA_BYTE, 0, samples.length);
        return t;
    }

    /// A copy as a Java picture of type [BufferedImage#TYPE_INT_RGB].
    public BufferedImage toBufferedImage() {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        int[] row = new int[width];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                row[x] = get(x, y, 0) << 16 | get(x, y, 1) << 8 | get(x, y, 2);
            }
            image.setRGB(0, y, width, 1, row, 0, width);
        }
        return image;
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof RgbImage i && i.width == width && i.height == height && Arrays.equals(i.samples, samples);
    }

    @Override
    public int hashCode() {
        return 31 * (31 * width + height) + Arrays.hashCode(samples);
    }

    @Override
    public String toString() {
        return width + " x " + height + " pixels";
    }
}
