package dev.palimpsest.bench;

import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
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

/// Convolutions of the autoencoders with a bias. The secondary result `gflop` is GFLOP/s.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class ConvolutionBenchmark {
    private static final Convolution PLANAR = Convolution.planar(1, 1);
    private static final Convolution POINT = Convolution.planar(1, 0);
    private static final Convolution DOWN = new Convolution(1, 2, 2, 0, 0, 0, 1, 0, 1, false);
    private static final Convolution CAUSAL = new Convolution(1, 1, 1, 2, 0, 1, 1, 1, 1, true);

    /// Layers by where they occur.
    public enum Layer {
        /// First layer of an encoder.
        ENCODER_IN,
        /// A residual block at the full resolution.
        BLOCK_128,
        /// A residual block at half of it.
        BLOCK_256,
        /// A residual block at a quarter of it.
        BLOCK_512,
        /// A residual block of the causal video autoencoder.
        CAUSAL_512,
        /// A step down in resolution.
        DOWN_128,
        /// A shortcut between different numbers of channels.
        SHORTCUT,
        /// First layer of a decoder.
        DECODER_IN,
        /// Last layer of a decoder.
        DECODER_OUT;

        private Extents extents() {
            return switch (this) {
                case ENCODER_IN -> new Extents(PLANAR, Shape.of(1, 3, 1, 256, 256), Shape.of(128, 3, 1, 3, 3));
                case BLOCK_128 -> new Extents(PLANAR, Shape.of(1, 128, 1, 256, 256), Shape.of(128, 128, 1, 3, 3));
                case BLOCK_256 -> new Extents(PLANAR, Shape.of(1, 256, 1, 128, 128), Shape.of(256, 256, 1, 3, 3));
                case BLOCK_512 -> new Extents(PLANAR, Shape.of(1, 512, 1, 64, 64), Shape.of(512, 512, 1, 3, 3));
                case CAUSAL_512 -> new Extents(CAUSAL, Shape.of(1, 512, 2, 32, 32), Shape.of(512, 512, 3, 3, 3));
                case DOWN_128 -> new Extents(DOWN, Shape.of(1, 128, 1, 256, 256), Shape.of(128, 128, 1, 3, 3));
                case SHORTCUT -> new Extents(POINT, Shape.of(1, 256, 1, 128, 128), Shape.of(128, 256, 1, 1, 1));
                case DECODER_IN -> new Extents(PLANAR, Shape.of(1, 16, 1, 64, 64), Shape.of(512, 16, 1, 3, 3));
                case DECODER_OUT -> new Extents(PLANAR, Shape.of(1, 128, 1, 256, 256), Shape.of(3, 128, 1, 3, 3));
            };
        }
    }

    private record Extents(Convolution geometry, Shape input, Shape weight) {}

    /// Provider.
    @Param({"vector", "scalar"})
    public String kernels;

    /// Threads that share the convolution.
    @Param({"1", "2"})
    public int threads;

    /// Whether the channels lie innermost.
    @Param({"true", "false"})
    public boolean channelsLast;

    /// Geometry and extents.
    @Param
    public Layer layer;

    private Arena arena;
    private Parallel parallel;
    private Kernels provider;
    private Convolution geometry;
    private NdArray input;
    private NdArray weight;
    private NdArray out;
    private Epilogue epilogue;
    private double gflop;

    /// Makes the operands.
    @Setup(Level.Trial)
    public void setUp() {
        arena = Arena.ofShared();
        parallel = new Parallel(threads);
        provider = KernelProviders.create(kernels, parallel);
        Inputs inputs = new Inputs(arena);
        Extents at = layer.extents();
        geometry = at.geometry();
        weight = inputs.random(DType.F32, at.weight().dims());
        Shape shape = geometry.outputShape(at.input(), at.weight());
        input = picture(inputs, at.input());
        out = picture(inputs, shape);
        epilogue = Epilogue.bias(inputs.random(DType.F32, shape.dim(1)));
        gflop = 2e-9 * shape.elements() * at.weight().elements() / at.weight().dim(0);
    }

    private NdArray picture(Inputs inputs, Shape shape) {
        return channelsLast
                ? inputs.random(DType.F32, shape.dim(0), shape.dim(2), shape.dim(3), shape.dim(4), shape.dim(1))
                        .permute(0, 4, 1, 2, 3)
                : inputs.random(DType.F32, shape.dims());
    }

    /// Gives everything back.
    @TearDown(Level.Trial)
    public void tearDown() {
        parallel.close();
        arena.close();
    }

    /// One convolution.
    ///
    /// @return the output, so that nothing is optimised away
    @Benchmark
    public NdArray convolution(Arithmetic arithmetic) {
        provider.convolution(geometry, input, weight, out, epilogue);
        arithmetic.gflop += gflop;
        return out;
    }
}
