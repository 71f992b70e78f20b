package dev.palimpsest.kernels;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/// The engine's own threads: a loop over task numbers, shared between the calling thread and its workers.
///
/// Workers spin briefly for the next loop before they park, so that the many short loops of a model follow each other
/// without a wake-up. Tasks are handed out one at a time; what a task computes must not depend on who runs it, which
/// keeps results independent of the number of threads. Nested loops and loops started while another thread's loop is
/// under way run on their calling thread alone.
public final class Parallel implements AutoCloseable {
    private static final int SPINS = 20_000;

    /// One loop: tasks are taken from `next`, finished tasks counted in `done`.
    private static final class Loop {
        final int tasks;
        final IntConsumer body;
        final AtomicInteger next = new AtomicInteger();
        final AtomicInteger done = new AtomicInteger();
        final AtomicReference<@Nullable RuntimeException> failure = new AtomicReference<>();
        final AtomicReference<@Nullable Error> error = new AtomicReference<>();

        Loop(int tasks, IntConsumer body) {
            this.tasks = tasks;
            this.body = body;
        }

        void work() {
            int i;
            while ((i = next.getAndIncrement()) < tasks) {
                try {
                    if (failure.get() == null && error.get() == null) {
                        body.accept(i);
                    }
                } catch (RuntimeException e) {
                    failure.compareAndSet(null, e);
                } catch (Error e) {
                    error.compareAndSet(null, e);
                } finally {
                    done.incrementAndGet();
                }
            }
        }
    }

    private final class Worker extends Thread {
        volatile boolean parked;

        Worker(int number) {
            super("palimpsest-" + number);
            setDaemon(true);
        }

        @Override
        public void run() {
            Loop seen = null;
            while (!closed) {
                Loop loop = current;
                for (int s = 0; s < SPINS && loop == seen && !closed; s++) {
                    Thread.onSpinWait();
                    loop = current;
                }
                if (loop == seen) {
                    parked = true;
                    while (current == seen && !closed) {
                        LockSupport.park(Parallel.this);
                    }
                    parked = false;
                    continue;
                }
                seen = loop;
                if (loop != null) {
                    loop.work();
                }
            }
        }
    }

    private final Worker[] workers;
    private final AtomicReference<@Nullable Thread> owner = new AtomicReference<>();
    private volatile @Nullable Loop current;
    private volatile boolean closed;

    /// A pool of this many threads, the calling one included; 1 means no worker at all.
    ///
    /// @throws IllegalArgumentException if `threads` is less than 1
    public Parallel(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: " + threads + " must be at least 1");
        }
        workers = new Worker[threads - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = new Worker(i + 1);
            workers[i].start();
        }
    }

    /// Number of threads that share a loop, the caller included.
    public int threads() {
        return workers.length + 1;
    }

    /// Runs `body` for every task from 0 to `tasks - 1`, each exactly once, and returns when all are done.
    ///
    /// If a task throws, the remaining tasks are skipped and the first exception is thrown here.
    @SuppressWarnings("ThreadPriorityCheck") // yielding only gives the processor away; nothing relies on who gets it
    public void forEach(int tasks, IntConsumer body) {
        if (tasks <= 1 || workers.length == 0 || !owner.compareAndSet(null, Thread.currentThread())) {
            for (int i = 0; i < tasks; i++) {
                body.accept(i);
            }
            return;
        }
        Loop loop = new Loop(tasks, body);
        try {
            current = loop;
            for (Worker w : workers) {
                if (w.parked) {
                    LockSupport.unpark(w);
                }
            }
            loop.work();
            for (int spins = 0; loop.done.get() < tasks; spins++) {
                if (spins < SPINS) {
                    Thread.onSpinWait();
                } else {
                    Thread.yield(); // on a busy machine the last task may be waiting for this very processor
                }
            }
        } finally {
            owner.set(null);
        }
        Error error = loop.error.get();
        if (error != null) {
            throw error;
        }
        RuntimeException failure = loop.failure.get();
        if (failure != null) {
            throw failure;
        }
    }

    /// Ends the workers; loops started later run on their caller alone.
    @Override
    public void close() {
        closed = true;
        for (Worker w : workers) {
            LockSupport.unpark(w);
        }
    }
}
