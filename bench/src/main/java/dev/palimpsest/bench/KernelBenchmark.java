package dev.palimpsest.bench;

import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
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

/// What all benchmarks of kernels have in common: the provider, its threads, and the memory of the operands.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public abstract class KernelBenchmark {
    /// Provider.
    @Param({"x86", "vector", "scalar"})
    public String kernels;

    /// Threads that share the work.
    @Param({"1", "2"})
    public int threads;

    private Arena arena;
    private Parallel parallel;
    private Runnable call;

    /// For benchmarks.
    protected KernelBenchmark() {}

    /// Makes the operands.
    @Setup(Level.Trial)
    public void setUp() {
        arena = Arena.ofShared();
        parallel = new Parallel(threads);
        call = prepare(KernelProviders.create(kernels, parallel), new Inputs(arena), arena);
    }

    /// Gives everything back.
    @TearDown(Level.Trial)
    public void tearDown() {
        parallel.close();
        arena.close();
    }

    /// Makes the operands of a call. It writes to memory that the compiler cannot see through, so nothing is optimised
    /// away.
    ///
    /// @param provider computes
    /// @param inputs makes arrays
    /// @param arena of these arrays
    protected abstract Runnable prepare(Kernels provider, Inputs inputs, Arena arena);

    /// One call.
    protected final void call() {
        call.run();
    }
}
