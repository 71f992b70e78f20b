package dev.palimpsest.weights;

import java.io.Serial;

/// Something that a pickle may not do or that makes no sense, on its way to the [PickleMachine], which adds where it
/// was.
final class Refused extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1;

    private final String reason;

    Refused(String reason) {
        super(reason, null, false, false);
        this.reason = reason;
    }

    String reason() {
        return reason;
    }
}
