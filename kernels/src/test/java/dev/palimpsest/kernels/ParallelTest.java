package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ParallelTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void runsEveryTaskExactlyOnce(int threads) {
        try (Parallel parallel = new Parallel(threads)) {
            assertThat(parallel.threads()).isEqualTo(threads);
            for (int tasks : new int[] {0, 1, 2, 3, 7, 100, 1000}) {
                for (int repeat = 0; repeat < 20; repeat++) {
                    AtomicIntegerArray runs = new AtomicIntegerArray(tasks);

                    parallel.forEach(tasks, runs::incrementAndGet);

                    for (int i = 0; i < tasks; i++) {
                        assertThat(runs.get(i)).isEqualTo(1);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {8, 64})
    void moreThreadsThanProcessorsFinishShortLoops(int threads) {
        try (Parallel parallel = new Parallel(threads)) {
            AtomicIntegerArray runs = new AtomicIntegerArray(threads);

            for (int round = 0; round < 2000; round++) {
                parallel.forEach(threads, runs::incrementAndGet);
            }

            for (int i = 0; i < threads; i++) {
                assertThat(runs.get(i)).isEqualTo(2000);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 8, 64})
    void everyThreadIsWokenWhenTasksWaitForEachOther(int threads) throws InterruptedException {
        try (Parallel parallel = new Parallel(threads)) {
            for (int round = 0; round < 3; round++) {
                Thread.sleep(20); // long enough for the workers to park
                Set<Thread> seen = ConcurrentHashMap.newKeySet();
                CountDownLatch all = new CountDownLatch(threads);

                parallel.forEach(threads, i -> {
                    seen.add(Thread.currentThread());
                    all.countDown();
                    await(all);
                });

                assertThat(seen).hasSize(threads);
            }
        }
    }

    @Test
    void loopsOfDifferentLengthsInTurnMixNothingUp() {
        try (Parallel parallel = new Parallel(3)) {
            int[] plain = new int[9];
            for (int round = 0; round < 20_000; round++) {
                int add = round % 2 == 0 ? 1 : 1000;

                parallel.forEach(2 + round % 8, i -> plain[i] += add);
            }

            // 2500 rounds of each length, of which those of even lengths add 1
            int[] expected = new int[9];
            for (int i = 0; i < 9; i++) {
                for (int length = Math.max(2, i + 1); length < 10; length++) {
                    expected[i] += 2500 * (length % 2 == 0 ? 1 : 1000);
                }
            }
            assertThat(plain).containsExactly(expected);
        }
    }

    @Test
    void whatTasksWroteIsSeenAfterwards() {
        try (Parallel parallel = new Parallel(4)) {
            int[] plain = new int[64];
            for (int round = 1; round <= 500; round++) {
                parallel.forEach(plain.length, i -> plain[i]++);
            }

            assertThat(plain).containsOnly(500);
        }
    }

    @Test
    void workersTakePart() throws InterruptedException {
        try (Parallel parallel = new Parallel(3)) {
            Set<Thread> seen = ConcurrentHashMap.newKeySet();
            CountDownLatch all = new CountDownLatch(3);

            // every task waits until three are running, which takes three threads
            parallel.forEach(3, i -> {
                seen.add(Thread.currentThread());
                all.countDown();
                await(all);
            });

            assertThat(seen).hasSize(3).contains(Thread.currentThread());
            assertThat(seen.stream().filter(t -> t != Thread.currentThread())).allMatch(Thread::isDaemon);
        }
    }

    @Test
    void workersWakeUpAfterARest() throws InterruptedException {
        try (Parallel parallel = new Parallel(2)) {
            for (int round = 0; round < 5; round++) {
                Thread.sleep(50); // long enough for the worker to park
                CountDownLatch both = new CountDownLatch(2);
                parallel.forEach(2, i -> {
                    both.countDown();
                    await(both);
                });
            }
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void anExceptionOfATaskArrivesAndLaterLoopsWork(int threads) {
        try (Parallel parallel = new Parallel(threads)) {
            for (int failing = 0; failing < 8; failing++) {
                int bad = failing;
                IllegalStateException thrown = new IllegalStateException("task " + bad);
                assertThatThrownBy(() -> parallel.forEach(8, i -> {
                            if (i == bad) {
                                throw thrown;
                            }
                        }))
                        .isSameAs(thrown);
            }
            AtomicInteger runs = new AtomicInteger();
            parallel.forEach(10, i -> runs.incrementAndGet());
            assertThat(runs).hasValue(10);
        }
    }

    @Test
    void tasksAreSkippedAfterAnException() {
        try (Parallel parallel = new Parallel(2)) {
            AtomicInteger runs = new AtomicInteger();

            assertThatThrownBy(() -> parallel.forEach(1_000_000, i -> {
                        runs.incrementAndGet();
                        throw new IllegalStateException("at once");
                    }))
                    .hasMessage("at once");

            assertThat(runs.get()).isLessThanOrEqualTo(2);
        }
    }

    @Test
    void anErrorOfATaskArrives() {
        try (Parallel parallel = new Parallel(2)) {
            AssertionError thrown = new AssertionError("broken");

            assertThatThrownBy(() -> parallel.forEach(4, i -> {
                        throw thrown;
                    }))
                    .isSameAs(thrown);
        }
    }

    @Test
    void nestedLoopsRunOnTheirTask() {
        try (Parallel parallel = new Parallel(3)) {
            AtomicIntegerArray runs = new AtomicIntegerArray(12 * 5);
            Set<Boolean> same = ConcurrentHashMap.newKeySet();

            parallel.forEach(12, i -> {
                Thread outer = Thread.currentThread();
                parallel.forEach(5, j -> {
                    runs.incrementAndGet(i * 5 + j);
                    same.add(Thread.currentThread() == outer);
                });
            });

            for (int i = 0; i < runs.length(); i++) {
                assertThat(runs.get(i)).isEqualTo(1);
            }
            assertThat(same).containsOnly(true);
        }
    }

    @Test
    void aNestedExceptionReachesTheOuterCaller() {
        try (Parallel parallel = new Parallel(2)) {
            assertThatThrownBy(() -> parallel.forEach(
                            4,
                            i -> parallel.forEach(4, j -> {
                                throw new IllegalStateException("inside");
                            })))
                    .hasMessage("inside");
        }
    }

    @Test
    void severalCallersShareThePool() throws InterruptedException {
        try (Parallel parallel = new Parallel(3)) {
            AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
            List<Thread> callers = new ArrayList<>();
            for (int c = 0; c < 4; c++) {
                Thread caller = new Thread(() -> {
                    for (int round = 0; round < 300; round++) {
                        AtomicIntegerArray runs = new AtomicIntegerArray(37);
                        parallel.forEach(37, runs::incrementAndGet);
                        for (int i = 0; i < 37; i++) {
                            assertThat(runs.get(i)).isEqualTo(1);
                        }
                    }
                });
                caller.setUncaughtExceptionHandler((t, e) -> failure.set(e));
                callers.add(caller);
                caller.start();
            }
            for (Thread caller : callers) {
                assertThat(caller.join(Duration.ofSeconds(50))).isTrue();
            }
            assertThat(failure).hasNullValue();
        }
    }

    @Test
    void loopsAfterClosingRunOnTheirCaller() {
        Parallel parallel = new Parallel(3);
        parallel.close();
        Set<Thread> seen = ConcurrentHashMap.newKeySet();

        parallel.forEach(50, i -> seen.add(Thread.currentThread()));

        assertThat(seen).containsExactly(Thread.currentThread());
    }

    @Test
    void needsAThread() {
        assertThatThrownBy(() -> new Parallel(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("threads: 0 must be at least 1");
    }
}
