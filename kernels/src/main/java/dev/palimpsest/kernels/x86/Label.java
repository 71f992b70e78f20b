package dev.palimpsest.kernels.x86;

import java.util.ArrayList;
import java.util.List;

/// A place in a program that instructions refer to, possibly before it is known.
final class Label {
    private static final int UNBOUND = -1;

    /// Four bytes that hold the distance to this label.
    ///
    /// @param at where they lie
    /// @param end the place that the processor counts from: the end of the instruction
    record Reference(int at, int end) {}

    final List<Reference> references = new ArrayList<>();
    private int position = UNBOUND;

    boolean isBound() {
        return position != UNBOUND;
    }

    int position() {
        return position;
    }

    void bind(int at) {
        if (isBound()) {
            throw new IllegalStateException("label is already bound at " + position);
        }
        position = at;
    }
}
