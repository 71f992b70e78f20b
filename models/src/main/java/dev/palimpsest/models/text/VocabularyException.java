package dev.palimpsest.models.text;

import java.io.IOException;
import java.nio.file.Path;

/// A vocabulary file that cannot be read or is broken. The message is one sentence that starts with the path and,
/// where there is one, the line or the byte offset of the fault.
public final class VocabularyException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String reason;

    /// A fault of the file as a whole.
    ///
    /// @param path the vocabulary file
    /// @param reason what is wrong and, where it is not obvious, what to do
    public VocabularyException(Path path, String reason) {
        super(path + ": " + reason);
        this.reason = reason;
    }

    /// A fault of the file as a whole with the exception that showed it.
    ///
    /// @param path the vocabulary file
    /// @param reason what is wrong and, where it is not obvious, what to do
    /// @param cause the underlying failure
    public VocabularyException(Path path, String reason, Throwable cause) {
        super(path + ": " + reason, cause);
        this.reason = reason;
    }

    /// What is wrong, without the path.
    public String reason() {
        return reason;
    }

    static VocabularyException atLine(Path path, int line, String reason) {
        return new VocabularyException(path, "line " + line + ": " + reason);
    }

    static VocabularyException atByte(Path path, long offset, String reason) {
        return new VocabularyException(path, "byte " + offset + ": " + reason);
    }
}
