package dev.palimpsest.models.api;

import java.awt.image.BufferedImage;

/// A model that changes pictures as it is told in words.
///
/// @param <O> the model's options
public interface ImageEditor<O> extends AutoCloseable {
    /// Starts editing a picture.
    ///
    /// @param image the picture, at least one pixel; alpha is dropped
    /// @param options how to edit
    EditSession edit(BufferedImage image, O options);

    /// Unmaps the model's weights. Sessions must not be used afterwards.
    @Override
    void close();
}
