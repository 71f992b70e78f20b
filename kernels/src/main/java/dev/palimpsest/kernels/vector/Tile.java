package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;

/// A micro-kernel: a small block of products that stays in vector registers while the inner dimension runs.
///
/// There are two kinds, both written by [TileCompiler] for a fixed number of rows and vectors:
///
/// - outer product: `tile[r][j] += sum over i of a[r][i] * b[i][j]`, with `b` a panel of as many columns as the tile;
/// - inner product: `tile[r][c][lane] += sum over i of a[r][i*lanes + lane] * b[c][i*lanes + lane]`, with both sides
///   along the inner dimension; the caller adds up the lanes.
///
/// Sums run in f32, one fused multiply-add after another in the order of the inner dimension, so that a result does not
/// depend on how rows, columns or the inner dimension are cut into blocks.
interface Tile {
    /// Adds a product to the tile. Both operands are f32 in native memory; positions and strides are in bytes.
    ///
    /// @param a left side
    /// @param aAt position of its first element
    /// @param aStride distance of its rows
    /// @param b right side
    /// @param bAt position of its first element
    /// @param bStride distance of its rows: of step i and i + 1 in an outer product, of two columns in an inner product
    /// @param tile the sums, dense; a Java array because stores to constant places of one stay inlined even in large
    ///     kernels
    /// @param k length of the inner dimension; a multiple of the number of lanes in an inner product
    void accumulate(
            MemorySegment a, long aAt, long aStride, MemorySegment b, long bAt, long bStride, float[] tile, int k);
}
