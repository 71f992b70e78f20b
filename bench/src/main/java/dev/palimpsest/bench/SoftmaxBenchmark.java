package dev.palimpsest.bench;

import static dev.palimpsest.kernels.DType.F32;

import dev.palimpsest.bench.Shapes.Rows;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import java.util.function.Consumer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/// Softmax along rows.
public class SoftmaxBenchmark extends KernelBenchmark {

    /// Softmaxes by where they occur.
    public enum Site {
        /// Scores of one head over 1024 tokens.
        ATTENTION,
        /// Scores over a short prompt.
        PROMPT,
        /// Probabilities over a large vocabulary.
        VOCABULARY,
        /// The largest of a large vocabulary.
        ARGMAX;

        private Consumer<Kernels> prepare(Inputs inputs) {
            return switch (this) {
                case ATTENTION -> softmax(inputs, Rows.SCORES);
                case PROMPT -> softmax(inputs, Rows.PROMPT_SCORES);
                case VOCABULARY -> softmax(inputs, Rows.VOCABULARY);
                case ARGMAX -> {
                    NdArray x = inputs.random(F32, Rows.VOCABULARY.rows(), Rows.VOCABULARY.width());
                    NdArray out = inputs.zeros(DType.I64, Rows.VOCABULARY.rows());
                    yield k -> k.argmax(x, out);
                }
            };
        }

        private static Consumer<Kernels> softmax(Inputs inputs, Rows shape) {
            NdArray x = inputs.random(F32, shape.rows(), shape.width());
            NdArray out = inputs.random(F32, shape.rows(), shape.width());
            return k -> k.softmax(x, out);
        }
    }

    /// Which softmax.
    @Param
    public Site site;

    @Override
    protected Runnable prepare(Kernels provider, Inputs inputs, Arena arena) {
        Consumer<Kernels> call = site.prepare(inputs);
        return () -> call.accept(provider);
    }

    /// One call.
    @Benchmark
    public void softmax() {
        call();
    }
}
