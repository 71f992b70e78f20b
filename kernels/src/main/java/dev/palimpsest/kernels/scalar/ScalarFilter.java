package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;

/// The weight of convolutions as the scalar kernels keep it: a dense copy in the type that the arithmetic multiplies.
///
/// @param weight `(O, C, kT, kH, kW)`
/// @param arithmetic how convolutions are computed
record ScalarFilter(NdArray weight, Arithmetic arithmetic) implements PackedFilter {
    /// Copies a weight.
    static ScalarFilter of(Kernels kernels, NdArray weight, Arithmetic arithmetic, Arena arena) {
        DType type = arithmetic == Arithmetic.BF16 ? DType.BF16 : weight.dtype();
        long bytes = Math.max(1, weight.elements() * type.bytes());
        NdArray copy = NdArray.of(arena.allocate(bytes, 64), type, weight.shape());
        kernels.copy(weight, copy);
        return new ScalarFilter(copy, arithmetic);
    }

    @Override
    public Shape shape() {
        return weight.shape();
    }

    @Override
    public long bytes() {
        return weight.memory().byteSize();
    }
}
