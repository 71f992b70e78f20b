package dev.palimpsest.bench;

import dev.palimpsest.bench.Shapes.Product;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedMatrix;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;

/// A linear layer: matrix product with a transposed weight and a bias. The secondary result `gflop` is GFLOP/s.
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
public class MatmulBenchmark extends KernelBenchmark {

    /// How weights are stored and products computed.
    public enum Weights {
        /// Weights of f32 as they lie in a checkpoint.
        F32,
        /// Weights of bf16 as they lie in a checkpoint.
        BF16,
        /// Weights of f16 as they lie in a checkpoint.
        F16,
        /// Packed, f32.
        PACKED_F32,
        /// Packed, f16 weights in f32 arithmetic.
        PACKED_F16,
        /// Packed, bf16 weights in f32 arithmetic.
        PACKED_BF16,
        /// Packed, bf16 arithmetic.
        PACKED_BF16_ARITHMETIC,
        /// Packed, 8-bit weights in f32 arithmetic.
        PACKED_INT8,
        /// The same with a scale for each 64 of a row.
        PACKED_INT8_GROUPS,
        /// Packed, 8-bit arithmetic.
        PACKED_INT8_ARITHMETIC
    }

    private static final int GROUP = 64;

    /// Operands.
    @Param
    public Product shape;

    /// Weights.
    @Param
    public Weights weights;

    @Override
    protected Runnable prepare(Kernels provider, Inputs inputs, Arena arena) {
        DType stored = switch (weights) {
            case BF16, PACKED_BF16, PACKED_BF16_ARITHMETIC -> DType.BF16;
            case F16, PACKED_F16 -> DType.F16;
            default -> DType.F32;
        };
        NdArray a = inputs.random(DType.F32, shape.m(), shape.k());
        NdArray weight = inputs.random(stored, shape.n(), shape.k()).transpose(0, 1);
        NdArray out = inputs.random(DType.F32, shape.m(), shape.n());
        Epilogue epilogue = Epilogue.bias(inputs.random(DType.F32, shape.n()));
        Arithmetic arithmetic = switch (weights) {
            case F32, BF16, F16, PACKED_F32, PACKED_BF16, PACKED_F16 -> Arithmetic.F32;
            case PACKED_BF16_ARITHMETIC -> Arithmetic.BF16;
            case PACKED_INT8, PACKED_INT8_GROUPS -> Arithmetic.INT8_WEIGHT_ONLY;
            case PACKED_INT8_ARITHMETIC -> Arithmetic.INT8;
        };
        if (weights == Weights.F32 || weights == Weights.BF16 || weights == Weights.F16) {
            return () -> provider.matmul(a, weight, out, epilogue);
        }
        PackedMatrix packed =
                provider.pack(weight, arithmetic, weights == Weights.PACKED_INT8_GROUPS ? GROUP : 0, arena);
        return () -> provider.matmul(a, packed, out, epilogue);
    }

    /// One product.
    @Benchmark
    public void matmul(FlopCounter counter) {
        call();
        counter.gflop += shape.gflop();
    }
}
