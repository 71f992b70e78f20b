package dev.palimpsest.kernels.x86;

import java.lang.foreign.MemorySegment;

/// The right side of a product as micro-kernels read it: panels of 32 columns, each dense with one row for every unit
/// of the inner dimension, `[N / 32][K / weights][32][weights]`. The last panel has 16 columns if those suffice. What
/// is behind the last column and the last weight of a column is 0.
///
/// @param type what its micro-kernels multiply
/// @param memory panels behind each other from its start, aligned to a cache line
/// @param firstColumn column of the matrix with which the first panel begins, a multiple of 32
/// @param columns how many columns the panels hold
/// @param k inner dimension
record Panels(TileType type, MemorySegment memory, int firstColumn, int columns, int k) {
    /// Bytes that so many columns take.
    static long bytes(TileType type, int columns, int k) {
        return (long) Math.ceilDiv(columns, TileGenerator.LANES) * units(type, k) * 64;
    }

    private static int units(TileType type, int k) {
        return Math.ceilDiv(k, type.weights());
    }

    /// Units of a column, the last not necessarily whole.
    int units() {
        return units(type, k);
    }

    /// Number of panels.
    int count() {
        return Math.ceilDiv(columns, TileGenerator.COLUMNS);
    }

    /// Columns of a panel that exist.
    int columnsOf(int panel) {
        return Math.min(TileGenerator.COLUMNS, columns - panel * TileGenerator.COLUMNS);
    }

    /// Vectors of a panel: 2, or 1 for a narrow last one.
    int vectorsOf(int panel) {
        return Math.ceilDiv(columnsOf(panel), TileGenerator.LANES);
    }

    /// Address of a panel.
    long address(int panel) {
        return memory.address() + (long) panel * TileGenerator.VECTORS * 64 * units();
    }
}
