package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.MemorySegment;

/// Rows picked by index, and rows added at an index.
final class VectorIndexing {
    /// Columns of a scatter that one task adds.
    private static final int STRIP = 1024;

    private final Parallel parallel;
    private final VectorCopy copies;

    VectorIndexing(Parallel parallel, VectorCopy copies) {
        this.parallel = parallel;
        this.copies = copies;
    }

    /// See [dev.palimpsest.kernels.Kernels#gather].
    void gather(NdArray table, NdArray indices, NdArray out) {
        int n = indices.dim(0);
        if (out.elements() == 0) {
            return;
        }
        int width = Math.toIntExact(out.elements() / n);
        boolean dense = table.isContiguousFrom(1) && out.isContiguousFrom(1);
        int from = table.dtype().bytes();
        int to = out.dtype().bytes();
        int perTask = Math.max(1, LoopNest.GRAIN / width);
        parallel.forEach(Math.ceilDiv(n, perTask), t -> {
            for (int i = t * perTask; i < Math.min(n, (t + 1) * perTask); i++) {
                int row = Math.toIntExact(indices.getLong(i));
                long xo = (table.offset() + row * table.stride(0)) * from;
                long yo = (out.offset() + i * out.stride(0)) * to;
                if (!dense) {
                    copies.copy(table.select(0, row), out.select(0, i));
                } else if (table.dtype() == out.dtype()) {
                    MemorySegment.copy(table.memory(), xo, out.memory(), yo, (long) width * to);
                } else {
                    Rows.read(table.dtype(), table.memory(), xo, 1, out.memory(), yo, width);
                }
            }
        });
    }

    /// Whether [#scatterAdd] can do it.
    static boolean canScatterAdd(NdArray rows, NdArray out) {
        return rows.dtype() == DType.F32 && rows.isContiguousFrom(1) && out.isContiguousFrom(1);
    }

    /// See [dev.palimpsest.kernels.Kernels#scatterAdd]. Tasks own columns, so that every element receives its terms in
    /// the order of the indices.
    void scatterAdd(NdArray rows, NdArray indices, NdArray out) {
        int n = indices.dim(0);
        if (rows.elements() == 0) {
            return;
        }
        int width = Math.toIntExact(rows.elements() / n);
        boolean worthwhile = rows.elements() >= 2L * LoopNest.GRAIN;
        int strip = worthwhile ? STRIP : width;
        BinaryRow add = VectorElementwise.dense(Binary.ADD);
        parallel.forEach(Math.ceilDiv(width, strip), t -> {
            int first = t * strip;
            int columns = Math.min(strip, width - first);
            for (int i = 0; i < n; i++) {
                long xo = 4 * (rows.offset() + i * rows.stride(0) + first);
                long yo = 4 * (out.offset() + indices.getLong(i) * out.stride(0) + first);
                add.run(out.memory(), yo, rows.memory(), xo, out.memory(), yo, columns);
            }
        });
    }
}
