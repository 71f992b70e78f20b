package dev.palimpsest.models.api;

import java.util.concurrent.CancellationException;

/// A switch that one thread turns to stop work that another is doing. Models look at it at every step and every block.
public final class Cancellation {
    /// Never stops anything. It is shared by all who gave no switch of their own, so nobody may turn it.
    public static final Cancellation NONE = new Cancellation(false);

    private final boolean turnable;
    private volatile boolean requested;

    /// A switch that nobody has turned yet.
    public Cancellation() {
        this(true);
    }

    private Cancellation(boolean turnable) {
        this.turnable = turnable;
    }

    /// Asks the work to stop. It does so at its next check, and gives back its memory.
    ///
    /// @throws IllegalStateException if this is [#NONE]
    public void cancel() {
        if (!turnable) {
            throw new IllegalStateException(
                    "cancel: this switch is shared by all who gave none; give the work a new Cancellation() of its own");
        }
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
