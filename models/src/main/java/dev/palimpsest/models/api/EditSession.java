package dev.palimpsest.models.api;

import java.awt.image.BufferedImage;
import java.util.List;

/// A picture being edited turn by turn: every turn sees the pictures and prompts of all turns before it.
///
/// A session belongs to the thread that uses it.
public interface EditSession {
    /// Applies the next instruction to the latest picture.
    ///
    /// @param prompt what to change, in words
    /// @return the new picture, which the next turn starts from
    /// @throws IllegalArgumentException if the prompt is blank or the session has reached its limit of prompts
    /// @throws java.util.concurrent.CancellationException if the session's [Cancellation] was used
    BufferedImage apply(String prompt);

    /// The pictures so far: the given ones, then one for each turn.
    List<BufferedImage> images();

    /// The prompts so far, as given.
    List<String> prompts();
}
