package dev.palimpsest.bench;

import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.KeyRanges;
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

/// Attention as the models call it. The secondary result `gflop` is GFLOP/s over the visible pairs of query and key.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class AttentionBenchmark {

    /// Attentions by where they occur.
    public enum Site {
        /// Two frames of 512 pixels and a prompt in VINCIE's transformer, every token seeing all.
        VINCIE,
        /// Three frames that see the frames before them.
        VINCIE_BLOCK_CAUSAL,
        /// A middle scale of Infinity: its queries, and the keys of all scales so far.
        INFINITY_SCALE,
        /// Infinity's cross-attention to a prompt.
        INFINITY_PROMPT,
        /// VINCIE's text encoder.
        QWEN,
        /// The one wide head in the middle of an autoencoder.
        AUTOENCODER;

        private Extents extents() {
            return switch (this) {
                case VINCIE -> new Extents(KeyRanges.full(2112, 2112), 20, 128);
                case VINCIE_BLOCK_CAUSAL ->
                    new Extents(KeyRanges.blockCausal(new int[][] {{1024, 1024, 1024}}), 20, 128);
                case INFINITY_SCALE -> new Extents(KeyRanges.full(256, 521), 16, 128);
                case INFINITY_PROMPT -> new Extents(KeyRanges.full(1024, 64), 16, 128);
                case QWEN -> new Extents(KeyRanges.causal(128, 128), 40, 128);
                case AUTOENCODER -> new Extents(KeyRanges.full(4096, 4096), 1, 512);
            };
        }
    }

    private record Extents(KeyRanges visible, int heads, int width) {}

    /// Provider.
    @Param({"vector", "scalar"})
    public String kernels;

    /// Threads that share the attention.
    @Param({"1", "2"})
    public int threads;

    /// Lengths, heads and mask.
    @Param
    public Site site;

    private Arena arena;
    private Parallel parallel;
    private Kernels provider;
    private NdArray q;
    private NdArray k;
    private NdArray v;
    private NdArray out;
    private Attention op;
    private double gflop;

    /// Makes the operands.
    @Setup(Level.Trial)
    public void setUp() {
        arena = Arena.ofShared();
        parallel = new Parallel(threads);
        provider = KernelProviders.create(kernels, parallel);
        Inputs inputs = new Inputs(arena);
        Extents at = site.extents();
        q = inputs.random(DType.F32, at.visible().queries(), at.heads(), at.width());
        k = inputs.random(DType.F32, at.visible().keys(), at.heads(), at.width());
        v = inputs.random(DType.F32, at.visible().keys(), at.heads(), at.width());
        out = inputs.random(DType.F32, at.visible().queries(), at.heads(), at.width());
        op = Attention.of((float) (1 / Math.sqrt(at.width())), at.visible());
        long pairs = 0;
        for (int i = 0; i < at.visible().queries(); i++) {
            pairs += at.visible().to(i) - at.visible().from(i);
        }
        gflop = 4e-9 * pairs * at.heads() * at.width();
    }

    /// Gives everything back.
    @TearDown(Level.Trial)
    public void tearDown() {
        parallel.close();
        arena.close();
    }

    /// One attention.
    ///
    /// @return the output, so that nothing is optimised away
    @Benchmark
    public NdArray attention(Arithmetic arithmetic) {
        provider.attention(op, q, k, v, out);
        arithmetic.gflop += gflop;
        return out;
    }
}
