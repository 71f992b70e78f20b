package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.image.RgbImage;
import java.awt.image.BufferedImage;
import org.jspecify.annotations.Nullable;

/// Which part of a picture may change when it is rewritten.
public sealed interface EditArea {
    /// All of it: nothing of the picture is kept but what the model has learned.
    record Whole() implements EditArea {}

    /// What a mask marks.
    ///
    /// @param mask of any size; it is stretched over the picture
    record Masked(Mask mask) implements EditArea {}

    /// Where the model looks when it reads some words.
    ///
    /// @param words one word or several of the prompt, as they stand there, punctuation included
    /// @param prompt a text that describes the picture as it is and has the words, or null for the one it was inverted
    ///     with
    record Words(String words, @Nullable String prompt) implements EditArea {
        /// Checks that there are words.
        public Words {
            if (words.isBlank()) {
                throw new IllegalArgumentException("the words that say what to change are empty");
            }
        }

        /// The same words, looked for in another text.
        public Words withPrompt(@Nullable String prompt) {
            return new Words(words, prompt);
        }
    }

    /// The whole picture.
    static Whole whole() {
        return new Whole();
    }

    /// What a picture marks: its dark pixels may change, the bright ones stay.
    ///
    /// @param mask of any size; it is stretched over the picture
    static Masked mask(BufferedImage mask) {
        return mask(Mask.of(RgbImage.of(mask)));
    }

    /// What a mask marks.
    static Masked mask(Mask mask) {
        return new Masked(mask);
    }

    /// Where the model looks when it reads some words of the prompt that the picture was inverted with.
    ///
    /// @param words one word or several, as they stand there, punctuation included
    /// @throws IllegalArgumentException if they are blank
    static Words words(String words) {
        return new Words(words, null);
    }
}
