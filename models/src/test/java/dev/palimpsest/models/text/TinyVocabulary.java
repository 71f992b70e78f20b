package dev.palimpsest.models.text;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// A vocabulary for tests of whole models.
public final class TinyVocabulary {
    private TinyVocabulary() {}

    /// Writes a T5 vocabulary of 19 pieces, with the words "a", "the" and "cat".
    public static Path write(Path file) throws IOException {
        return Files.write(file, SmallVocabularies.sentencePiece().bytes());
    }
}
