package dev.palimpsest.models.editinfinity;

import java.awt.image.BufferedImage;
import org.jspecify.annotations.Nullable;

/// A rewritten picture, and how it came about.
///
/// @param picture the new picture
/// @param attention where the model looked when it read the words that say what may change, in the size of the
///     layout's frame (64 x 64 for square pictures); null unless words said it
/// @param mask what was marked, by the user or from the attention; null if the whole picture could change
/// @param weights the share that the source has at each position of the latent, 0 to 1; null if the whole picture
///     could change
public record Rewritten(
        BufferedImage picture,
        @Nullable Heatmap attention,
        @Nullable Mask mask,
        @Nullable Heatmap weights) {}
