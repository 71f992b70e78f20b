package dev.palimpsest.examples;

import dev.palimpsest.models.api.Cancellation;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Turns Ctrl-C and SIGTERM into a [Cancellation], and lets the JVM end only when the work has stopped and tidied up.
final class Interruption implements AutoCloseable {
    private static final int LONGEST_WAIT_SECONDS = 60;

    private final Cancellation cancellation = new Cancellation();
    private final CountDownLatch finished = new CountDownLatch(1);
    private final Thread hook = new Thread(this::stop, "palimpsest-interruption");

    Interruption() {
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /// What the work must look at.
    Cancellation cancellation() {
        return cancellation;
    }

    private void stop() {
        cancellation.cancel();
        try {
            // The JVM halts when this returns, wherever the work is then: what it has half-written would stay.
            var _ = finished.await(LONGEST_WAIT_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// The work has ended, one way or another.
    @Override
    public void close() {
        finished.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // the JVM is already ending
            cancellation.cancel();
        }
    }
}
