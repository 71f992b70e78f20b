package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.Inputs;
import dev.palimpsest.bench.Shapes.Rows;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/// Functions of single elements and of rows in libtorch.
public class PeerRowsBenchmark extends PeerBenchmark {

    /// Functions.
    public enum Operation {
        /// Exponential function.
        EXP,
        /// `x sigmoid(x)`
        SILU,
        /// GELU in its tanh form.
        GELU_TANH,
        /// Softmax along rows.
        SOFTMAX,
        /// Root-mean-square normalisation of rows; makes its own output.
        RMS_NORM,
        /// Layer normalisation of rows; makes its own output.
        LAYER_NORM
    }

    /// Function.
    @Param
    public Operation operation;

    /// Operands.
    @Param
    public Rows shape;

    @Override
    protected Runnable prepare(Inputs inputs, Arena arena) {
        NdArray out = inputs.zeros(DType.F32, shape.rows(), shape.width());
        Torch torch = torch();
        Torch.Value x = torch.of(inputs.random(DType.F32, shape.rows(), shape.width()));
        Torch.Value y = torch.of(out);
        Torch.Value w = torch.of(inputs.random(DType.F32, shape.width()));
        return switch (operation) {
            case EXP -> () -> torch.exp(x, y);
            case SILU -> () -> torch.silu(x, y);
            case GELU_TANH -> () -> torch.gelu(x, true, y);
            case SOFTMAX -> () -> torch.softmax(x, y);
            case RMS_NORM -> () -> torch.scope(() -> torch.rmsNorm(x, shape.width(), w, 1e-6));
            case LAYER_NORM -> () -> torch.scope(() -> torch.layerNorm(x, shape.width(), w, w, 1e-6));
        };
    }

    /// One call.
    @Benchmark
    public void rows() {
        call();
    }
}
