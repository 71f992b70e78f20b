package dev.palimpsest.kernels;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/// The engine's own threads: a loop over task numbers, shared between the calling thread and its workers.
///
/// Workers watch for the next loop for a while before they park, so that the many short loops of a model follow each
/// other without a wake-up. Tasks are handed out one at a time; what a task computes must not depend on who runs it,
/// which keeps results independent of the number of threads. Nested loops and loops started while another thread's loop
/// is under way run on their calling thread alone.
///
/// **How a loop costs less than a microsecond.** Nothing is allocated, and what passes between processors are a few
/// cache lines. One word, the _ticket_, holds both the number of tasks and the next one, so whoever adds one to it
/// learns at once which task is his or that there is none, even if he comes so late that it is the next loop's. A
/// thread counts what it has done by itself and reports it once. Words that different threads write lie in lines of
/// their own.
///
/// **More threads than processors** are no gain, yet no disaster either: then nobody watches for long, the processor is
/// given away while waiting, and sleeping workers are only woken while tasks remain.
public final class Parallel implements AutoCloseable {
    /// How long a worker watches for the next loop before it parks: much longer than what a model does between two
    /// loops, and a few times what waking it up may take.
    private static final long WATCH_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    /// The same where threads compete for processors, which are given away meanwhile.
    private static final long CROWDED_WATCH_NANOS = TimeUnit.MICROSECONDS.toNanos(50);

    /// How long a caller waits for the last tasks before it gives its processor away.
    private static final long WAIT_NANOS = TimeUnit.MICROSECONDS.toNanos(100);

    /// Looks at the ticket between two looks at the clock.
    private static final int LOOKS = 32;

    // two cache lines apart, because processors fetch them in pairs
    private static final int LINE = 16;
    private static final int TICKET = LINE;
    private static final int DONE = 2 * LINE;

    private final Worker[] workers;
    private final boolean crowded;
    private final AtomicReference<@Nullable Thread> owner = new AtomicReference<>();

    /// The ticket: number of tasks in the upper half, next task in the lower. And how many tasks workers have done
    /// since the pool began.
    private final AtomicLongArray words = new AtomicLongArray(3 * LINE);

    private final Loop loop = new Loop();
    private volatile boolean closed;

    /// What the tasks of the loop under way are and what became of them; written before the ticket, read after it.
    private static final class Loop {
        @Nullable
        IntConsumer body;

        long doneBefore;
        volatile @Nullable Throwable failure;

        synchronized void fail(Throwable e) {
            if (failure == null) {
                failure = e;
            }
        }
    }

    private final class Worker extends Thread {
        private final int number;
        volatile boolean parked;

        Worker(int number) {
            super("palimpsest-" + number);
            this.number = number;
            setDaemon(true);
        }

        @Override
        public void run() {
            while (!closed) {
                long ticket = watch();
                if (isTask(ticket)) {
                    words.getAndAdd(DONE, work(number, ticket));
                } else {
                    sleep();
                }
            }
        }

        /// Waits for a task for some time.
        ///
        /// @return a ticket; not of a task if there was none
        @SuppressWarnings("ThreadPriorityCheck") // yielding only gives the processor away
        private long watch() {
            long begin = System.nanoTime();
            long limit = crowded ? CROWDED_WATCH_NANOS : WATCH_NANOS;
            do {
                for (int i = 0; i < LOOKS; i++) {
                    if (isTask(words.get(TICKET))) {
                        long ticket = words.getAndAdd(TICKET, 1);
                        if (isTask(ticket)) {
                            return ticket;
                        }
                    }
                    Thread.onSpinWait();
                }
                if (crowded) {
                    Thread.yield();
                }
            } while (System.nanoTime() - begin < limit && !closed);
            return 0;
        }

        /// Sleeps until it is woken up, be it too late for a task: where one loop was, the next one is near.
        private void sleep() {
            parked = true;
            if (!isTask(words.get(TICKET)) && !closed) {
                LockSupport.park(Parallel.this);
                Thread.interrupted(); // an interrupted thread would not park again
            }
            parked = false;
        }
    }

    /// A pool of this many threads, the calling one included; 1 means no worker at all.
    ///
    /// @throws IllegalArgumentException if `threads` is less than 1
    public Parallel(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: " + threads + " must be at least 1");
        }
        crowded = threads > Runtime.getRuntime().availableProcessors();
        workers = new Worker[threads - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = new Worker(i + 1);
        }
        for (Worker w : workers) {
            w.start();
        }
    }

    /// Number of threads that share a loop, the caller included.
    public int threads() {
        return workers.length + 1;
    }

    /// Runs `body` for every task from 0 to `tasks - 1`, each exactly once, and returns when all are done.
    ///
    /// If a task throws, the remaining tasks are skipped and the first exception is thrown here.
    public void forEach(int tasks, IntConsumer body) {
        if (tasks <= 1 || workers.length == 0 || closed || !own()) {
            for (int i = 0; i < tasks; i++) {
                body.accept(i);
            }
            return;
        }
        Throwable failure;
        try {
            share(tasks, body);
        } finally {
            failure = loop.failure;
            owner.set(null);
        }
        switch (failure) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException("a task failed: " + failure, failure);
        }
    }

    private boolean own() {
        return owner.get() == null && owner.compareAndSet(null, Thread.currentThread());
    }

    private void share(int tasks, IntConsumer body) {
        loop.body = body;
        if (loop.failure != null) {
            loop.failure = null;
        }
        long mine = (long) tasks << Integer.SIZE;
        words.set(TICKET, mine + 1); // the first task is the caller's
        loop.doneBefore += (long) tasks - work(0, mine);
        await(loop.doneBefore);
    }

    /// Waits until workers have done so many tasks since the pool began.
    @SuppressWarnings("ThreadPriorityCheck") // yielding only gives the processor away; nothing relies on who gets it
    private void await(long done) {
        long begin = 0;
        for (int looks = 1; words.get(DONE) != done; looks++) {
            Thread.onSpinWait();
            if (looks % LOOKS == 0) {
                long now = System.nanoTime();
                begin = begin == 0 ? now : begin;
                if (crowded || now - begin > WAIT_NANOS) {
                    Thread.yield(); // on a busy machine the last task may be waiting for this very processor
                }
            }
        }
    }

    /// Runs the task of a ticket, and others as long as there are any.
    ///
    /// @param thread 0 for the caller, else the worker's number
    /// @return how many
    private int work(int thread, long first) {
        wake(thread);
        int done = 0;
        long ticket = first;
        IntConsumer body = loop.body;
        while (isTask(ticket)) {
            if (body != null && loop.failure == null) {
                try {
                    body.accept((int) ticket);
                } catch (Exception | Error e) {
                    loop.fail(e);
                }
            }
            done++;
            ticket = isTask(ticket + 1) ? words.getAndAdd(TICKET, 1) : 0;
        }
        return done;
    }

    /// Wakes up to two workers, each of which wakes two more when it has got a task.
    private void wake(int thread) {
        for (int child = 2 * thread; child < 2 * thread + 2 && child < workers.length; child++) {
            if (workers[child].parked && isTask(words.get(TICKET))) {
                LockSupport.unpark(workers[child]);
            }
        }
    }

    private static boolean isTask(long ticket) {
        return (int) ticket < (int) (ticket >>> Integer.SIZE);
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
