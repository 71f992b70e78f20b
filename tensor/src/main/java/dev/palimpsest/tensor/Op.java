package dev.palimpsest.tensor;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import org.jspecify.annotations.Nullable;

/// One operation on tensors as data: a record that holds what is not a tensor (axes, strides, scales).
///
/// Every operation goes through [#apply], and nothing else calls [#forward]. That one call is the place where a
/// computation can be watched: what ran, on which inputs, giving what.
///
/// An op is added by writing a record with [#name] and [#forward] and a method on [Tensor] or [Functional] that
/// applies it. It can be differentiated if it also defines [#gradient], or [#plain] in terms of ops that do.
public interface Op {
    /// The word for this op in messages, as PyTorch spells it.
    String name();

    /// Computes the result. Inputs that are optional and absent are null.
    Tensor forward(@Nullable Tensor[] inputs);

    /// Hands the derivative of the loss on from the output to every wanted input, see [Backward].
    ///
    /// @throws UnsupportedOperationException if the op cannot be differentiated
    default void gradient(Backward b) {
        throw new UnsupportedOperationException(
                name() + ": has no gradient; compute it on tensors that lead to nothing that is watched");
    }

    /// Whether [#gradient] reads the elements of an input; if not, its memory may be gone by then.
    ///
    /// @param wanted for each input whether its derivative will be asked for
    default boolean needs(int input, boolean[] wanted) {
        return true;
    }

    /// Whether [#gradient] reads the elements of the output; if not, its memory may be gone by then.
    ///
    /// @param wanted for each input whether its derivative will be asked for
    default boolean needsOutput(boolean[] wanted) {
        return false;
    }

    /// The same computation in smaller ops, which are recorded in place of this one when a gradient is wanted; null if
    /// this op has a gradient of its own.
    default @Nullable Tensor plain(@Nullable Tensor[] inputs) {
        return null;
    }

    /// Runs the op on these inputs.
    default Tensor apply(@Nullable Tensor... inputs) {
        Recorder recorder = Recorder.current();
        return recorder == null ? forward(inputs) : recorder.run(this, inputs);
    }

    /// A new tensor for the result, with arbitrary content.
    default Tensor output(DType dtype, Shape shape) {
        return Tensor.allocate(name(), dtype, shape);
    }
}
