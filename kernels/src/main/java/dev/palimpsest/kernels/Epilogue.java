package dev.palimpsest.kernels;

import org.jspecify.annotations.Nullable;

/// What is done to a product before it is written: `out = residual + gate * activation(product + bias)`, each part
/// optional.
///
/// @param bias one value per output column (matrix product) or output channel (convolution), shape `(N)`, f32
/// @param activation applied after the bias
/// @param gate multiplied after the activation; stretches to the output's shape, f32
/// @param residual added last; stretches to the output's shape, f32; may be the output's own memory when it has
///     exactly the output's layout
public record Epilogue(
        @Nullable NdArray bias,
        Activation activation,
        @Nullable NdArray gate,
        @Nullable NdArray residual) {
    /// Nothing: the product itself.
    public static final Epilogue NONE = new Epilogue(null, Activation.NONE, null, null);

    /// A bias and nothing else.
    public static Epilogue bias(@Nullable NdArray bias) {
        return bias == null ? NONE : new Epilogue(bias, Activation.NONE, null, null);
    }

    /// This epilogue for some of the output's columns.
    Epilogue columns(int from, int to) {
        return new Epilogue(columns(bias, from, to), activation, columns(gate, from, to), columns(residual, from, to));
    }

    private static @Nullable NdArray columns(@Nullable NdArray x, int from, int to) {
        return x == null || x.rank() == 0 || x.dim(-1) == 1 ? x : x.slice(-1, from, to);
    }

    /// This epilogue with an activation.
    public Epilogue withActivation(Activation activation) {
        return new Epilogue(bias, activation, gate, residual);
    }

    /// This epilogue with a gate.
    public Epilogue withGate(@Nullable NdArray gate) {
        return new Epilogue(bias, activation, gate, residual);
    }

    /// This epilogue with a residual.
    public Epilogue withResidual(@Nullable NdArray residual) {
        return new Epilogue(bias, activation, gate, residual);
    }
}
