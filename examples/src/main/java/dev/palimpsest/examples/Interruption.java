package dev.palimpsest.examples;

import dev.palimpsest.models.api.Cancellation;
import java.io.PrintWriter;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;

/// Turns Ctrl-C and SIGTERM into a [Cancellation], and lets the JVM end only when the work has stopped and tidied up.
final class Interruption implements AutoCloseable {
    private static final int LONGEST_WAIT_SECONDS = 60;

    private final Cancellation cancellation = new Cancellation();
    private final CountDownLatch finished = new CountDownLatch(1);
    private final Thread hook = new Thread(this::stop, "palimpsest-interruption");

    private Interruption() {
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /// Does work that can be interrupted, after which nothing is left of it.
    ///
    /// @param err is told if it was
    /// @param work given what it must look at
    /// @throws CancellationException if the work was interrupted
    static void guard(PrintWriter err, Consumer<Cancellation> work) {
        guard(err, () -> "no file was left half-written", work);
    }

    /// Does work that can be interrupted.
    ///
    /// @param err is told if it was
    /// @param left says what is left then, in half a sentence
    /// @param work given what it must look at
    /// @throws CancellationException if the work was interrupted
    static void guard(PrintWriter err, Supplier<String> left, Consumer<Cancellation> work) {
        try (var interruption = new Interruption()) {
            try {
                work.accept(interruption.cancellation);
            } catch (CancellationException e) {
                // here, because the JVM may be gone as soon as the interruption is closed
                err.println("palimpsest: Stopped; " + left.get() + ".");
                err.flush();
                throw e;
            }
        }
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
            cancellation.cancel(); // the JVM is ending already
        }
    }
}
