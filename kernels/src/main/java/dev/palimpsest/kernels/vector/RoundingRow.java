package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// Rounds a row of the left operand to the numbers that an arithmetic multiplies, still as floats.
@FunctionalInterface
interface RoundingRow {
    /// The compiled loops, for [Arithmetic#BF16] and [Arithmetic#INT8].
    Specialized<Arithmetic, RoundingRow> LOOPS =
            new Specialized<>(RoundingLoop.class, RoundingRow.class, List.of(Arithmetic.BF16, Arithmetic.INT8));

    /// Rounds at least `n` floats at byte `xo` in place, up to the end of the last vector.
    ///
    /// @param factor from numbers to integers, see [dev.palimpsest.kernels.Quantization]
    /// @param zero the zero point, which is subtracted again
    void run(MemorySegment x, long xo, int n, float factor, float zero);
}
