package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.MemorySegment;

/// Copies between any strides, and conversions among f32, f16 and bf16.
///
/// Rows that are dense on both sides are block moves. Where the two sides are dense along different axes (a
/// transposition, such
/// as channels-first to channels-last) the copy goes tile by tile, so that every cache line is read and written as a
/// whole,
/// once. What remains is copied element by element.
final class VectorCopy {
    private static final int CHUNK = 8192;

    private static final int TILE = TileRow.TILE;

    private final Parallel parallel;
    private final Scratch scratch;

    VectorCopy(Parallel parallel, Scratch scratch) {
        this.parallel = parallel;
        this.scratch = scratch;
    }

    /// Whether [#copy] can do it.
    static boolean canCopy(DType from, DType to) {
        return from == to || (Rows.isReadable(from) && Rows.isReadable(to));
    }

    /// Copies `x` to `out`, same shapes.
    void copy(NdArray x, NdArray out) {
        if (x.elements() == 0) {
            return;
        }
        LoopNest nest = LoopNest.over(out, x);
        if (x.dtype() != out.dtype()) {
            convert(nest, x, out);
            return;
        }
        boolean denseOut = nest.innerStride(0) == 1;
        int across = denseOut && nest.innerStride(1) > 1 ? denseAxis(nest) : -1;
        if (denseOut && nest.innerStride(1) == 1) {
            blocks(nest, x, out);
        } else if (across >= 0) {
            transpose(nest, across, x, out);
        } else {
            elements(nest, x, out);
        }
    }

    private void convert(LoopNest nest, NdArray x, NdArray out) {
        MemorySegment from = x.memory();
        MemorySegment to = out.memory();
        int xBytes = x.dtype().bytes();
        int yBytes = out.dtype().bytes();
        long xStride = nest.innerStride(1);
        long yStride = nest.innerStride(0);
        nest.forEach(parallel, CHUNK, () -> {
            MemorySegment s = scratch.floats(CHUNK);
            return (at, n) -> {
                long yo = at[0] * yBytes;
                long xo = at[1] * xBytes;
                if (Rows.isDirect(out, yStride)) {
                    Rows.read(x.dtype(), from, xo, xStride, to, yo, n);
                } else if (Rows.isDirect(x, xStride)) {
                    Rows.write(from, xo, out.dtype(), to, yo, yStride, n);
                } else {
                    Rows.read(x.dtype(), from, xo, xStride, s, 0, n);
                    Rows.write(s, 0, out.dtype(), to, yo, yStride, n);
                }
            };
        });
    }

    private void blocks(LoopNest nest, NdArray x, NdArray out) {
        long bytes = x.dtype().bytes();
        MemorySegment from = x.memory();
        MemorySegment to = out.memory();
        nest.forEach(
                parallel,
                LoopNest.GRAIN,
                () -> (at, n) -> MemorySegment.copy(from, at[1] * bytes, to, at[0] * bytes, n * bytes));
    }

    private void elements(LoopNest nest, NdArray x, NdArray out) {
        int bytes = x.dtype().bytes();
        long xStep = nest.innerStride(1) * bytes;
        long yStep = nest.innerStride(0) * bytes;
        MemorySegment from = x.memory();
        MemorySegment to = out.memory();
        nest.forEach(parallel, CHUNK, () -> (at, n) -> {
            switch (bytes) {
                case 1 -> bytes(from, at[1], xStep, to, at[0], yStep, n);
                case 2 -> shorts(from, 2 * at[1], xStep, to, 2 * at[0], yStep, n);
                case 4 -> ints(from, 4 * at[1], xStep, to, 4 * at[0], yStep, n);
                case 8 -> longs(from, 8 * at[1], xStep, to, 8 * at[0], yStep, n);
                default -> throw new IllegalStateException("elements of " + bytes + " bytes");
            }
        });
    }

    private static void bytes(MemorySegment x, long xo, long xStep, MemorySegment y, long yo, long yStep, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_BYTE, yo + yStep * i, x.get(JAVA_BYTE, xo + xStep * i));
        }
    }

    private static void shorts(MemorySegment x, long xo, long xStep, MemorySegment y, long yo, long yStep, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_SHORT_UNALIGNED, yo + yStep * i, x.get(JAVA_SHORT_UNALIGNED, xo + xStep * i));
        }
    }

    private static void ints(MemorySegment x, long xo, long xStep, MemorySegment y, long yo, long yStep, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_INT_UNALIGNED, yo + yStep * i, x.get(JAVA_INT_UNALIGNED, xo + xStep * i));
        }
    }

    private static void longs(MemorySegment x, long xo, long xStep, MemorySegment y, long yo, long yStep, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_LONG_UNALIGNED, yo + yStep * i, x.get(JAVA_LONG_UNALIGNED, xo + xStep * i));
        }
    }

    /// The loop along which the source is dense, or -1.
    private static int denseAxis(LoopNest nest) {
        for (int i = nest.rank() - 2; i >= 0; i--) {
            if (nest.stride(1, i) == 1) {
                return i;
            }
        }
        return -1;
    }

    /// The source is dense along loop `across`, the destination along the innermost one.
    private void transpose(LoopNest nest, int across, NdArray x, NdArray out) {
        int inner = nest.rank() - 1;
        int bytes = x.dtype().bytes();
        Tiles tiles = new Tiles(nest.dim(across), nest.dim(inner));
        long planes = 1;
        for (int i = 0; i < inner; i++) {
            planes *= i == across ? 1 : nest.dim(i);
        }
        long all = planes * tiles.count();
        long perTask = Math.max(1, LoopNest.GRAIN / (TILE * TILE));
        long xStep = nest.stride(1, inner) * bytes;
        long yStep = nest.stride(0, across) * bytes;
        parallel.forEach(Math.toIntExact(Math.ceilDiv(all, perTask)), task -> {
            MemorySegment s = scratch.floats(TileRow.SCRATCH / Float.BYTES);
            for (long i = task * perTask; i < Math.min(all, (task + 1) * perTask); i++) {
                long xo = x.offset();
                long yo = out.offset();
                long rest = i / tiles.count();
                for (int a = inner - 1; a >= 0; a--) {
                    if (a != across) {
                        xo += rest % nest.dim(a) * nest.stride(1, a);
                        yo += rest % nest.dim(a) * nest.stride(0, a);
                        rest /= nest.dim(a);
                    }
                }
                int r = tiles.row(i % tiles.count());
                int c = tiles.column(i % tiles.count());
                long from = xo * bytes + (long) r * bytes + c * xStep;
                long to = yo * bytes + r * yStep + (long) c * bytes;
                int rows = Math.min(TILE, tiles.rows - r);
                int columns = Math.min(TILE, tiles.columns - c);
                if (bytes == 4 && rows == TILE && columns == TILE) {
                    TileRow.LOOP.run(x.memory(), from, xStep, s, out.memory(), to, yStep);
                } else {
                    tile(bytes, x.memory(), from, xStep, out.memory(), to, yStep, rows, columns);
                }
            }
        });
    }

    /// A matrix cut into tiles, numbered row by row.
    private record Tiles(int rows, int columns) {
        int across() {
            return Math.ceilDiv(columns, TILE);
        }

        long count() {
            return (long) Math.ceilDiv(rows, TILE) * across();
        }

        int row(long tile) {
            return (int) (tile / across()) * TILE;
        }

        int column(long tile) {
            return (int) (tile % across()) * TILE;
        }
    }

    /// A tile of any elements and any extents, row by row of the destination.
    private static void tile(
            int bytes,
            MemorySegment x,
            long xo,
            long xStep,
            MemorySegment y,
            long yo,
            long yStep,
            int rows,
            int columns) {
        for (int j = 0; j < rows; j++) {
            long from = xo + (long) j * bytes;
            long to = yo + j * yStep;
            switch (bytes) {
                case 1 -> bytes(x, from, xStep, y, to, 1, columns);
                case 2 -> shorts(x, from, xStep, y, to, 2, columns);
                case 4 -> ints(x, from, xStep, y, to, 4, columns);
                case 8 -> longs(x, from, xStep, y, to, 8, columns);
                default -> throw new IllegalStateException("elements of " + bytes + " bytes");
            }
        }
    }

    /// Sets every element of `out` to the one at its start.
    void spread(NdArray out) {
        LoopNest nest = LoopNest.over(out);
        int bytes = out.dtype().bytes();
        MemorySegment m = out.memory();
        long first = out.byteOffset();
        long step = nest.innerStride(0) * bytes;
        long pattern = switch (bytes) {
            case 1 -> m.get(JAVA_BYTE, first) & 0xffL;
            case 2 -> m.get(JAVA_SHORT_UNALIGNED, first) & 0xffffL;
            case 4 -> m.get(JAVA_INT_UNALIGNED, first) & 0xffff_ffffL;
            default -> m.get(JAVA_LONG_UNALIGNED, first);
        };
        boolean dense = nest.innerStride(0) == 1;
        nest.forEach(parallel, LoopNest.GRAIN, () -> (at, n) -> {
            long yo = at[0] * bytes;
            if (dense && (bytes == 4 || pattern == 0)) {
                int ints = (int) ((long) n * bytes / 4);
                FillRow.LOOP.run(m, yo, (int) pattern, ints);
                long rest = yo + 4L * ints;
                setBytes(m, rest, 1, (byte) pattern, (int) (yo + (long) n * bytes - rest));
                return;
            }
            switch (bytes) {
                case 1 -> setBytes(m, yo, step, (byte) pattern, n);
                case 2 -> setShorts(m, yo, step, (short) pattern, n);
                case 4 -> setInts(m, yo, step, (int) pattern, n);
                default -> setLongs(m, yo, step, pattern, n);
            }
        });
    }

    private static void setBytes(MemorySegment y, long yo, long step, byte v, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_BYTE, yo + step * i, v);
        }
    }

    private static void setShorts(MemorySegment y, long yo, long step, short v, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_SHORT_UNALIGNED, yo + step * i, v);
        }
    }

    private static void setInts(MemorySegment y, long yo, long step, int v, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_INT_UNALIGNED, yo + step * i, v);
        }
    }

    private static void setLongs(MemorySegment y, long yo, long step, long v, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_LONG_UNALIGNED, yo + step * i, v);
        }
    }
}
