package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Unary;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;

/// A function of one argument over a row of dense floats.
@FunctionalInterface
interface UnaryRow {
    /// Applies the function to `n` floats at byte `xo` of `x` and writes them at byte `yo` of `y`, which may be the same.
    void run(MemorySegment x, long xo, MemorySegment y, long yo, int n);

    /// A loop for every function.
    static Map<Unary, UnaryRow> loops() {
        Map<Unary, UnaryRow> loops = new EnumMap<>(Unary.class);
        for (Unary op : Unary.values()) {
            loops.put(op, Specialized.copy(UnaryLoop.class, UnaryRow.class, op));
        }
        return loops;
    }
}
