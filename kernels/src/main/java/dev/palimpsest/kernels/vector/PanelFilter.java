package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.MemorySegment;

/// The weight of convolutions in panels: some output channels each, a row for every unit of a patch.
///
/// @param provider name of the provider whose micro-kernels read it
/// @param shape `(O, C, kT, kH, kW)`
/// @param arithmetic how convolutions are computed
/// @param panels the panels behind each other
public record PanelFilter(String provider, Shape shape, Arithmetic arithmetic, MemorySegment panels)
        implements PackedFilter {
    @Override
    public long bytes() {
        return panels.byteSize();
    }
}
