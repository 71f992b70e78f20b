package dev.palimpsest.bench;

import static dev.palimpsest.kernels.DType.BF16;
import static dev.palimpsest.kernels.DType.F32;

import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Reduction;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Unary;
import java.lang.foreign.Arena;
import java.util.function.Consumer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/// Elementwise functions, copies and other operations that are bound by memory.
public class ElementwiseBenchmark extends KernelBenchmark {

    /// Operations on a block of tokens or a picture, each of about a million elements.
    public enum Operation {
        /// Two arrays of the same layout.
        ADD,
        /// A factor for each column.
        MULTIPLY_ROW,
        /// A term for each row.
        ADD_COLUMN,
        /// Exponential function.
        EXP,
        /// `x sigmoid(x)`
        SILU,
        /// GELU in its tanh form.
        GELU_TANH,
        /// GELU with the error function.
        GELU,
        /// Hyperbolic tangent.
        TANH,
        /// Sine.
        SIN,
        /// A block move.
        COPY,
        /// f32 to bf16.
        TO_BF16,
        /// bf16 to f32.
        FROM_BF16,
        /// A matrix with its rows and columns exchanged.
        TRANSPOSE,
        /// A feature map from channels first to channels last.
        CHANNELS_LAST,
        /// Heads in front of positions.
        HEADS_FIRST,
        /// Rotary embedding of neighbours.
        ROPE,
        /// Rotary embedding of halves.
        ROPE_HALVES,
        /// Sums along rows.
        SUM_ROWS,
        /// Sums down columns.
        SUM_COLUMNS,
        /// 150 rows of an embedding table in bf16.
        GATHER_BF16,
        /// A picture of three channels to half its size, with antialiasing.
        RESIZE_BICUBIC,
        /// A feature map, channels innermost, to twice its size.
        UPSAMPLE_NEAREST;

        private Consumer<Kernels> prepare(Inputs inputs) {
            NdArray x = inputs.random(F32, ROWS, WIDTH);
            NdArray out = inputs.random(F32, ROWS, WIDTH);
            return switch (this) {
                case ADD -> binary(Binary.ADD, x, inputs.random(F32, ROWS, WIDTH), out);
                case MULTIPLY_ROW -> binary(Binary.MULTIPLY, x, inputs.random(F32, WIDTH), out);
                case ADD_COLUMN -> binary(Binary.ADD, x, inputs.random(F32, ROWS, 1), out);
                case EXP, SILU, GELU_TANH, GELU, TANH, SIN -> {
                    Unary op = Unary.valueOf(name());
                    yield k -> k.unary(op, x, out);
                }
                case COPY -> k -> k.copy(x, out);
                case TO_BF16 -> {
                    NdArray narrow = inputs.random(BF16, ROWS, WIDTH);
                    yield k -> k.copy(x, narrow);
                }
                case FROM_BF16 -> {
                    NdArray narrow = inputs.random(BF16, ROWS, WIDTH);
                    yield k -> k.copy(narrow, out);
                }
                case TRANSPOSE -> {
                    NdArray turned = inputs.random(F32, WIDTH, ROWS).transpose(0, 1);
                    yield k -> k.copy(turned, out);
                }
                case CHANNELS_LAST -> {
                    NdArray picture = inputs.random(F32, 1, 128, 96, 96).permute(0, 2, 3, 1);
                    NdArray last = inputs.random(F32, 1, 96, 96, 128);
                    yield k -> k.copy(picture, last);
                }
                case HEADS_FIRST -> {
                    NdArray heads = inputs.random(F32, ROWS, 20, 128).permute(1, 0, 2);
                    NdArray first = inputs.random(F32, 20, ROWS, 128);
                    yield k -> k.copy(heads, first);
                }
                case ROPE -> rope(RopeLayout.INTERLEAVED, inputs);
                case ROPE_HALVES -> rope(RopeLayout.HALF_SPLIT, inputs);
                case SUM_ROWS -> {
                    NdArray sums = inputs.random(F32, ROWS, 1);
                    yield k -> k.reduce(Reduction.SUM, x, sums);
                }
                case SUM_COLUMNS -> {
                    NdArray sums = inputs.random(F32, 1, WIDTH);
                    yield k -> k.reduce(Reduction.SUM, x, sums);
                }
                case GATHER_BF16 -> gather(inputs);
                case RESIZE_BICUBIC -> {
                    NdArray picture = inputs.random(F32, 1, 3, 512, 512);
                    NdArray half = inputs.random(F32, 1, 3, 256, 256);
                    yield k -> k.interpolate(Interpolation.BICUBIC_ANTIALIAS, picture, half);
                }
                case UPSAMPLE_NEAREST -> {
                    NdArray map = inputs.random(F32, 1, 32, 32, 256).permute(0, 3, 1, 2);
                    NdArray twice = inputs.random(F32, 1, 64, 64, 256).permute(0, 3, 1, 2);
                    yield k -> k.interpolate(Interpolation.NEAREST, map, twice);
                }
            };
        }

        private static Consumer<Kernels> binary(Binary op, NdArray a, NdArray b, NdArray out) {
            return k -> k.binary(op, a, b, out);
        }

        private static Consumer<Kernels> rope(RopeLayout layout, Inputs inputs) {
            NdArray x = inputs.random(F32, ROWS, 20, 128);
            NdArray cos = inputs.random(F32, ROWS, 64);
            NdArray sin = inputs.random(F32, ROWS, 64);
            NdArray out = inputs.random(F32, ROWS, 20, 128);
            return k -> k.rope(layout, x, cos, sin, out);
        }

        private static Consumer<Kernels> gather(Inputs inputs) {
            NdArray table = inputs.random(BF16, 1000, 5120);
            NdArray indices = inputs.zeros(DType.I64, 150);
            for (int i = 0; i < 150; i++) {
                indices.set(i * 7919 % 1000, i);
            }
            NdArray out = inputs.random(F32, 150, 5120);
            return k -> k.gather(table, indices, out);
        }
    }

    private static final int ROWS = 512;
    private static final int WIDTH = 2560;

    /// Which operation.
    @Param
    public Operation operation;

    @Override
    protected Runnable prepare(Kernels provider, Inputs inputs, Arena arena) {
        Consumer<Kernels> call = operation.prepare(inputs);
        return () -> call.accept(provider);
    }

    /// One call.
    @Benchmark
    public void operation() {
        call();
    }
}
