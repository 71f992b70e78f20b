package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// The packing of floats into narrower elements, as [PanelType] lays them out.
@FunctionalInterface
interface NarrowRow {
    /// Packs `n` columns, a multiple of the vector length, of as many rows of floats as lie together.
    ///
    /// @param x the floats, the first row at byte `xo`, the next `xStep` bytes behind
    /// @param factors for integers the factor of each column, at byte `fo`
    /// @param y the narrow elements, at byte `yo`
    void run(MemorySegment x, long xo, long xStep, MemorySegment factors, long fo, MemorySegment y, long yo, int n);
}
