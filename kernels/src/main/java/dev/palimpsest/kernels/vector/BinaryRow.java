package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Binary;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/// A function of two arguments over rows of dense floats, or over a row and a number.
@FunctionalInterface
interface BinaryRow {
    /// Which side is a single number for the whole row.
    enum Splat {
        NEITHER,
        LEFT,
        RIGHT
    }

    /// What a loop is specialised for.
    record Form(Binary op, Splat splat) {}

    /// Applies the function to `n` floats at byte `ao` of `a` and `bo` of `b`, or to the one float there if that side
    /// is a
    /// [Splat]. Writes floats, or bytes for comparisons, at byte `yo` of `y`.
    void run(MemorySegment a, long ao, MemorySegment b, long bo, MemorySegment y, long yo, int n);

    /// All forms but those of [Binary#POWER], which has no vector form.
    static List<Form> forms() {
        return Arrays.stream(Binary.values())
                .filter(op -> op != Binary.POWER)
                .flatMap(op -> Arrays.stream(Splat.values()).map(splat -> new Form(op, splat)))
                .toList();
    }
}
