package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Binary;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

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

    /// Applies the function to `n` floats at byte `ao` of `a` and `bo` of `b`, or to the one float there if that side is a
    /// [Splat]. Writes floats, or bytes for comparisons, at byte `yo` of `y`.
    void run(MemorySegment a, long ao, MemorySegment b, long bo, MemorySegment y, long yo, int n);

    /// Loops for every function but [Binary#POWER], in the order of [Splat].
    static Map<Binary, List<BinaryRow>> loops() {
        Map<Binary, List<BinaryRow>> loops = new EnumMap<>(Binary.class);
        for (Binary op : Binary.values()) {
            List<BinaryRow> forms = new ArrayList<>();
            for (Splat splat : Splat.values()) {
                if (op != Binary.POWER) {
                    forms.add(Specialized.copy(BinaryLoop.class, BinaryRow.class, new Form(op, splat)));
                }
            }
            loops.put(op, List.copyOf(forms));
        }
        return loops;
    }
}
