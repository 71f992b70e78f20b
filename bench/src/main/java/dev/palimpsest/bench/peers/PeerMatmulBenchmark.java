package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.FlopCounter;
import dev.palimpsest.bench.Inputs;
import dev.palimpsest.bench.Shapes.Product;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/// Other libraries on the shapes of [dev.palimpsest.bench.MatmulBenchmark], without a bias.
public class PeerMatmulBenchmark extends PeerBenchmark {

    /// Libraries and element types.
    public enum Peer {
        /// libtorch.
        LIBTORCH,
        /// libtorch, bf16 on both sides.
        LIBTORCH_BF16,
        /// oneDNN with a packed weight.
        ONEDNN,
        /// oneDNN with a packed weight, bf16 to f32.
        ONEDNN_BF16,
        /// oneDNN with a packed weight, 8-bit to 32-bit integers.
        ONEDNN_INT8,
        /// OpenBLAS.
        OPENBLAS,
        /// ONNX Runtime with a packed weight.
        ONNXRUNTIME
    }

    /// Library.
    @Param
    public Peer peer;

    /// Operands.
    @Param
    public Product shape;

    @Override
    protected Runnable prepare(Inputs inputs, Arena arena) {
        boolean narrow = peer == Peer.LIBTORCH_BF16 || peer == Peer.ONEDNN_BF16;
        DType type = narrow ? DType.BF16 : DType.F32;
        NdArray a = inputs.random(type, shape.m(), shape.k());
        NdArray weight = inputs.random(type, shape.n(), shape.k());
        NdArray out = inputs.zeros(peer == Peer.LIBTORCH_BF16 ? type : DType.F32, shape.m(), shape.n());
        return switch (peer) {
            case LIBTORCH, LIBTORCH_BF16 -> {
                Torch torch = torch();
                Torch.Value x = torch.of(a);
                Torch.Value w = torch.of(weight);
                Torch.Value y = torch.of(out);
                yield () -> torch.linear(x, w, null, y);
            }
            case ONEDNN, ONEDNN_BF16 -> oneDnn().linear(arena, a, weight, out)::run;
            case ONEDNN_INT8 ->
                oneDnn().linear(
                                arena,
                                inputs.zeros(DType.U8, shape.m(), shape.k()),
                                inputs.zeros(DType.I8, shape.n(), shape.k()),
                                inputs.zeros(DType.I32, shape.m(), shape.n()))::run;
            case OPENBLAS -> {
                OpenBlas openBlas = new OpenBlas();
                openBlas.threads(threads);
                yield () -> openBlas.linear(a, weight, out);
            }
            case ONNXRUNTIME -> {
                OnnxRuntime runtime = new OnnxRuntime();
                runtime.threads(threads);
                yield runtime.linear(arena, a, weight, out)::run;
            }
        };
    }

    /// One product.
    @Benchmark
    public void matmul(FlopCounter counter) {
        call();
        counter.gflop += shape.gflop();
    }
}
