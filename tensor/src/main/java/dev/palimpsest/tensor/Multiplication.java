package dev.palimpsest.tensor;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.PackedMatrix;
import org.jspecify.annotations.Nullable;

/// How a layer multiplies by its weight.
///
/// @param arithmetic of the product; other than [Arithmetic#F32], the weight itself is packed in passing, see
///     [dev.palimpsest.kernels.Kernels]
/// @param packed a copy of the transposed weight `(in, out)` that the kernels in force have packed for this arithmetic,
///     which takes the weight's place; null to use the weight itself
public record Multiplication(
        Arithmetic arithmetic, @Nullable PackedMatrix packed) {
    /// By the weight as it is, in f32.
    public static final Multiplication PLAIN = new Multiplication(Arithmetic.F32, null);

    /// Checks that the copy was packed for the arithmetic.
    ///
    /// @throws IllegalArgumentException if it was not
    public Multiplication {
        if (packed != null && packed.arithmetic() != arithmetic) {
            throw new IllegalArgumentException("linear: the weight is to be multiplied in " + arithmetic
                    + " but was packed for " + packed.arithmetic());
        }
    }

    /// By a packed copy, in the arithmetic that it was packed for.
    public static Multiplication by(PackedMatrix packed) {
        return new Multiplication(packed.arithmetic(), packed);
    }
}
