package dev.palimpsest.bench;

import dev.palimpsest.bench.Shapes.Conv;
import dev.palimpsest.bench.Shapes.Heads;
import dev.palimpsest.bench.Shapes.Rows;
import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;
import dev.palimpsest.tensor.autograd.Tape;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.function.Supplier;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/// Derivatives that learning an inversion needs, each with the op before it: forward and backward together, over all
/// scales of Infinity's 256 pixels.
public class BackwardBenchmark extends KernelBenchmark {
    private static final float EPS = 1e-6f;
    private static final Heads TRAINING = Heads.INFINITY_TRAINING;
    private static final int TOKENS = TRAINING.visible().queries();
    private static final int WIDTH = Rows.INFINITY.width();
    private static final int HIDDEN = Rows.INFINITY_MLP.width();
    private static final int RANK = 16;

    /// What is derived.
    public enum Operation {
        /// A linear layer of the feed-forward part whose weight is frozen: by its input only.
        LINEAR_FROZEN,
        /// A low-rank adapter of it: by its input and both factors.
        LORA,
        /// Attention that sees earlier scales.
        ATTENTION_BLOCK_CAUSAL,
        /// Cross-attention to the prompt.
        ATTENTION_PROMPT,
        /// Layer normalisation.
        LAYER_NORM,
        /// Root-mean-square normalisation of heads.
        RMS_NORM,
        /// GELU in its tanh form.
        GELU_TANH,
        /// `x sigmoid(x)`
        SILU,
        /// Rotary embedding.
        ROPE,
        /// Softmax of rows.
        SOFTMAX,
        /// Group normalisation with SiLU, as in an autoencoder.
        GROUP_NORM,
        /// A convolution of an autoencoder: by its input, weight and bias.
        CONVOLUTION;

        /// @return a function of the operands, the operands first
        private Graph graph(Inputs inputs) {
            return switch (this) {
                case LINEAR_FROZEN -> {
                    Tensor x = rows(inputs, TOKENS, WIDTH);
                    Tensor weight = rows(inputs, HIDDEN, WIDTH);
                    yield new Graph(List.of(x), () -> Functional.linear(x, weight, null));
                }
                case LORA -> {
                    Tensor x = rows(inputs, TOKENS, WIDTH);
                    Tensor down = rows(inputs, RANK, WIDTH);
                    Tensor up = rows(inputs, HIDDEN, RANK);
                    yield new Graph(
                            List.of(x, down, up), () -> Functional.linear(Functional.linear(x, down, null), up, null));
                }
                case ATTENTION_BLOCK_CAUSAL -> attention(inputs, TRAINING);
                case ATTENTION_PROMPT -> attention(inputs, Heads.INFINITY_PROMPT);
                case LAYER_NORM -> {
                    Tensor x = rows(inputs, TOKENS, WIDTH);
                    Tensor weight = tensor(inputs.random(DType.F32, WIDTH));
                    Tensor bias = tensor(inputs.random(DType.F32, WIDTH));
                    yield new Graph(
                            List.of(x, weight, bias), () -> Functional.layerNorm(x, EPS, weight, bias, null, null));
                }
                case RMS_NORM -> {
                    Tensor x = rows(inputs, TOKENS * TRAINING.heads(), TRAINING.width());
                    Tensor weight = tensor(inputs.random(DType.F32, TRAINING.width()));
                    yield new Graph(List.of(x, weight), () -> Functional.rmsNorm(x, EPS, weight));
                }
                case GELU_TANH -> {
                    Tensor x = rows(inputs, TOKENS, HIDDEN);
                    yield new Graph(List.of(x), x::geluTanh);
                }
                case SILU -> {
                    Tensor x = rows(inputs, TOKENS, HIDDEN);
                    yield new Graph(List.of(x), x::silu);
                }
                case ROPE -> {
                    Tensor x = tensor(inputs.random(DType.F32, TOKENS, TRAINING.heads(), TRAINING.width()));
                    Tensor cos = rows(inputs, TOKENS, TRAINING.width() / 2);
                    Tensor sin = rows(inputs, TOKENS, TRAINING.width() / 2);
                    yield new Graph(List.of(x), () -> Functional.rope(RopeLayout.INTERLEAVED, x, cos, sin));
                }
                case SOFTMAX -> {
                    Tensor x = rows(inputs, Rows.SCORES.rows(), Rows.SCORES.width());
                    yield new Graph(List.of(x), x::softmax);
                }
                case GROUP_NORM -> {
                    Tensor x = picture(inputs);
                    int channels = Conv.BLOCK_512_SMALL.input().dim(1);
                    Tensor weight = tensor(inputs.random(DType.F32, channels));
                    Tensor bias = tensor(inputs.random(DType.F32, channels));
                    yield new Graph(
                            List.of(x, weight, bias),
                            () -> Functional.groupNorm(x, 32, EPS, weight, bias, Activation.SILU));
                }
                case CONVOLUTION -> {
                    Conv layer = Conv.BLOCK_512_SMALL;
                    Tensor x = picture(inputs);
                    Tensor weight =
                            tensor(inputs.random(DType.F32, layer.weight().dims()));
                    Tensor bias = tensor(inputs.random(DType.F32, layer.weight().dim(0)));
                    yield new Graph(
                            List.of(x, weight, bias),
                            () -> Functional.convolution(layer.geometry(), x, weight, bias, null));
                }
            };
        }

        private static Graph attention(Inputs inputs, Heads site) {
            int queries = site.visible().queries();
            int keys = site.visible().keys();
            Tensor q = tensor(inputs.random(DType.F32, queries, site.heads(), site.width()));
            Tensor k = tensor(inputs.random(DType.F32, keys, site.heads(), site.width()));
            Tensor v = tensor(inputs.random(DType.F32, keys, site.heads(), site.width()));
            float scale = (float) (1 / Math.sqrt(site.width()));
            return new Graph(List.of(q, k, v), () -> Functional.attention(q, k, v, scale, site.visible()));
        }

        /// A feature map, channels innermost.
        private static Tensor picture(Inputs inputs) {
            int channels = Conv.BLOCK_512_SMALL.input().dim(1);
            int size = Conv.BLOCK_512_SMALL.input().dim(3);
            return tensor(inputs.random(DType.F32, 1, 1, size, size, channels).permute(0, 4, 1, 2, 3));
        }

        private static Tensor rows(Inputs inputs, int rows, int width) {
            return tensor(inputs.random(DType.F32, rows, width));
        }
    }

    /// A function and what it is derived by.
    private record Graph(List<Tensor> operands, Supplier<Tensor> function) {}

    /// What is derived.
    @Param
    public Operation operation;

    @Override
    protected Runnable prepare(Kernels provider, Inputs inputs, Arena arena) {
        Graph graph = operation.graph(inputs);
        return () -> Backend.with(provider, () -> Scope.run(() -> step(graph)));
    }

    /// @return how many derivatives there are
    private static int step(Graph graph) {
        try (Tape tape = new Tape()) {
            graph.operands().forEach(tape::watch);
            Tensor out = tape.record(graph.function()::get);
            Gradients gradients = tape.backward(out, out);
            return graph.operands().stream().map(gradients::of).toList().size();
        }
    }

    private static Tensor tensor(NdArray x) {
        return Tensor.borrow(x, "input");
    }

    /// Forward and backward.
    @Benchmark
    public void forwardAndBackward() {
        call();
    }
}
