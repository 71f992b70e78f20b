package dev.palimpsest.models.infinity;

import dev.palimpsest.tensor.Tensor;

/// Exchanges blocks of neighbouring pixels for channels (Shi et al. 2016, arXiv 1609.05158).
///
/// Channel `c * factor * factor + dy * factor + dx` at `(y, x)` is channel `c` at `(factor y + dy, factor x + dx)`.
public final class PixelShuffle {
    private PixelShuffle() {}

    /// Channels to pixels.
    ///
    /// @param x `(N, C factor factor, H, W)`
    /// @return `(N, C, H factor, W factor)`
    /// @throws IllegalArgumentException if the channels do not divide
    public static Tensor shuffle(Tensor x, int factor) {
        int area = factor * factor;
        if (x.rank() != 4 || x.dim(1) % area != 0) {
            throw new IllegalArgumentException(
                    "pixel_shuffle: " + x.shape() + " needs the axes (N, C, H, W) with C a multiple of " + area);
        }
        int n = x.dim(0);
        int c = x.dim(1) / area;
        int h = x.dim(2);
        int w = x.dim(3);
        return x.reshape(n, c, factor, factor, h, w)
                .permute(0, 1, 4, 2, 5, 3) // (N, C, H, dy, W, dx)
                .reshape(n, c, h * factor, w * factor);
    }

    /// Pixels to channels.
    ///
    /// @param x `(N, C, H factor, W factor)`
    /// @return `(N, C factor factor, H, W)`
    /// @throws IllegalArgumentException if rows or columns do not divide
    public static Tensor unshuffle(Tensor x, int factor) {
        if (x.rank() != 4 || x.dim(2) % factor != 0 || x.dim(3) % factor != 0) {
            throw new IllegalArgumentException("pixel_unshuffle: " + x.shape()
                    + " needs the axes (N, C, H, W) with H and W multiples of " + factor);
        }
        int n = x.dim(0);
        int c = x.dim(1);
        int h = x.dim(2) / factor;
        int w = x.dim(3) / factor;
        return x.reshape(n, c, h, factor, w, factor)
                .permute(0, 1, 3, 5, 2, 4) // (N, C, dy, dx, H, W)
                .reshape(n, c * factor * factor, h, w);
    }
}
