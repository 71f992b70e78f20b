package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.DType;
import java.lang.foreign.MemorySegment;

/// Brings operands into the form that micro-kernels read: f32, in scratch memory, at even distances.
///
/// Sources are f32, f16 or bf16 in native memory; positions in them are counted in elements, positions in scratch in
/// bytes.
final class Packing {
    private static final TileCompiler.Transpose TRANSPOSE = TileCompiler.transpose(Simd.FLOATS.vectorBitSize());
    private static final int LANES = Simd.LANES;

    /// Columns that are widened at a time before they are transposed: 16 rows of them stay in the first-level cache.
    private static final int STAGED = 256;

    private Packing() {}

    /// Copies `n` elements at a distance of `step` to `to`, widened to f32.
    static void row(MemorySegment from, DType type, long at, long step, int n, MemorySegment to, long toAt) {
        if (step == 1) {
            switch (type) {
                case F32 -> denseRow(from, at * 4, n, to, toAt);
                case BF16 -> denseBFloat16(from, at * 2, n, to, toAt);
                default -> denseFloat16(from, at * 2, n, to, toAt);
            }
        } else {
            for (int i = 0; i < n; i++) {
                to.set(JAVA_FLOAT_UNALIGNED, toAt + i * 4L, element(from, type, at + i * step));
            }
        }
    }

    /// Copies a matrix of any strides, one element after another, to rows at a distance of `toStride`.
    ///
    /// @param rowStep distance of its rows
    /// @param step distance of its columns
    static void rows(
            MemorySegment from,
            DType type,
            long at,
            long rowStep,
            long step,
            int rows,
            int columns,
            MemorySegment to,
            long toAt,
            long toStride) {
        if (type == DType.F32) {
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < columns; c++) {
                    float value = from.get(JAVA_FLOAT_UNALIGNED, (at + r * rowStep + c * step) * 4);
                    to.set(JAVA_FLOAT_UNALIGNED, toAt + r * toStride + c * 4L, value);
                }
            }
        } else {
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < columns; c++) {
                    float value = element(from, type, at + r * rowStep + c * step);
                    to.set(JAVA_FLOAT_UNALIGNED, toAt + r * toStride + c * 4L, value);
                }
            }
        }
    }

    /// Sets `n` elements to zero.
    static void zero(MemorySegment to, long toAt, int n) {
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            Simd.store(Simd.zero(), to, toAt + i * 4L);
        }
        for (; i < n; i++) {
            to.set(JAVA_FLOAT_UNALIGNED, toAt + i * 4L, 0f);
        }
    }

    private static void denseRow(MemorySegment from, long at, int n, MemorySegment to, long toAt) {
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            Simd.store(Simd.load(from, at + i * 4L), to, toAt + i * 4L);
        }
        for (; i < n; i++) {
            to.set(JAVA_FLOAT_UNALIGNED, toAt + i * 4L, from.get(JAVA_FLOAT_UNALIGNED, at + i * 4L));
        }
    }

    private static void denseBFloat16(MemorySegment from, long at, int n, MemorySegment to, long toAt) {
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            Simd.store(Simd.fromBFloat16(Simd.loadShorts(from, at + i * 2L)), to, toAt + i * 4L);
        }
        for (; i < n; i++) {
            to.set(JAVA_FLOAT_UNALIGNED, toAt + i * 4L, BFloat16.toFloat(from.get(JAVA_SHORT_UNALIGNED, at + i * 2L)));
        }
    }

    private static void denseFloat16(MemorySegment from, long at, int n, MemorySegment to, long toAt) {
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            Simd.store(Simd.fromFloat16(Simd.loadShorts(from, at + i * 2L)), to, toAt + i * 4L);
        }
        for (; i < n; i++) {
            float value = Float.float16ToFloat(from.get(JAVA_SHORT_UNALIGNED, at + i * 2L));
            to.set(JAVA_FLOAT_UNALIGNED, toAt + i * 4L, value);
        }
    }

    private static float element(MemorySegment from, DType type, long at) {
        return switch (type) {
            case F32 -> from.get(JAVA_FLOAT_UNALIGNED, at * 4);
            case BF16 -> BFloat16.toFloat(from.get(JAVA_SHORT_UNALIGNED, at * 2));
            default -> Float.float16ToFloat(from.get(JAVA_SHORT_UNALIGNED, at * 2));
        };
    }

    /// Copies a matrix with its rows and columns exchanged, `to[c][r] = from[r][c]`, widened to f32.
    ///
    /// @param step distance of rows in `from`; columns lie densely
    /// @param toStride distance of rows in `to`, which are as many as `columns`
    static void transposed(
            MemorySegment from,
            DType type,
            long at,
            long step,
            int rows,
            int columns,
            MemorySegment to,
            long toAt,
            long toStride,
            Workspace workspace) {
        int fullRows = rows / LANES * LANES;
        int fullColumns = columns / LANES * LANES;
        MemorySegment staged = type == DType.F32 ? from : workspace.memory(Workspace.Use.STAGING, 4L * LANES * STAGED);
        for (int r = 0; r < fullRows; r += LANES) {
            for (int c = 0; c < fullColumns; c += STAGED) {
                int n = Math.min(STAGED, fullColumns - c);
                long source = (at + r * step + c) * 4;
                long sourceStride = step * 4;
                if (type != DType.F32) {
                    for (int i = 0; i < LANES; i++) {
                        row(from, type, at + (r + i) * step + c, 1, n, staged, i * (STAGED * 4L));
                    }
                    source = 0;
                    sourceStride = STAGED * 4L;
                }
                for (int i = 0; i < n; i += LANES) {
                    TRANSPOSE.square(
                            staged, source + i * 4L, sourceStride, to, toAt + (c + i) * toStride + r * 4L, toStride);
                }
            }
            elements(from, type, at + r * step, step, LANES, fullColumns, columns, to, toAt + r * 4L, toStride);
        }
        elements(
                from,
                type,
                at + fullRows * step,
                step,
                rows - fullRows,
                0,
                columns,
                to,
                toAt + fullRows * 4L,
                toStride);
    }

    /// The columns from `first` to `last` of some rows, one element after another.
    private static void elements(
            MemorySegment from,
            DType type,
            long at,
            long step,
            int rows,
            int first,
            int last,
            MemorySegment to,
            long toAt,
            long toStride) {
        for (int c = first; c < last; c++) {
            for (int r = 0; r < rows; r++) {
                to.set(JAVA_FLOAT_UNALIGNED, toAt + c * toStride + r * 4L, element(from, type, at + r * step + c));
            }
        }
    }

    /// Packs some columns of a `(K, N)` matrix into a panel, `to[i][j] = from[i][j]` with rows of `width` elements;
    /// columns behind the last one become zero.
    ///
    /// @param kStep distance of the matrix's rows
    /// @param nStep distance of its columns
    /// @param columns how many to pack, at most `width`
    static void panel(
            MemorySegment from,
            DType type,
            long at,
            long kStep,
            long nStep,
            int k,
            int columns,
            int width,
            MemorySegment to,
            long toAt,
            Workspace workspace) {
        long toStride = width * 4L;
        if (kStep == 1 && nStep != 1) {
            transposed(from, type, at, nStep, columns, k, to, toAt, toStride, workspace);
        } else {
            for (int i = 0; i < k; i++) {
                row(from, type, at + i * kStep, nStep, columns, to, toAt + i * toStride);
            }
        }
        if (columns < width) {
            for (int i = 0; i < k; i++) {
                zero(to, toAt + i * toStride + columns * 4L, width - columns);
            }
        }
    }
}
