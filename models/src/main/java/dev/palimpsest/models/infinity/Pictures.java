package dev.palimpsest.models.infinity;

import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.models.image.Resampling;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;

/// Pictures on their way into the autoencoder. There are two ways, which do not give the same numbers.
public final class Pictures {
    private Pictures() {}

    /// A picture to be learned: made to cover the target without changing its shape, and what exceeds it cut off
    /// evenly.
    ///
    /// @return `(3, height, width)`, -1 to 1
    public static Tensor covering(RgbImage picture, int height, int width) {
        double shape = (double) picture.width() / picture.height();
        // Truncation may lose a pixel where the shapes agree.
        RgbImage cover = shape <= (double) width / height
                ? Resampling.LANCZOS.resize(picture, width, Math.max((int) (width / shape), height))
                : Resampling.LANCZOS.resize(picture, Math.max((int) (shape * height), width), height);
        int top = (cover.height() - height) / 2;
        int left = (cover.width() - width) / 2;
        return Scope.run(() -> {
            Tensor cut = ImageTransforms.crop(ImageTransforms.toFloat(cover), top, top + height, left, left + width);
            return cut.add(cut).sub(1.0);
        });
    }

    /// A picture to take the codes from: brought to the target whatever its shape was.
    ///
    /// @return `(3, height, width)`, -1 to 1
    public static Tensor stretched(RgbImage picture, int height, int width) {
        return Scope.run(() ->
                ImageTransforms.normalise(ImageTransforms.toFloat(Resampling.BILINEAR.resize(picture, width, height))));
    }
}
