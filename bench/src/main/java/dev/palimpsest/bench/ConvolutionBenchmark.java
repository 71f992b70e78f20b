package dev.palimpsest.bench;

import dev.palimpsest.bench.Shapes.Conv;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;

/// Convolutions of the autoencoders with a bias. The secondary result `gflop` is GFLOP/s.
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
public class ConvolutionBenchmark extends KernelBenchmark {
    /// Whether the channels lie innermost.
    @Param({"true", "false"})
    public boolean channelsLast;

    /// How weights are given and products computed.
    public enum Weights {
        /// Weights of f32 as they lie in a checkpoint.
        F32,
        /// Packed, f32.
        PACKED_F32,
        /// Packed, bf16 arithmetic.
        PACKED_BF16_ARITHMETIC
    }

    /// Weights.
    @Param
    public Weights weights;

    /// Geometry and extents.
    @Param
    public Conv layer;

    @Override
    protected Runnable prepare(Kernels provider, Inputs inputs, Arena arena) {
        NdArray weight = inputs.random(DType.F32, layer.weight().dims());
        NdArray input = picture(inputs, layer.input());
        NdArray out = picture(inputs, layer.output());
        Epilogue epilogue =
                Epilogue.bias(inputs.random(DType.F32, layer.weight().dim(0)));
        if (weights == Weights.F32) {
            return () -> provider.convolution(layer.geometry(), input, weight, out, epilogue);
        }
        Arithmetic arithmetic = weights == Weights.PACKED_F32 ? Arithmetic.F32 : Arithmetic.BF16;
        PackedFilter packed = provider.packFilter(weight, arithmetic, arena);
        Convolution op = layer.geometry().in(arithmetic);
        return () -> provider.convolution(op, input, packed, out, epilogue);
    }

    private NdArray picture(Inputs inputs, Shape shape) {
        return channelsLast
                ? inputs.random(DType.F32, shape.dim(0), shape.dim(2), shape.dim(3), shape.dim(4), shape.dim(1))
                        .permute(0, 4, 1, 2, 3)
                : inputs.random(DType.F32, shape.dims());
    }

    /// One convolution.
    @Benchmark
    public void convolution(FlopCounter counter) {
        call();
        counter.gflop += layer.gflop();
    }
}
