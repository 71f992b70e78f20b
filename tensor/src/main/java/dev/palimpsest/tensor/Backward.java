package dev.palimpsest.tensor;

import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/// One step of a backward pass as [Op#gradient] sees it: the op ran forward on some inputs, the derivative of the loss
/// by its output is known, and the derivatives by the inputs are wanted.
///
/// Inputs are counted as in [Op#forward]. Derivatives by inputs that nobody wants are never computed.
public interface Backward {
    /// An input of the op. Its shape can always be asked; its memory is there if [Op#needs] said so.
    Tensor input(int i);

    /// Number of inputs, absent ones included.
    int inputs();

    /// Whether the input was given.
    boolean has(int i);

    /// Whether the derivative by this input is wanted.
    boolean wants(int i);

    /// The output of the op. Its memory is there if [Op#needsOutput] said so.
    Tensor output();

    /// The derivative of the loss by the output. Must not be overwritten.
    Tensor gradient();

    /// Gives the derivative by an input as a function of the derivative by the output; called only if it is wanted.
    /// Where the input was stretched by broadcasting, what comes back may have the stretched shape and is summed over
    /// the stretched axes.
    void to(int i, UnaryOperator<Tensor> derivative);

    /// Adds to the derivative by an input in place, for ops that touch only a part of it; called only if it is wanted.
    ///
    /// @param add gets the sum so far, f32 (f64 for an input of f64), of the input's shape
    void into(int i, Consumer<Tensor> add);

    /// Says that the derivative by an input is zero everywhere.
    void zero(int i);
}
