package dev.palimpsest.models.editinfinity;

import dev.palimpsest.tensor.Tensor;
import java.awt.image.BufferedImage;

/// A number for every position of a picture. It does not depend on any scope.
public final class Heatmap {
    private final int height;
    private final int width;
    private final float[] values; // (height, width)

    private Heatmap(int height, int width, float[] values) {
        this.height = height;
        this.width = width;
        this.values = values;
    }

    /// A copy of a tensor.
    ///
    /// @param map `(height, width)`
    /// @throws IllegalArgumentException if it has other axes or no elements
    public static Heatmap of(Tensor map) {
        if (map.rank() != 2 || map.elements() == 0) {
            throw new IllegalArgumentException("heat map: " + map.shape() + " needs the axes (height, width)");
        }
        return new Heatmap(map.dim(0), map.dim(1), map.toFloatArray());
    }

    /// Rows.
    public int height() {
        return height;
    }

    /// Columns.
    public int width() {
        return width;
    }

    /// One number.
    public float get(int row, int column) {
        return values[row * width + column];
    }

    /// All numbers, row by row.
    public float[] values() {
        return values.clone();
    }

    /// A grey picture with a pixel for every number: the smallest is black, the largest white. If all are the same it
    /// is black.
    public BufferedImage toImage() {
        float low = Float.POSITIVE_INFINITY;
        float high = Float.NEGATIVE_INFINITY;
        for (float v : values) {
            low = Math.min(low, v);
            high = Math.max(high, v);
        }
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int level = high > low ? Math.round(255 * (get(y, x) - low) / (high - low)) : 0;
                image.setRGB(x, y, level << 16 | level << 8 | level);
            }
        }
        return image;
    }
}
