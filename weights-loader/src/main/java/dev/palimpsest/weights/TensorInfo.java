package dev.palimpsest.weights;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import org.jspecify.annotations.Nullable;

/// What a checkpoint says about a tensor before its elements are looked at.
///
/// @param dtype element type as stored
/// @param shape extents
public record TensorInfo(DType dtype, Shape shape) {
    /// As many axes as PyTorch allows.
    static final int MAX_RANK = 64;

    /// Number of bytes that the elements take when they lie densely.
    public long bytes() {
        return shape.elements() * dtype.bytes();
    }

    /// Type and shape: `bf16 (2, 3)`.
    @Override
    public String toString() {
        return dtype.label() + " " + shape;
    }

    /// Why an array with these extents cannot be represented, or null if it can be.
    ///
    /// Every partial product of the extents must fit in 63 bits, also where another extent is 0: strides are computed
    /// from them.
    static @Nullable String fault(DType dtype, long[] dims) {
        if (dims.length > MAX_RANK) {
            return "has " + dims.length + " axes, more than " + MAX_RANK;
        }
        long bytes = dtype.bytes();
        for (long d : dims) {
            if (d < 0) {
                return "has the negative extent " + d;
            }
            if (d > Integer.MAX_VALUE) {
                return "has the extent " + d + ", more than " + Integer.MAX_VALUE;
            }
            if (Math.multiplyHigh(bytes, Math.max(d, 1)) != 0 || bytes * Math.max(d, 1) < 0) {
                return "has extents whose product exceeds 63 bits";
            }
            bytes *= Math.max(d, 1);
        }
        return null;
    }

    /// The shape with these extents, for which [#fault] found nothing.
    static Shape shape(long[] dims) {
        int[] d = new int[dims.length];
        for (int i = 0; i < d.length; i++) {
            d[i] = Math.toIntExact(dims[i]);
        }
        return Shape.of(d);
    }
}
