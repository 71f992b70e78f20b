package dev.palimpsest.models.image;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Tensor;

/// Steps between a picture and the numbers a model takes. Pictures are tensors `(3, H, W)`, f32.
public final class ImageTransforms {
    private ImageTransforms() {}

    /// The picture's samples divided by 255, channels first: `(3, H, W)` in 0..1.
    public static Tensor toFloat(RgbImage image) {
        return image.toTensor().permute(2, 0, 1).to(DType.F32).div(255.0);
    }

    /// The part with `top <= y < bottom` and `left <= x < right`.
    public static Tensor crop(Tensor x, int top, int bottom, int left, int right) {
        return x.slice(1, top, bottom).slice(2, left, right);
    }

    /// The largest centred part with a given ratio of width to height. Edges are truncated to whole pixels.
    ///
    /// @param ratioWidth first number of a ratio such as 16:9
    /// @param ratioHeight second number
    /// @return `(3, h, w)`, at least one pixel
    public static Tensor cropToRatio(Tensor x, int ratioWidth, int ratioHeight) {
        int h = x.dim(1);
        int w = x.dim(2);
        if ((double) h / w >= (double) ratioHeight / ratioWidth) {
            double d = (h - (double) w * ratioHeight / ratioWidth) / 2;
            return crop(x, (int) d, Math.max((int) (h - d), (int) d + 1), 0, w);
        }
        double d = (w - (double) h / ratioHeight * ratioWidth) / 2;
        return crop(x, 0, h, (int) d, Math.max((int) (w - d), (int) d + 1));
    }

    /// Resizes so that the area becomes about `side * side` and the ratio of the sides stays: each side is scaled by
    /// `sqrt(side^2 / (h w))` and rounded, half to even. Antialiased bicubic; values may leave the input's range.
    public static Tensor resizeToArea(Tensor x, int side) {
        int h = x.dim(1);
        int w = x.dim(2);
        double scale = Math.sqrt((double) side * side / ((double) h * w));
        int newH = (int) Math.max(Math.rint(h * scale), 1);
        int newW = (int) Math.max(Math.rint(w * scale), 1);
        return Functional.interpolate(Interpolation.BICUBIC_ANTIALIAS, x.unsqueeze(0), newH, newW)
                .squeeze(0);
    }

    /// Cuts both sides down to multiples of `factor`, around the centre; the offset is rounded half to even.
    ///
    /// @throws ImageException if a side is shorter than `factor`
    public static Tensor centreCropToMultiple(Tensor x, int factor) {
        int h = x.dim(1);
        int w = x.dim(2);
        int newH = h - h % factor;
        int newW = w - w % factor;
        if (newH == 0 || newW == 0) {
            throw new ImageException("a picture of " + w + " x " + h + " pixels is smaller than " + factor
                    + " pixels on a side after resizing; use a larger resolution or a less extreme aspect ratio");
        }
        int top = (int) Math.rint((h - newH) / 2.0);
        int left = (int) Math.rint((w - newW) / 2.0);
        return crop(x, top, top + newH, left, left + newW);
    }

    /// From 0..1 to -1..1.
    public static Tensor normalise(Tensor x) {
        return x.sub(0.5).div(0.5);
    }

    /// From -1..1 to a picture: clamped, scaled to 0..255 and truncated, not rounded.
    ///
    /// @param x `(3, H, W)`
    public static RgbImage toImage(Tensor x) {
        Tensor scaled = x.clamp(-1, 1).mul(0.5).add(0.5).mul(255.0); // (3, H, W)
        return RgbImage.of(scaled.permute(1, 2, 0).to(DType.U8));
    }
}
