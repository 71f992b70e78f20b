package dev.palimpsest.bench;

import dev.palimpsest.bench.Shapes.Heads;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;

/// A product for each head of operands that lie head behind head in every token: the scores that are exported, and what
/// the backward pass of attention is made of. The secondary result `gflop` is GFLOP/s.
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
public class BatchedMatmulBenchmark extends KernelBenchmark {
    /// Lengths and heads; all pairs are computed.
    @Param({"INFINITY_1024", "INFINITY_PROMPT", "QWEN", "T5"})
    public Heads site;

    @Override
    protected Runnable prepare(Kernels provider, Inputs inputs, Arena arena) {
        int queries = site.visible().queries();
        int keys = site.visible().keys();
        NdArray q =
                inputs.random(DType.F32, queries, site.heads(), site.width()).permute(1, 0, 2); // (heads, Lq, d)
        NdArray k = inputs.random(DType.F32, keys, site.heads(), site.width()).permute(1, 2, 0); // (heads, d, Lk)
        NdArray scores = inputs.zeros(DType.F32, site.heads(), queries, keys);
        return () -> provider.matmul(q, k, scores, Epilogue.NONE);
    }

    /// All heads.
    @Benchmark
    public void matmul(FlopCounter counter) {
        call();
        counter.gflop +=
                2e-9 * site.heads() * site.visible().queries() * site.visible().keys() * site.width();
    }
}
