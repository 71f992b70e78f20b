package dev.palimpsest.bench.peers;

/// A library to compare with is not here or does not work here; the message is one sentence that says why.
public final class PeerUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /// For this reason.
    public PeerUnavailableException(String message) {
        super(message);
    }
}
