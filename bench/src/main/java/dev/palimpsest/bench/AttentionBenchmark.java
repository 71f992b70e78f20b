package dev.palimpsest.bench;

import dev.palimpsest.bench.Shapes.Heads;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;

/// Attention as the models call it. The secondary result `gflop` is GFLOP/s over the visible pairs of query and key.
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
public class AttentionBenchmark extends KernelBenchmark {
    /// Lengths, heads and mask.
    @Param
    public Heads site;

    /// How products are computed.
    @Param({"F32", "BF16"})
    public Arithmetic arithmetic;

    @Override
    protected Runnable prepare(Kernels provider, Inputs inputs, Arena arena) {
        int queries = site.visible().queries();
        int keys = site.visible().keys();
        NdArray q = inputs.random(DType.F32, queries, site.heads(), site.width());
        NdArray k = inputs.random(DType.F32, keys, site.heads(), site.width());
        NdArray v = inputs.random(DType.F32, keys, site.heads(), site.width());
        NdArray out = inputs.random(DType.F32, queries, site.heads(), site.width());
        Attention exact = Attention.of((float) (1 / Math.sqrt(site.width())), site.visible());
        Attention op = exact.withArithmetic(arithmetic);
        return () -> provider.attention(op, q, k, v, out);
    }

    /// One attention.
    @Benchmark
    public void attention(FlopCounter counter) {
        call();
        counter.gflop += site.gflop();
    }
}
