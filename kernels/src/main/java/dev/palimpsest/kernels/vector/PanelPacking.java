package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Checks;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Quantization;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/// Makes packed matrices, one panel a task: some steps of the inner dimension at a time are widened to floats as
/// panels of floats are, then narrowed to what the panel stores.
final class PanelPacking {
    /// Steps that are widened at a time; a whole number of ints of any [PanelType].
    private static final int STEPS = 128;

    private static final long ALIGNMENT = 64;

    /// The shortest vector of bytes is longer than the four that widen to 128 bits: it is read past its end.
    private static final int OVERREAD = 8;

    private static final Specialized<PanelType, NarrowRow> NARROW =
            new Specialized<>(NarrowLoop.class, NarrowRow.class, List.of(PanelType.BF16, PanelType.F16, PanelType.I8));

    private final Parallel parallel;
    private final Tiles tiles;
    private final Workspace.Pool workspaces;

    PanelPacking(Parallel parallel, Tiles tiles, Workspace.Pool workspaces) {
        this.parallel = parallel;
        this.tiles = tiles;
        this.workspaces = workspaces;
    }

    /// See [dev.palimpsest.kernels.Kernels#pack]. Panels of f16 cannot hold infinities and NaNs: a matrix that has
    /// some becomes f32.
    PackedMatrix pack(NdArray b, Arithmetic arithmetic, int groupSize, Arena arena) {
        Checks.pack(b, arithmetic, groupSize);
        PanelType type = type(arithmetic, b);
        int k = b.dim(0);
        int n = b.dim(1);
        int width = tiles.columns();
        int full = n / width;
        long columns = (long) full * width + tiles.widthFor(n - full * width);
        long bytes = columns * type.element().bytes() * VectorPacked.paddedK(k, type) + OVERREAD;
        int groups = groupSize == 0 ? 1 : Math.max(1, Math.ceilDiv(k, groupSize));
        long scaleBytes = type == PanelType.I8 ? (long) groups * Math.ceilDiv(n, width) * width * Float.BYTES : 0;
        VectorPacked packed = new VectorPacked(
                b.shape(),
                arithmetic,
                type,
                groupSize,
                width,
                arena.allocate(bytes, ALIGNMENT),
                arena.allocate(scaleBytes, ALIGNMENT));
        forEachPanel(b, (panel, workspace) -> pack(b, packed, panel, workspace));
        return packed;
    }

    private PanelType type(Arithmetic arithmetic, NdArray b) {
        return switch (arithmetic) {
            case BF16 -> PanelType.BF16;
            case INT8, INT8_WEIGHT_ONLY -> PanelType.I8;
            case F32 ->
                switch (b.dtype()) {
                    case BF16 -> PanelType.BF16;
                    case F16 -> isFinite(b) ? PanelType.F16 : PanelType.F32;
                    default -> PanelType.F32;
                };
        };
    }

    private interface Task {
        void run(int panel, Workspace workspace);
    }

    private void forEachPanel(NdArray b, Task task) {
        parallel.forEach(Math.ceilDiv(b.dim(1), tiles.columns()), panel -> {
            try (Workspace workspace = workspaces.take()) {
                task.run(panel, workspace);
            }
        });
    }

    private void pack(NdArray b, VectorPacked packed, int panel, Workspace workspace) {
        int k = b.dim(0);
        int columns = columns(b, panel);
        int w = tiles.widthFor(columns);
        if (packed.type() == PanelType.F32) {
            widen(b, panel, 0, k, packed.panels(), packed.at(panel), workspace);
            return;
        }
        MemorySegment perColumn = workspace.memory(Workspace.Use.ROWS, w * 8L);
        MemorySegment staged = workspace.memory(Workspace.Use.PANELS, (long) STEPS * w * Float.BYTES);
        int depth = packed.type().depth();
        long step = (long) w * Float.BYTES;
        int group = packed.groupSize() == 0 ? Math.max(k, 1) : packed.groupSize();
        for (int g = 0; g < packed.groups(); g++) {
            int to = Math.min(k, (g + 1) * group);
            if (packed.type() == PanelType.I8) {
                magnitudes(b, panel, g * group, to, perColumn, workspace);
                long scalesAt = packed.scalesAt(g) + (long) panel * packed.width() * Float.BYTES;
                scale(b, panel * packed.width(), w, perColumn, packed.scales(), scalesAt);
            }
            for (int from = g * group; from < to; from += STEPS) {
                int length = Math.min(STEPS, to - from);
                widen(b, panel, from, length, staged, 0, workspace);
                int rest = Math.ceilDiv(length, depth) * depth - length;
                Packing.zero(staged, length * step, rest * w);
                long at = packed.at(panel) + from * packed.step(w);
                for (int i = 0; i < length; i += depth) {
                    NARROW.get(packed.type())
                            .run(
                                    staged,
                                    i * step,
                                    step,
                                    perColumn,
                                    4L * w,
                                    packed.panels(),
                                    at + i * packed.step(w),
                                    w);
                }
            }
        }
    }

    private int columns(NdArray b, int panel) {
        return Math.min(tiles.columns(), b.dim(1) - panel * tiles.columns());
    }

    /// Writes some steps of a panel as floats.
    private void widen(NdArray b, int panel, int fromK, int length, MemorySegment to, long toAt, Workspace workspace) {
        int columns = columns(b, panel);
        long at = b.offset() + fromK * b.stride(0) + (long) panel * tiles.columns() * b.stride(1);
        Packing.panel(
                b.memory(),
                b.dtype(),
                at,
                b.stride(0),
                b.stride(1),
                length,
                columns,
                tiles.widthFor(columns),
                to,
                toAt,
                workspace);
    }

    /// Writes the largest magnitude of every column of a panel within some steps, NaN if there is one.
    private void magnitudes(NdArray b, int panel, int fromK, int toK, MemorySegment into, Workspace workspace) {
        int w = tiles.widthFor(columns(b, panel));
        MemorySegment staged = workspace.memory(Workspace.Use.PANELS, (long) STEPS * w * Float.BYTES);
        Packing.zero(into, 0, w);
        for (int from = fromK; from < toK; from += STEPS) {
            int length = Math.min(STEPS, toK - from);
            widen(b, panel, from, length, staged, 0, workspace);
            MagnitudeRow.LOOP.run(staged, 0, (long) w * Float.BYTES, length, into, 0, w);
        }
    }

    /// Turns magnitudes into scales, and into factors from weights to integers behind themselves.
    private static void scale(NdArray b, int column, int w, MemorySegment magnitudes, MemorySegment to, long toAt) {
        for (int j = 0; j < w; j++) {
            float largest = magnitudes.get(JAVA_FLOAT_UNALIGNED, 4L * j);
            if (!Float.isFinite(largest)) {
                throw new IllegalArgumentException("pack: " + b.shape() + ": column " + (column + j)
                        + " holds a NaN or an infinity, which no integer can stand for");
            }
            magnitudes.set(JAVA_FLOAT_UNALIGNED, 4L * (w + j), Quantization.weightInverse(largest));
            to.set(JAVA_FLOAT_UNALIGNED, toAt + 4L * j, Quantization.weightScale(largest));
        }
    }

    private boolean isFinite(NdArray b) {
        AtomicBoolean finite = new AtomicBoolean(true);
        forEachPanel(b, (panel, workspace) -> {
            int w = tiles.widthFor(columns(b, panel));
            MemorySegment largest = workspace.memory(Workspace.Use.ROWS, w * 4L);
            magnitudes(b, panel, 0, b.dim(0), largest, workspace);
            if (!ExtremeRow.LOOP.isBelow(largest, 0, Float.POSITIVE_INFINITY, w)) {
                finite.set(false);
            }
        });
        return finite.get();
    }
}
