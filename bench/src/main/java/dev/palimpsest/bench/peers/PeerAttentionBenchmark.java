package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.FlopCounter;
import dev.palimpsest.bench.Inputs;
import dev.palimpsest.bench.Shapes.Heads;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/// libtorch on shapes of [dev.palimpsest.bench.AttentionBenchmark] in which everybody sees everything.
public class PeerAttentionBenchmark extends PeerBenchmark {
    /// Lengths and heads.
    @Param({
        "INFINITY_1024",
        "VINCIE_2048",
        "VINCIE_4096",
        "VINCIE_256",
        "INFINITY_SCALE",
        "INFINITY_PROMPT",
        "AUTOENCODER"
    })
    public Heads site;

    /// Element type.
    @Param({"F32", "BF16"})
    public DType type;

    @Override
    protected Runnable prepare(Inputs inputs, Arena arena) {
        Torch torch = torch();
        Torch.Value q = torch.of(headsFirst(inputs, site.visible().queries()));
        Torch.Value k = torch.of(headsFirst(inputs, site.visible().keys()));
        Torch.Value v = torch.of(headsFirst(inputs, site.visible().keys()));
        double scale = 1 / Math.sqrt(site.width());
        return () -> torch.scope(() -> torch.attention(q, k, v, null, false, scale));
    }

    /// `(1, heads, L, width)`, a token's heads next to each other in memory.
    private NdArray headsFirst(Inputs inputs, int length) {
        NdArray x = inputs.random(type, length, site.heads(), site.width());
        long[] strides = {x.shape().elements(), x.stride(1), x.stride(0), 1};
        return NdArray.of(x.memory(), type, Shape.of(1, site.heads(), length, site.width()), strides, 0);
    }

    /// One attention.
    @Benchmark
    public void attention(FlopCounter counter) {
        call();
        counter.gflop += site.gflop();
    }
}
