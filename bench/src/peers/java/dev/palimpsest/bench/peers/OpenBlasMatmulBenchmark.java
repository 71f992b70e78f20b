package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.Arithmetic;
import dev.palimpsest.bench.Inputs;
import dev.palimpsest.bench.MatmulShape;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
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

/// OpenBLAS on the shapes of [dev.palimpsest.bench.MatmulBenchmark], always in f32 and without a bias.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class OpenBlasMatmulBenchmark {
    /// Threads that share the product.
    @Param({"1", "2"})
    public int threads;

    /// Operands.
    @Param
    public MatmulShape shape;

    private Arena arena;
    private OpenBlas openBlas;
    private NdArray a;
    private NdArray weight;
    private NdArray out;

    /// Makes the operands.
    @Setup(Level.Trial)
    public void setUp() {
        arena = Arena.ofShared();
        openBlas = new OpenBlas();
        openBlas.threads(threads);
        Inputs inputs = new Inputs(arena);
        a = inputs.random(DType.F32, shape.m(), shape.k());
        weight = inputs.random(DType.F32, shape.n(), shape.k());
        out = inputs.random(DType.F32, shape.m(), shape.n());
    }

    /// Gives everything back.
    @TearDown(Level.Trial)
    public void tearDown() {
        arena.close();
    }

    /// One product.
    ///
    /// @return the output, so that nothing is optimised away
    @Benchmark
    public NdArray openblas(Arithmetic arithmetic) {
        openBlas.linear(a, weight, out);
        arithmetic.gflop += shape.gflop();
        return out;
    }
}
