package dev.palimpsest.models.image;

/// A picture that cannot be read, written or used; the message is one sentence that says what, where and why.
public final class ImageException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /// With the sentence for the user.
    public ImageException(String message) {
        super(message);
    }

    /// With the sentence for the user and what led to it.
    public ImageException(String message, Throwable cause) {
        super(message, cause);
    }
}
