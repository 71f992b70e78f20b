package dev.palimpsest.models.json;

import java.io.Serial;
import org.jspecify.annotations.Nullable;

/// A JSON document that cannot be read or lacks what was asked for. The message names the document and the field.
public final class JsonException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1;

    /// A fault in a document.
    public JsonException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
