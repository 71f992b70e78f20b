package dev.palimpsest.weights;

import java.io.IOException;
import java.io.Serial;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// A checkpoint that cannot be read, written or fitted to a model.
///
/// The message is one sentence: the file, the byte where the trouble lies if there is one, and what is wrong.
public final class CheckpointException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1;

    private static final int LONGEST_QUOTE = 120;

    private final transient Path path;
    private final long offset;
    private final String reason;

    /// A fault of the file as a whole.
    public CheckpointException(Path path, String reason) {
        this(path, -1, reason, null);
    }

    /// A fault of the file as a whole that comes from another error.
    public CheckpointException(Path path, String reason, @Nullable Throwable cause) {
        this(path, -1, reason, cause);
    }

    /// A fault at a byte of the file.
    ///
    /// @param offset distance from the beginning of the file, or a negative number if no byte can be named
    public CheckpointException(Path path, long offset, String reason, @Nullable Throwable cause) {
        super(path + (offset < 0 ? ": " : ", byte " + offset + ": ") + reason, cause);
        this.path = path;
        this.offset = offset;
        this.reason = reason;
    }

    /// The file or folder.
    public Path path() {
        return path;
    }

    /// Where in the file the fault lies, counted from its beginning.
    public OptionalLong offset() {
        return offset < 0 ? OptionalLong.empty() : OptionalLong.of(offset);
    }

    /// What is wrong, without the path.
    public String reason() {
        return reason;
    }

    /// What an input or output error says, without the path, which the message has already.
    public static String describe(IOException e) {
        String reason = e instanceof FileSystemException f ? f.getReason() : e.getMessage();
        return switch (e) {
            case ClosedByInterruptException _ -> "the thread was interrupted";
            case AccessDeniedException _ -> "permission denied";
            default -> reason == null ? e.getClass().getSimpleName() : printable(reason, LONGEST_QUOTE);
        };
    }

    /// Text that a file supplied, made fit for a message: in quotes, on one line, cut when long.
    static String quote(String text) {
        return "'" + printable(text, LONGEST_QUOTE) + "'";
    }

    /// Text on one line: control characters and lone surrogates become `?`, and what exceeds `limit` is cut.
    static String printable(String text, int limit) {
        StringBuilder sb = new StringBuilder();
        text.codePoints().limit(limit).forEach(c -> {
            boolean plain = !Character.isISOControl(c)
                    && Character.getType(c) != Character.SURROGATE
                    && Character.getType(c) != Character.FORMAT
                    && Character.getType(c) != Character.LINE_SEPARATOR
                    && Character.getType(c) != Character.PARAGRAPH_SEPARATOR;
            sb.appendCodePoint(plain ? c : '?');
        });
        return text.codePointCount(0, text.length()) > limit ? sb.append("...").toString() : sb.toString();
    }
}
