package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.MemorySegment;

/// A matrix as panels: some columns each, of which all elements of one step of the inner dimension lie together.
///
/// Every panel but the last is `width` columns wide; the last one is as narrow as [Tiles#widthFor] allows. Columns
/// that do not exist, and elements behind the end of the inner dimension, are zero.
///
/// @param shape `(K, N)`
/// @param arithmetic how products are computed
/// @param type how panels store elements
/// @param groupSize elements of a column that share a scale, 0 for all
/// @param width columns of a panel
/// @param panels the panels behind each other
/// @param scales for integers: for each group the factors of all columns, as many as the panels are wide together;
///     empty otherwise
record VectorPacked(
        Shape shape,
        Arithmetic arithmetic,
        PanelType type,
        int groupSize,
        int width,
        MemorySegment panels,
        MemorySegment scales)
        implements PackedMatrix {

    @Override
    public DType weightType() {
        return type.element();
    }

    @Override
    public long bytes() {
        return panels.byteSize() + scales.byteSize();
    }

    /// Length of the inner dimension in panels, zeros at its end included.
    int paddedK() {
        return paddedK(shape.dim(0), type);
    }

    static int paddedK(int k, PanelType type) {
        return Math.ceilDiv(k, type.depth()) * type.depth();
    }

    /// How many panels there are.
    int count() {
        return Math.ceilDiv(shape.dim(1), width);
    }

    /// Bytes of a step of the inner dimension in a panel that is so many columns wide.
    long step(int columns) {
        return (long) columns * type.element().bytes();
    }

    /// Position of a panel in bytes.
    long at(int panel) {
        return panel * step(width) * paddedK();
    }

    /// How many groups of a column have a scale of their own.
    int groups() {
        return groupSize == 0 ? 1 : Math.max(1, Math.ceilDiv(shape.dim(0), groupSize));
    }

    /// Position of a group's factors in bytes.
    long scalesAt(int group) {
        return (long) group * count() * width * Float.BYTES;
    }
}
