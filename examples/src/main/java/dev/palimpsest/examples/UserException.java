package dev.palimpsest.examples;

import java.io.Serial;

/// Something that the user can put right; the message is one sentence that says what, where and what to do.
final class UserException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1;

    UserException(String message) {
        super(message);
    }

    UserException(String message, Exception cause) {
        super(message, cause);
    }
}
