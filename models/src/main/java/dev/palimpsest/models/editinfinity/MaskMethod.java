package dev.palimpsest.models.editinfinity;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// How a mask from attention reaches the latent.
public enum MaskMethod {
    /// As it is: every pixel of the map is one of the mask, and every position of the latent looks at those it covers.
    DIRECT,
    /// By way of a plotted picture of 616 pixels, as in the original, whose pixels do not divide into the positions of
    /// the latent: the mask is stretched by about 4 % and loses its last rows and columns.
    PLOTTED;

    /// Pixels of the longer side of the original's plot.
    private static final int PLOT = 616;

    /// The method of a name in a configuration: `direct` or `plotted`.
    ///
    /// @throws IllegalArgumentException naming both if it is neither of them
    public static MaskMethod of(String label) {
        return Arrays.stream(values())
                .filter(method -> method.label().equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("mask method: '" + label + "' is not one of "
                        + Arrays.stream(values()).map(MaskMethod::label).collect(Collectors.joining(", "))));
    }

    /// Its name in configurations.
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// The mask that is cut into blocks.
    Mask drawn(Mask mask) {
        if (this == DIRECT) {
            return mask;
        }
        int longer = Math.max(mask.height(), mask.width());
        return mask.resized(
                Math.max(1, Math.round((float) PLOT * mask.height() / longer)),
                Math.max(1, Math.round((float) PLOT * mask.width() / longer)));
    }

    /// How it is cut: a map divides into the positions of square latents, and for others there is nothing to repeat.
    Mask.Blocks blocks() {
        return this == DIRECT ? Mask.Blocks.EXACT : Mask.Blocks.ROUNDED;
    }
}
