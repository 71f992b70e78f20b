package dev.palimpsest.kernels.cases;

import dev.palimpsest.kernels.Shape;

/// How the elements of an operand lie in memory.
public enum Layout {
    /// Row-major without gaps.
    DENSE,
    /// The last two axes exchanged: column-major matrices.
    TRANSPOSED,
    /// Axis 1 innermost: (N, H, W, C) in memory for (N, C, H, W).
    CHANNELS_LAST,
    /// Rows are dense but lie further apart than they are long.
    PADDED,
    /// Every second place is free.
    SPACED,
    /// Dense, but at an odd address.
    MISALIGNED;

    /// Elements left free behind a row of [#PADDED].
    private static final int GAP = 3;

    /// Strides of a shape in this layout, in elements.
    public long[] strides(Shape shape) {
        int rank = shape.rank();
        long[] strides = new long[rank];
        long next = this == SPACED ? 2 : 1;
        for (int i = rank - 1; i >= 0; i--) {
            int axis = axisInMemory(i, rank);
            strides[axis] = next;
            next *= Math.max(shape.dim(axis), 1);
            if (this == PADDED && i == rank - 1) {
                next += GAP;
            }
        }
        return strides;
    }

    /// Bytes between an aligned address and the first one of the memory.
    public int shift() {
        return this == MISALIGNED ? 1 : 0;
    }

    /// Which axis is the i-th from outside in memory.
    private int axisInMemory(int i, int rank) {
        if (this == TRANSPOSED && rank >= 2 && i >= rank - 2) {
            return 2 * rank - 3 - i;
        }
        if (this == CHANNELS_LAST && rank >= 3 && i >= 1) {
            return i == rank - 1 ? 1 : i + 1;
        }
        return i;
    }
}
