package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Quantization;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.vector.Workspace;
import dev.palimpsest.kernels.x86.LayoutGenerator.Layout;
import dev.palimpsest.kernels.x86.TileGenerator.Kind;
import dev.palimpsest.kernels.x86.TileGenerator.Tile;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Brings matrices into [Panels].
final class PanelPacker {
    private final MicroKernels kernels;
    private final Kernels copies;
    private final Workspace.Pool workspaces;

    /// @param copies copies what lies in no order that the programs here know
    PanelPacker(MicroKernels kernels, Kernels copies, Workspace.Pool workspaces) {
        this.kernels = kernels;
        this.copies = copies;
        this.workspaces = workspaces;
    }

    /// The scales and sums of quantised weights, by column (and group), with room for whole vectors.
    ///
    /// @param scales `[groups][columns]` f32
    /// @param sums `[columns]` 32-bit integers, of products of integers only
    /// @param columns distance of groups, a multiple of 16
    /// @param groupSize elements of a column that share a scale
    record Quantized(MemorySegment scales, MemorySegment sums, int columns, int groupSize) {}

    /// Packs one panel.
    ///
    /// @param b `(K, N)`
    /// @param panels where it goes
    /// @param quantized where scales and sums go if weights become integers
    void pack(NdArray b, Panels panels, int panel, @Nullable Quantized quantized) {
        int from = panels.firstColumn() + panel * TileGenerator.COLUMNS;
        NdArray columns = b.slice(1, from, from + panels.columnsOf(panel));
        DType stored = storedType(panels.type());
        if (panels.k() == 0) {
            return;
        }
        if (stored == b.dtype() && (columns.stride(0) == 1 || panels.k() == 1)) {
            transpose(columns.memory().address() + columns.byteOffset(), columns.stride(1), panels, panel);
        } else if (stored == b.dtype() && columns.stride(1) == 1 && stored == DType.F32) {
            copyRows(columns, panels, panel);
        } else if (stored == b.dtype() && columns.stride(1) == 1) {
            interleave(columns, panels, panel);
        } else {
            try (Workspace workspace = workspaces.take()) {
                convert(columns, panels, panel, quantized, workspace);
            }
        }
    }

    private static DType storedType(TileType type) {
        return switch (type) {
            case F32 -> DType.F32;
            case F32_BF16, BF16 -> DType.BF16;
            case F32_F16 -> DType.F16;
            case F32_I8, U8_I8 -> DType.I8;
        };
    }

    /// Columns whose elements lie densely.
    private void transpose(long source, long stride, Panels panels, int panel) {
        int columns = panels.columnsOf(panel);
        int bytes = storedType(panels.type()).bytes();
        long length = (long) panels.k() * bytes;
        int rest = (int) (length % 64);
        try (Workspace workspace = workspaces.take()) {
            Arguments arguments = Arguments.of(workspace, 0)
                    .set(LayoutGenerator.FROM_STRIDE, stride * bytes)
                    .set(LayoutGenerator.TO_STRIDE, panels.vectorsOf(panel) * 64L)
                    .set(LayoutGenerator.BLOCKS, length / 64)
                    .set(LayoutGenerator.TAIL, (1L << rest) - 1)
                    .set(LayoutGenerator.TAIL_UNITS, Math.ceilDiv(rest, 4));
            for (int j = 0; j < columns; j += TileGenerator.LANES) {
                int rows = Math.min(TileGenerator.LANES, columns - j);
                arguments
                        .set(LayoutGenerator.FROM, source + j * stride * bytes)
                        .set(LayoutGenerator.TO, panels.address(panel) + j * 4L)
                        .run(kernels.layout(new Layout.Transpose(rows)));
            }
        }
    }

    /// Rows of f32 that lie densely.
    private void copyRows(NdArray b, Panels panels, int panel) {
        int columns = panels.columnsOf(panel);
        try (Workspace workspace = workspaces.take()) {
            Arguments.of(workspace, 0)
                    .set(LayoutGenerator.FROM, b.memory().address() + b.byteOffset())
                    .set(LayoutGenerator.FROM_STRIDE, b.stride(0) * 4)
                    .set(LayoutGenerator.TO, panels.address(panel))
                    .set(LayoutGenerator.TO_STRIDE, panels.vectorsOf(panel) * 64L)
                    .set(LayoutGenerator.ROWS, panels.k())
                    .set(LayoutGenerator.BLOCKS, columns / TileGenerator.LANES)
                    .set(LayoutGenerator.TAIL, (1L << columns % TileGenerator.LANES) - 1)
                    .run(kernels.layout(new Layout.Convert(DType.F32, DType.F32)));
        }
    }

    /// Rows of 16-bit elements that lie densely.
    private void interleave(NdArray b, Panels panels, int panel) {
        int vectors = panels.vectorsOf(panel);
        int last = panels.columnsOf(panel) - (vectors - 1) * TileGenerator.LANES;
        try (Workspace workspace = workspaces.take()) {
            Arguments.of(workspace, 0)
                    .set(LayoutGenerator.FROM, b.memory().address() + b.byteOffset())
                    .set(LayoutGenerator.FROM_STRIDE, b.stride(0) * 2)
                    .set(LayoutGenerator.TO, panels.address(panel))
                    .set(LayoutGenerator.TO_STRIDE, vectors * 64L)
                    .set(LayoutGenerator.ROWS, panels.units())
                    .set(LayoutGenerator.TAIL, (1L << last) - 1)
                    .set(LayoutGenerator.TAIL_UNITS, panels.k() % 2)
                    .run(kernels.layout(new Layout.Interleave(vectors)));
        }
    }

    /// Anything else: first to dense columns of a type that can be converted, then to the type that is stored.
    private void convert(
            NdArray columns, Panels panels, int panel, @Nullable Quantized quantized, Workspace workspace) {
        int n = panels.columnsOf(panel);
        int k = panels.k();
        DType stored = storedType(panels.type());
        // only bits move where no conversion is needed; f16 is never made from another type
        DType staged = stored == columns.dtype() ? stored : DType.F32;
        int padded = Math.ceilDiv(k, 64) * 64;
        long stagedBytes = (long) n * k * staged.bytes();
        MemorySegment memory = workspace.memory(Workspace.Use.STAGING, stagedBytes + 64 + (long) n * padded * 2);
        NdArray dense = NdArray.of(memory, staged, Shape.of(n, k));
        copies.copy(columns.transpose(0, 1), dense);
        if (staged == stored) {
            transpose(memory.address(), k, panels, panel);
            return;
        }
        MemorySegment converted = memory.asSlice(Math.ceilDiv(stagedBytes, 64) * 64);
        Arguments arguments = Arguments.of(workspace, 0)
                .set(LayoutGenerator.FROM_STRIDE, k * 4L)
                .set(LayoutGenerator.TO_STRIDE, (long) padded * stored.bytes())
                .set(LayoutGenerator.BLOCKS, k / 16)
                .set(LayoutGenerator.TAIL, (1L << k % 16) - 1);
        if (quantized == null) {
            arguments
                    .set(LayoutGenerator.FROM, memory.address())
                    .set(LayoutGenerator.TO, converted.address())
                    .set(LayoutGenerator.ROWS, n)
                    .run(kernels.layout(new Layout.Convert(DType.F32, stored)));
        } else {
            MemorySegment range = workspace.memory(Workspace.Use.SUMS, 3 * 16);
            for (int j = 0; j < n; j++) {
                int column = panel * TileGenerator.COLUMNS + j;
                MemorySegment to = converted.asSlice((long) j * padded);
                quantize(memory, 4L * j * k, k, to, quantized, column, arguments, range);
            }
        }
        transpose(converted.address(), padded, panels, panel);
        if (quantized != null && panels.type() == TileType.U8_I8) {
            sum(panels, panel, quantized, workspace);
        }
    }

    /// Makes integers of one column, group by group.
    private void quantize(
            MemorySegment from,
            long fromAt,
            int k,
            MemorySegment to,
            Quantized q,
            int column,
            Arguments arguments,
            MemorySegment range) {
        for (int first = 0, group = 0; first < k; first += q.groupSize(), group++) {
            int length = Math.min(q.groupSize(), k - first);
            arguments
                    .set(LayoutGenerator.FROM, from.address() + fromAt + first * 4L)
                    .set(LayoutGenerator.TO, range.address())
                    .set(LayoutGenerator.ROWS, 1)
                    .set(LayoutGenerator.BLOCKS, length / 16)
                    .set(LayoutGenerator.TAIL, (1L << length % 16) - 1)
                    .run(kernels.layout(new Layout.Range(DType.F32)));
            float largest = 0;
            float poison = 0;
            for (int i = 0; i < 4; i++) {
                float low = -range.getAtIndex(JAVA_FLOAT, i);
                largest = Math.max(largest, Math.max(low, range.getAtIndex(JAVA_FLOAT, 4 + i)));
                poison += range.getAtIndex(JAVA_FLOAT, 8 + i);
            }
            if (Float.isNaN(poison)) {
                throw notFinite(from, fromAt, first, column);
            }
            arguments
                    .set(LayoutGenerator.TO, to.address() + first)
                    .set(LayoutGenerator.INVERSE, Float.floatToRawIntBits(Quantization.weightInverse(largest)))
                    .set(LayoutGenerator.ZERO, 0)
                    .run(kernels.layout(new Layout.Convert(DType.F32, DType.I8)));
            long at = 4 * ((long) group * q.columns() + column);
            q.scales().set(JAVA_FLOAT, at, Quantization.weightScale(largest));
        }
    }

    private static NotFinite notFinite(MemorySegment from, long fromAt, int first, int column) {
        int i = first;
        while (Float.isFinite(from.get(JAVA_FLOAT, fromAt + i * 4L))) {
            i++;
        }
        return new NotFinite(i, column, from.get(JAVA_FLOAT, fromAt + i * 4L));
    }

    /// The sums of the integers of every column: the product of a panel with a row of ones.
    private void sum(Panels panels, int panel, Quantized q, Workspace workspace) {
        long bytes = 4L * panels.units();
        MemorySegment ones = workspace.memory(Workspace.Use.ROWS, bytes);
        ones.asSlice(0, bytes).fill((byte) 1);
        int vectors = panels.vectorsOf(panel);
        Arguments.of(workspace, 0)
                .set(TileGenerator.ROWS, ones.address())
                .set(TileGenerator.ROW_STRIDE, 0)
                .set(TileGenerator.PANEL, panels.address(panel))
                .set(TileGenerator.UNITS, panels.units())
                .set(TileGenerator.SUMS, q.sums().address() + 4L * panel * TileGenerator.COLUMNS)
                .set(TileGenerator.ADD, 0)
                .set(TileGenerator.TILES, 1)
                .run(kernels.tile(new Tile(TileType.U8_I8, 1, vectors, false, 0, Kind.ROWS)));
    }

    /// A weight that no integer can stand for.
    static final class NotFinite extends IllegalArgumentException {
        private static final long serialVersionUID = 1;

        NotFinite(int row, int column, float value) {
            super("element (" + row + ", " + column + ") is " + value + ", which no integer can stand for");
        }
    }
}
