package dev.palimpsest.models.api;

import java.util.concurrent.CancellationException;

/// A switch that one thread turns to stop work that another is doing. Models look at it at every step and every block.
public final class Cancellation {
    private volatile boolean requested;

    /// A switch that nobody has turned yet.
    public Cancellation() {}

    /// Asks the work to stop. It does so at its next check, and gives back its memory.
    public void cancel() {
        requested = true;
    }

    /// Whether [#cancel] was called.
    public boolean isRequested() {
        return requested;
    }

    /// Ends the work if it was asked to stop.
    ///
    /// @throws CancellationException if [#cancel] was called
    public void check() {
        if (requested) {
            throw new CancellationException("cancelled");
        }
    }
}
