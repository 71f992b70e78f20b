package dev.palimpsest.bench;

import static dev.palimpsest.kernels.DType.F32;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
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

/// Softmax along rows.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class SoftmaxBenchmark {

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
                case ATTENTION -> softmax(inputs, 1024, 1024);
                case PROMPT -> softmax(inputs, 16_384, 64);
                case VOCABULARY -> softmax(inputs, 8, 151_936);
                case ARGMAX -> {
                    NdArray x = inputs.random(F32, 8, 151_936);
                    NdArray out = inputs.zeros(DType.I64, 8);
                    yield k -> k.argmax(x, out);
                }
            };
        }

        private static Consumer<Kernels> softmax(Inputs inputs, int rows, int width) {
            NdArray x = inputs.random(F32, rows, width);
            NdArray out = inputs.random(F32, rows, width);
            return k -> k.softmax(x, out);
        }
    }

    /// Provider.
    @Param({"vector", "scalar"})
    public String kernels;

    /// Threads that share the work.
    @Param({"1", "2"})
    public int threads;

    /// Which softmax.
    @Param
    public Site site;

    private Arena arena;
    private Parallel parallel;
    private Kernels provider;
    private Consumer<Kernels> call;

    /// Makes the operands.
    @Setup(Level.Trial)
    public void setUp() {
        arena = Arena.ofShared();
        parallel = new Parallel(threads);
        provider = KernelProviders.create(kernels, parallel);
        call = site.prepare(new Inputs(arena));
    }

    /// Gives everything back.
    @TearDown(Level.Trial)
    public void tearDown() {
        parallel.close();
        arena.close();
    }

    /// One call; it writes to memory that the compiler cannot see through, so nothing is optimised away.
    @Benchmark
    public void softmax() {
        call.accept(provider);
    }
}
