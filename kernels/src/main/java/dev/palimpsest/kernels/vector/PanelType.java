package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.DType;

/// How a panel of the right operand stores its elements.
///
/// Two bf16 that follow each other along the inner dimension share the 32 bits of their column, the first one in the
/// lower half: a vector of ints holds two rows of the panel, and a shift or a mask makes floats of either without
/// moving anything between lanes. Widening f16 and 8-bit integers takes more instructions; doing so for two or four
/// rows in one step of the loop would be more than the just-in-time compiler inlines.
enum PanelType {
    /// Floats.
    F32(DType.F32, 1),
    /// Pairs of bf16.
    BF16(DType.BF16, 2),
    /// Single f16, all finite.
    F16(DType.F16, 1),
    /// Single 8-bit integers.
    I8(DType.I8, 1);

    private final DType element;
    private final int depth;

    PanelType(DType element, int depth) {
        this.element = element;
        this.depth = depth;
    }

    /// The type of one element.
    DType element() {
        return element;
    }

    /// Elements of a column that lie together.
    int depth() {
        return depth;
    }
}
