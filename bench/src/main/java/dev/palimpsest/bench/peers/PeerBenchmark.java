package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.Inputs;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
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

/// What benchmarks of other libraries have in common. `bench/compare` measures them beside our kernels in one process,
/// which is fairer on a machine that does other things, too.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public abstract class PeerBenchmark {
    /// Threads that share the work.
    @Param({"1", "2"})
    public int threads;

    private Arena arena;
    private Runnable call;

    /// For benchmarks.
    protected PeerBenchmark() {}

    /// Loads the library and makes the operands.
    ///
    /// @throws PeerUnavailableException if the library is not there or cannot do this
    @Setup(Level.Trial)
    public void setUp() {
        arena = Arena.ofShared();
        call = prepare(new Inputs(arena), arena);
    }

    /// Gives the operands back.
    @TearDown(Level.Trial)
    public void tearDown() {
        arena.close();
    }

    /// Makes the operands of a call.
    ///
    /// @param inputs makes arrays
    /// @param arena of these arrays
    protected abstract Runnable prepare(Inputs inputs, Arena arena);

    /// One call.
    protected final void call() {
        call.run();
    }

    /// libtorch, with the benchmark's number of threads.
    protected final Torch torch() {
        Torch torch = new Torch();
        torch.threads(threads);
        return torch;
    }

    /// oneDNN, with the benchmark's number of threads.
    protected final OneDnn oneDnn() {
        OneDnn oneDnn = new OneDnn();
        oneDnn.threads(threads);
        return oneDnn;
    }

    /// An array of a planar shape with its channels innermost, as a view with the channels in front.
    ///
    /// @param shape `(N, C, 1, H, W)`
    static NdArray channelsLast(Inputs inputs, DType type, Shape shape) {
        return inputs.random(type, shape.dim(0), shape.dim(3), shape.dim(4), shape.dim(1))
                .permute(0, 3, 1, 2);
    }
}
