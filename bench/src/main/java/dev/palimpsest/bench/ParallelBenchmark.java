package dev.palimpsest.bench;

import dev.palimpsest.kernels.Parallel;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.Blackhole;

/// What it costs to share a loop between threads: loops whose tasks do nothing.
@State(Scope.Thread)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class ParallelBenchmark {
    private static final int MANY = 1000;

    /// Threads that share the loop.
    @Param({"2", "4", "8", "64"})
    public int threads;

    private Parallel parallel;
    private IntConsumer nothing;

    /// Workers that have parked before each loop.
    @State(Scope.Thread)
    public static class Rest {
        /// For the harness.
        public Rest() {}

        /// Lets the workers park.
        @Setup(Level.Invocation)
        public void rest() {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
        }
    }

    /// For the harness.
    public ParallelBenchmark() {}

    /// Starts the threads.
    @Setup(Level.Trial)
    public void setUp(Blackhole hole) {
        parallel = new Parallel(threads);
        nothing = hole::consume;
    }

    /// Ends the threads.
    @TearDown(Level.Trial)
    public void tearDown() {
        parallel.close();
    }

    /// A task for each thread, loop after loop.
    @Benchmark
    @BenchmarkMode({Mode.SampleTime, Mode.AverageTime})
    public void hot() {
        parallel.forEach(threads, nothing);
    }

    /// A task for each thread while the workers sleep.
    @Benchmark
    @BenchmarkMode(Mode.SampleTime)
    public void afterParking(Rest rest) {
        parallel.forEach(threads, nothing);
    }

    /// A thousand tasks.
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    public void manyTasks() {
        parallel.forEach(MANY, nothing);
    }
}
