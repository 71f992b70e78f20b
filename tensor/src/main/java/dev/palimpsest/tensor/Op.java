package dev.palimpsest.tensor;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import org.jspecify.annotations.Nullable;

/// One operation on tensors as data: a record that holds what is not a tensor (axes, strides, scales).
///
/// Every operation goes through [#apply], and nothing else calls [#forward]. That one call is the place where a
/// computation can be watched: what ran, on which inputs, giving what.
///
/// An op is added by writing a record with [#name] and [#forward] and a method on [Tensor] or [Functional] that applies
/// it.
public interface Op {
    /// The word for this op in messages, as PyTorch spells it.
    String name();

    /// Computes the result. Inputs that are optional and absent are null.
    Tensor forward(@Nullable Tensor[] inputs);

    /// Runs the op on these inputs.
    default Tensor apply(@Nullable Tensor... inputs) {
        return forward(inputs);
    }

    /// A new tensor for the result, with arbitrary content.
    default Tensor output(DType dtype, Shape shape) {
        return Tensor.allocate(name(), dtype, shape);
    }
}
