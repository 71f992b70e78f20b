package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import org.jspecify.annotations.Nullable;

/// What happens to one row of a product, bias already added, on its way into the output.
final class ScalarEpilogue {
    private final Activation activation;
    private final @Nullable NdArray gate;
    private final @Nullable NdArray residual;
    private final NdArray out;
    private final double[] factor;
    private final double[] term;

    ScalarEpilogue(Epilogue epilogue, NdArray out) {
        this.activation = epilogue.activation();
        this.gate = epilogue.gate() == null ? null : epilogue.gate().expand(out.shape());
        this.residual = epilogue.residual() == null ? null : epilogue.residual().expand(out.shape());
        this.out = out;
        this.factor = new double[gate == null ? 0 : out.dim(-1)];
        this.term = new double[residual == null ? 0 : out.dim(-1)];
    }

    /// Finishes `values` in place and writes them as the row at this index of the leading axes.
    void write(double[] values, int... index) {
        int n = out.dim(-1);
        for (int i = 0; i < n; i++) {
            values[i] = Functions.apply(activation, values[i]);
        }
        if (gate != null) {
            Rows.read(gate, index, factor);
            for (int i = 0; i < n; i++) {
                values[i] *= factor[i];
            }
        }
        if (residual != null) {
            Rows.read(residual, index, term);
            for (int i = 0; i < n; i++) {
                values[i] += term[i];
            }
        }
        Rows.write(values, out, index);
    }
}
