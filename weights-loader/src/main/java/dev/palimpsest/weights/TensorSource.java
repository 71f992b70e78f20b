package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.util.function.Supplier;

/// A tensor to be written: what it is, and where its elements come from when their turn is there.
record TensorSource(TensorInfo info, Supplier<NdArray> elements) {
    static TensorSource of(NdArray tensor) {
        return new TensorSource(new TensorInfo(tensor.dtype(), tensor.shape()), () -> tensor);
    }

    /// The elements.
    ///
    /// @throws IllegalArgumentException if they are not what was promised
    NdArray array() {
        NdArray array = elements.get();
        if (array.dtype() != info.dtype() || !array.shape().equals(info.shape())) {
            throw new IllegalArgumentException("write: the elements are " + array + ", not " + info);
        }
        return array;
    }
}
