package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.DType;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReferenceArray;

/// The family of micro-kernels for one vector width, compiled when first asked for.
///
/// The largest outer-product tile fills the register file: 24 sums, 4 vectors of the panel and a broadcast element
/// where there are 32 registers (AVX-512, NEON), 9 sums, 3 and 1 where there are 16 (AVX2; more sums make the compiler
/// spill). Smaller tiles serve the edges.
final class Tiles {
    private static final Tiles[] FAMILIES = {new Tiles(128), new Tiles(256), new Tiles(512)};

    /// Rows that inner-product tiles can have at most.
    static final int INNER_ROWS = 8;

    private final int bits;
    private final int lanes;
    private final int rows;
    private final int vectors;
    private final Map<PanelType, AtomicReferenceArray<Tile>> outer = new EnumMap<>(PanelType.class);
    private final AtomicReferenceArray<Tile> inner;

    private Tiles(int bits) {
        this.bits = bits;
        lanes = bits / Float.SIZE;
        // A machine that prefers wider vectors than these, or none but these and no x86, has 32 registers.
        boolean manyRegisters = Simd.FLOATS.vectorBitSize() == 512
                || bits < Simd.FLOATS.vectorBitSize()
                || System.getProperty("os.arch", "").equals("aarch64");
        rows = manyRegisters ? 6 : 3;
        vectors = manyRegisters ? 4 : 3;
        for (PanelType type : PanelType.values()) {
            outer.put(type, new AtomicReferenceArray<>((rows + 1) * (vectors + 1)));
        }
        inner = new AtomicReferenceArray<>(2 * INNER_ROWS + 1);
    }

    /// The family for vectors of 128, 256 or 512 bits.
    static Tiles of(int bits) {
        return FAMILIES[bits / 256];
    }

    /// Rows of the largest outer-product tile.
    int rows() {
        return rows;
    }

    /// Rows of the largest outer-product tile over panels of a type: one less where narrow elements need registers to
    /// be widened in.
    int rows(PanelType type) {
        return type == PanelType.F32 ? rows : rows - 1;
    }

    /// Columns of the largest outer-product tile.
    int columns() {
        return vectors * lanes;
    }

    /// The smallest width of a tile that holds this many columns and is a whole number of the vectors that read tiles.
    int widthFor(int columns) {
        int step = Math.max(lanes, Simd.LANES);
        return Math.min(columns(), Math.ceilDiv(columns, step) * step);
    }

    /// The number of rows, at least `count`, of the smallest tile that holds them: 1, 2, 4 or the largest.
    int rowsFor(int count) {
        return rowsFor(PanelType.F32, count);
    }

    /// The same over panels of a type.
    int rowsFor(PanelType type, int count) {
        int most = rows(type);
        int fit = count <= 2 ? count : 4;
        return count > 4 || fit > most ? most : fit;
    }

    /// The outer-product kernel of these extents over panels of floats.
    Tile outer(int tileRows, int width) {
        return outer(PanelType.F32, tileRows, width);
    }

    /// The outer-product kernel of these extents, as [#rowsFor] and [#widthFor] give them.
    Tile outer(PanelType type, int tileRows, int width) {
        int tileVectors = width / lanes;
        int at = tileRows * (vectors + 1) + tileVectors;
        AtomicReferenceArray<Tile> kernels = Objects.requireNonNull(outer.get(type));
        Tile tile = kernels.get(at);
        if (tile == null) {
            kernels.compareAndSet(at, null, new Warming(TileCompiler.outer(type, bits, tileRows, tileVectors), 1, 0));
            tile = kernels.get(at);
        }
        return tile;
    }

    /// The inner-product kernel for this many rows, at most [#INNER_ROWS], and [#innerColumns] columns of f32 or bf16.
    Tile inner(DType type, int tileRows) {
        int at = type == DType.F32 ? tileRows : INNER_ROWS + tileRows;
        Tile tile = inner.get(at);
        if (tile == null) {
            Tile kernel = TileCompiler.inner(type, bits, tileRows, innerColumns(tileRows));
            inner.compareAndSet(at, null, new Warming(kernel, lanes, type.bytes()));
            tile = inner.get(at);
        }
        return tile;
    }

    /// Rows of the largest inner-product tile with at least this many columns.
    int innerRows(int columns) {
        return Math.clamp(rows * vectors / columns, 1, INNER_ROWS);
    }

    /// Columns of the inner-product tile with this many rows.
    int innerColumns(int tileRows) {
        int sums = rows * vectors;
        return Math.min(8, sums / tileRows);
    }

    /// Lanes of one vector.
    int lanes() {
        return lanes;
    }

    /// A kernel that is called with short inner dimensions until the just-in-time compiler has counted enough calls.
    ///
    /// Until then the kernel runs a few hundred times slower, and it would run through long inner dimensions many
    /// times over before the compiler, which counts calls rather than time, takes notice. Cutting the inner dimension
    /// changes no bit.
    private static final class Warming implements Tile {
        /// A little more than the 5000 calls after which the JVM compiles a method in full.
        private static final int CALLS = 6000;

        private static final int STEPS = 4;

        private final Tile kernel;
        private final int step;
        private final int elementBytes;
        private int calls; // concurrent updates may get lost: that delays the change by some calls

        /// @param step how far the inner dimension advances at a time
        /// @param elementBytes size of an element of the right side if its rows run along the inner dimension, else 0
        Warming(Tile kernel, int step, int elementBytes) {
            this.kernel = kernel;
            this.step = step * STEPS;
            this.elementBytes = elementBytes;
        }

        @Override
        public void accumulate(
                MemorySegment a, long aAt, long aStride, MemorySegment b, long bAt, long bStride, float[] tile, int k) {
            int from = 0;
            if (calls < CALLS) {
                long bStep = elementBytes == 0 ? bStride : elementBytes;
                for (; from + step < k && calls < CALLS; from += step, calls++) {
                    kernel.accumulate(a, aAt + from * 4L, aStride, b, bAt + from * bStep, bStride, tile, step);
                }
                kernel.accumulate(a, aAt + from * 4L, aStride, b, bAt + from * bStep, bStride, tile, k - from);
            } else {
                kernel.accumulate(a, aAt, aStride, b, bAt, bStride, tile, k);
            }
        }
    }
}
