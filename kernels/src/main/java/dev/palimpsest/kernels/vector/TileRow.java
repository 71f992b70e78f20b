package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// The transposition of a square tile of 4-byte elements.
@FunctionalInterface
interface TileRow {
    /// The loops, copied from their template.
    TileRow LOOP = Specialized.only(TileLoop.class, TileRow.class);

    /// Edge of a tile in elements: two lines of floats.
    int TILE = 32;

    /// Bytes between the rows of a tile in scratch memory; not a power of two, which would keep the rows in few cache
    /// sets.
    int PITCH = 4 * TILE + 8;

    /// Bytes of scratch memory.
    int SCRATCH = TILE * PITCH;

    /// Element j of row i, which begins at byte `xo + i * xStep` of `x`, becomes element i of row j, which begins at
    /// byte
    /// `yo + j * yStep` of `y`.
    void run(MemorySegment x, long xo, long xStep, MemorySegment scratch, MemorySegment y, long yo, long yStep);
}
