package dev.palimpsest.tensor.random;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Sizes of the memory that generators fill.
final class Segments {

    private Segments() {}

    /// The number of elements that `out` holds.
    ///
    /// @throws IllegalArgumentException if that is no whole number
    static long count(String op, MemorySegment out, ValueLayout element) {
        if (out.byteSize() % element.byteSize() != 0) {
            throw new IllegalArgumentException(op + ": a segment of " + out.byteSize()
                    + " bytes is no whole number of elements of " + element.byteSize() + " bytes");
        }
        return out.byteSize() / element.byteSize();
    }
}
