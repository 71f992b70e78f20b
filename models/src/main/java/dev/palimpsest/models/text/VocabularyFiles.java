package dev.palimpsest.models.text;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/// Reads vocabulary files whole, with a limit: the known ones have 1 to 5 MB, so anything far larger is a mix-up with
/// a checkpoint and must not fill the heap.
final class VocabularyFiles {
    static final int LARGEST = 16 << 20;

    private VocabularyFiles() {}

    /// @throws VocabularyException if the path is missing, is no regular file, is empty or is larger than {@link
    ///     #LARGEST}
    static byte[] read(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            throw new VocabularyException(path, "is a folder, expected a vocabulary file");
        }
        byte[] content;
        // Bounded by what is read, not by the size the file system reports: pipes and devices report none.
        try (var in = Files.newInputStream(path)) {
            content = in.readNBytes(LARGEST + 1);
        } catch (NoSuchFileException e) {
            throw new VocabularyException(path, "there is no such vocabulary file", e);
        } catch (IOException e) {
            throw new VocabularyException(path, "cannot be read (" + e.getMessage() + ")", e);
        }
        if (content.length == 0) {
            throw new VocabularyException(path, "the vocabulary file is empty");
        }
        if (content.length > LARGEST) {
            throw new VocabularyException(path, "has more than " + LARGEST + " bytes, too large for a vocabulary");
        }
        return content;
    }
}
