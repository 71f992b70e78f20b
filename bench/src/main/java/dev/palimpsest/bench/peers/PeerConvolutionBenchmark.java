package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.FlopCounter;
import dev.palimpsest.bench.Inputs;
import dev.palimpsest.bench.Shapes.Conv;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/// Other libraries on planar shapes of [dev.palimpsest.bench.ConvolutionBenchmark], channels innermost.
public class PeerConvolutionBenchmark extends PeerBenchmark {

    /// Libraries.
    public enum Peer {
        /// libtorch, which makes its own output.
        LIBTORCH,
        /// oneDNN with a packed weight.
        ONEDNN
    }

    /// Library.
    @Param
    public Peer peer;

    /// Element type.
    @Param({"F32", "BF16"})
    public DType type;

    /// Geometry and extents.
    @Param({
        "ENCODER_IN",
        "BLOCK_128",
        "BLOCK_256_TO_128",
        "BLOCK_256",
        "BLOCK_512",
        "BLOCK_512_SMALL",
        "SHORTCUT",
        "DECODER_IN",
        "DECODER_OUT"
    })
    public Conv layer;

    @Override
    protected Runnable prepare(Inputs inputs, Arena arena) {
        NdArray x = channelsLast(inputs, type, layer.input());
        NdArray weight = channelsLast(inputs, type, layer.weight());
        NdArray out = channelsLast(inputs, type, layer.output());
        NdArray bias = inputs.random(DType.F32, layer.weight().dim(0));
        return switch (peer) {
            case LIBTORCH -> {
                Torch torch = torch();
                Torch.Value tx = torch.of(x);
                Torch.Value tw = torch.of(weight);
                Torch.Value tb = torch.to(torch.of(bias), type);
                long[] stride = {layer.geometry().strideH(), layer.geometry().strideW()};
                long[] padding = {layer.geometry().top(), layer.geometry().left()};
                yield () -> torch.scope(() -> torch.convolution(tx, tw, tb, stride, padding));
            }
            case ONEDNN -> oneDnn().convolution(arena, layer.geometry(), x, weight, bias, out)::run;
        };
    }

    /// One convolution.
    @Benchmark
    public void convolution(FlopCounter counter) {
        call();
        counter.gflop += layer.gflop();
    }
}
