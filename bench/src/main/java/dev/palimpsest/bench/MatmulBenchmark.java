package dev.palimpsest.bench;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
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

/// A linear layer: matrix product with a transposed weight and a bias. The secondary result `gflop` is GFLOP/s.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class MatmulBenchmark {
    /// Provider.
    @Param({"vector", "scalar"})
    public String kernels;

    /// Threads that share the product.
    @Param({"1", "2"})
    public int threads;

    /// Operands.
    @Param
    public MatmulShape shape;

    private Arena arena;
    private Parallel parallel;
    private Kernels provider;
    private NdArray a;
    private NdArray weight;
    private NdArray out;
    private Epilogue epilogue;

    /// Makes the operands.
    @Setup(Level.Trial)
    public void setUp() {
        arena = Arena.ofShared();
        parallel = new Parallel(threads);
        provider = KernelProviders.create(kernels, parallel);
        Inputs inputs = new Inputs(arena);
        a = inputs.random(DType.F32, shape.m(), shape.k());
        weight = inputs.random(shape.weightType(), shape.n(), shape.k()).transpose(0, 1);
        out = inputs.random(DType.F32, shape.m(), shape.n());
        epilogue = Epilogue.bias(inputs.random(DType.F32, shape.n()));
    }

    /// Gives everything back.
    @TearDown(Level.Trial)
    public void tearDown() {
        parallel.close();
        arena.close();
    }

    /// One product.
    ///
    /// @return the output, so that nothing is optimised away
    @Benchmark
    public NdArray matmul(Arithmetic arithmetic) {
        provider.matmul(a, weight, out, epilogue);
        arithmetic.gflop += shape.gflop();
        return out;
    }
}
