package dev.palimpsest.kernels.x86;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.x86.PanelPacker.Quantized;
import org.jspecify.annotations.Nullable;

/// The right side of products in panels.
///
/// @param arithmetic how products are computed
/// @param weightType what a weight is stored as
/// @param groupSize elements of a column that share a scale, 0 for all
/// @param panels all columns
/// @param quantized scales and sums, if the weights are integers
record X86Packed(
        Arithmetic arithmetic,
        DType weightType,
        int groupSize,
        Panels panels,
        @Nullable Quantized quantized) implements PackedMatrix {
    @Override
    public Shape shape() {
        return Shape.of(panels.k(), panels.columns());
    }

    @Override
    public long bytes() {
        return panels.memory().byteSize()
                + (quantized == null
                        ? 0
                        : quantized.scales().byteSize() + quantized.sums().byteSize());
    }
}
