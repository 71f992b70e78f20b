package dev.palimpsest.kernels.cases;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The operands of an epilogue.
///
/// @param bias see [Epilogue]
/// @param activation see [Epilogue]
/// @param gate see [Epilogue]
/// @param residual see [Epilogue]
/// @param intoOutput whether the residual is what the output holds before
record Fused(
        @Nullable Operand bias,
        Activation activation,
        @Nullable Operand gate,
        @Nullable Operand residual,
        boolean intoOutput) {
    static final Fused NONE = new Fused(null, Activation.NONE, null, null, false);

    static Fused bias(int n) {
        return new Fused(Operand.f32(n), Activation.NONE, null, null, false);
    }

    Fused activated(Activation function) {
        return new Fused(bias, function, gate, residual, intoOutput);
    }

    /// Gates lie between -1 and 1, so that they do not enlarge errors.
    Fused gated(Operand factor) {
        return new Fused(bias, activation, factor.with(Values.uniform(-1, 1)), residual, intoOutput);
    }

    Fused plus(Operand term) {
        return new Fused(bias, activation, gate, term, intoOutput);
    }

    Fused plusOutput() {
        return new Fused(bias, activation, gate, residual, true);
    }

    /// These operands behind an op's own.
    List<Operand> appendedTo(Operand... operands) {
        List<Operand> all = new ArrayList<>(List.of(operands));
        for (Operand o : new @Nullable Operand[] {bias, gate, residual}) {
            if (o != null) {
                all.add(o);
            }
        }
        return all;
    }

    /// The output, filled if it is the residual as well.
    Operand output(Operand out) {
        return intoOutput ? out.with(Values.NORMAL) : out;
    }

    /// The epilogue from arrays in the order of [#appendedTo], of which the first `at` are the op's own.
    Epilogue epilogue(List<NdArray> in, int at, NdArray out) {
        int i = at;
        NdArray b = bias == null ? null : in.get(i++);
        NdArray g = gate == null ? null : in.get(i++);
        NdArray r = residual == null ? null : in.get(i);
        return new Epilogue(b, activation, g, intoOutput ? out : r);
    }

    @Override
    public String toString() {
        return (bias == null ? "" : ", bias")
                + (activation == Activation.NONE ? "" : ", " + activation)
                + (gate == null ? "" : ", gate " + gate)
                + (residual == null ? "" : ", residual " + residual)
                + (intoOutput ? ", residual in the output" : "");
    }
}
