package dev.palimpsest.models.api;

import java.awt.image.BufferedImage;

/// A model that makes pictures from words.
///
/// @param <O> the model's options
public interface ImageGenerator<O> extends AutoCloseable {
    /// Makes a picture.
    ///
    /// @param prompt what it should show, in words
    /// @param options how to make it
    /// @throws IllegalArgumentException if the prompt is blank or an option does not fit the model
    /// @throws java.util.concurrent.CancellationException if the options' [Cancellation] was used
    BufferedImage generate(String prompt, O options);

    /// Unmaps the model's weights.
    @Override
    void close();
}
