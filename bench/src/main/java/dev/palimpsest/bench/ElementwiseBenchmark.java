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
        /// Rows of an embedding table in bf16 for a text.
        GATHER_BF16,
        /// Gradients of such rows back into the table.
        SCATTER_ADD,
        /// The probabilities of the tokens of a mask.
        WHERE,
        /// A picture of three channels to half its size, with antialiasing.
        RESIZE_BICUBIC,
        /// Infinity's code map to a smaller scale.
        RESIZE_AREA,
        /// Infinity's code map to the last scale.
        RESIZE_LINEAR,
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
                    NdArray heads = inputs.random(F32, ROWS, HEADS, HEAD).permute(1, 0, 2);
                    NdArray first = inputs.random(F32, HEADS, ROWS, HEAD);
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
                case SCATTER_ADD -> scatter(inputs);
                case WHERE -> {
                    NdArray mask = inputs.zeros(DType.BOOL, ROWS, WIDTH);
                    NdArray other = inputs.random(F32, ROWS, WIDTH);
                    yield k -> k.where(mask, x, other, out);
                }
                case RESIZE_BICUBIC ->
                    resized(
                            Interpolation.BICUBIC_ANTIALIAS,
                            inputs.random(F32, 1, 3, 512, 512),
                            inputs.random(F32, 1, 3, 256, 256));
                case RESIZE_AREA ->
                    resized(
                            Interpolation.AREA,
                            inputs.random(F32, 1, 32, 1, 64, 64),
                            inputs.random(F32, 1, 32, 1, 48, 48));
                case RESIZE_LINEAR ->
                    resized(
                            Interpolation.LINEAR,
                            inputs.random(F32, 1, 32, 1, 32, 32),
                            inputs.random(F32, 1, 32, 1, 64, 64));
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
            NdArray x = inputs.random(F32, ROWS, HEADS, HEAD);
            NdArray cos = inputs.random(F32, ROWS, HEAD / 2);
            NdArray sin = inputs.random(F32, ROWS, HEAD / 2);
            NdArray out = inputs.random(F32, ROWS, HEADS, HEAD);
            return k -> k.rope(layout, x, cos, sin, out);
        }

        private static Consumer<Kernels> gather(Inputs inputs) {
            NdArray table = inputs.random(BF16, VOCABULARY, TEXT_WIDTH);
            NdArray indices = tokens(inputs);
            NdArray out = inputs.random(F32, TEXT, TEXT_WIDTH);
            return k -> k.gather(table, indices, out);
        }

        private static Consumer<Kernels> scatter(Inputs inputs) {
            NdArray rows = inputs.random(F32, TEXT, TEXT_WIDTH);
            NdArray indices = tokens(inputs);
            NdArray table = inputs.zeros(F32, VOCABULARY, TEXT_WIDTH);
            return k -> k.scatterAdd(rows, indices, table);
        }

        private static NdArray tokens(Inputs inputs) {
            NdArray indices = inputs.zeros(DType.I64, TEXT);
            for (int i = 0; i < TEXT; i++) {
                indices.set(i * 7919 % VOCABULARY, i);
            }
            return indices;
        }

        private static Consumer<Kernels> resized(Interpolation mode, NdArray from, NdArray to) {
            return k -> k.interpolate(mode, from, to);
        }
    }

    private static final int VOCABULARY = 1000;
    private static final int ROWS = Shapes.Rows.VINCIE.rows();
    private static final int WIDTH = Shapes.Rows.VINCIE.width();
    private static final int TEXT = Shapes.Rows.QWEN.rows();
    private static final int TEXT_WIDTH = Shapes.Rows.QWEN.width();
    private static final int HEADS = Shapes.Heads.VINCIE_256.heads();
    private static final int HEAD = Shapes.Heads.VINCIE_256.width();

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
