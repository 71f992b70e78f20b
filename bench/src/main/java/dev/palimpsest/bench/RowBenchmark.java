package dev.palimpsest.bench;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.Unary;
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

/// Normalisations, softmax and an activation over the hidden states of VINCIE's transformer, 800 tokens of width 2560.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class RowBenchmark {
    private static final int TOKENS = 800;
    private static final int WIDTH = 2560;
    private static final float EPS = 1e-5f;

    /// What is done with the rows.
    public enum Work {
        /// Root-mean-square normalisation with adaptive scale and shift.
        RMS_NORM,
        /// Layer normalisation with learned weight and bias.
        LAYER_NORM,
        /// Group normalisation of the autoencoder, 32 groups, with SiLU.
        GROUP_NORM,
        /// Softmax of every row.
        SOFTMAX,
        /// SiLU of every element.
        SILU
    }

    /// Provider.
    @Param({"vector", "scalar"})
    public String kernels;

    /// Threads that share the rows.
    @Param({"1", "2"})
    public int threads;

    /// What is measured.
    @Param
    public Work work;

    private Arena arena;
    private Parallel parallel;
    private Kernels provider;
    private NdArray x;
    private NdArray out;
    private NdArray weight;
    private NdArray bias;

    /// Makes the operands.
    @Setup(Level.Trial)
    public void setUp() {
        arena = Arena.ofShared();
        parallel = new Parallel(threads);
        provider = KernelProviders.create(kernels, parallel);
        Inputs inputs = new Inputs(arena);
        x = inputs.random(DType.F32, TOKENS, WIDTH);
        out = inputs.random(DType.F32, TOKENS, WIDTH);
        weight = inputs.random(DType.F32, WIDTH);
        bias = inputs.random(DType.F32, WIDTH);
    }

    /// Gives everything back.
    @TearDown(Level.Trial)
    public void tearDown() {
        parallel.close();
        arena.close();
    }

    /// One pass over all rows.
    ///
    /// @return the output, so that nothing is optimised away
    @Benchmark
    public NdArray rows() {
        switch (work) {
            case RMS_NORM ->
                provider.rmsNorm(x, EPS, Affine.adaptive(weight.expand(x.shape()), bias.expand(x.shape())), out);
            case LAYER_NORM -> provider.layerNorm(x, EPS, Affine.learned(weight, bias), out);
            case GROUP_NORM -> {
                // one picture, channels innermost: (1, WIDTH, TOKENS) over the same memory
                Shape picture = Shape.of(1, TOKENS, WIDTH);
                provider.groupNorm(
                        x.reshape(picture).transpose(1, 2),
                        32,
                        EPS,
                        weight,
                        bias,
                        Activation.SILU,
                        out.reshape(picture).transpose(1, 2));
            }
            case SOFTMAX -> provider.softmax(x, out);
            case SILU -> provider.unary(Unary.SILU, x, out);
        }
        return out;
    }
}
