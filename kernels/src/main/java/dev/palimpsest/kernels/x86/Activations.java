package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Quantization;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.vector.RowMap;
import dev.palimpsest.kernels.vector.Workspace;
import dev.palimpsest.kernels.x86.LayoutGenerator.Layout;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;

/// Some rows of the left side of a product as micro-kernels read them: evenly spaced, each dense and of the right
/// type.
///
/// @param address of the first row
/// @param stride distance of rows in bytes
/// @param scales address of one f32 for each row, 0 unless quantised
/// @param zeros address of one 32-bit zero point for each row, 0 unless quantised
record Activations(long address, long stride, long scales, long zeros) {
    private static final int LINE = 64;
    private static final int PAGE = 4096;

    /// Rows of a conversion task.
    private static final int TASK_ROWS = 16;

    /// Whether all rows of `a` can be read where they are.
    static boolean inPlace(NdArray a, TileType type) {
        int k = a.dim(-1);
        DType wanted = type == TileType.BF16 ? DType.BF16 : DType.F32;
        long even = RowMap.of(a).evenStride();
        return a.dtype() == wanted
                && type != TileType.U8_I8
                && k % type.activations() == 0
                && (k == 1 || a.stride(-1) == 1)
                && even >= 0
                && spreads(even * wanted.bytes());
    }

    /// Whether the rows of a tile, so many bytes apart, use different sets of the first-level cache, which has as many
    /// lines of each page's offset as ways: 8 or 12, fewer than a tile has rows.
    private static boolean spreads(long stride) {
        long offset = stride % PAGE;
        return stride == 0 || (offset >= 2 * LINE && offset <= PAGE - 2 * LINE);
    }

    /// Distance of converted rows in bytes: whole lines, an odd number of them so that rows use different sets of the
    /// cache.
    static long convertedStride(int k, TileType type) {
        return (Math.ceilDiv((long) k * type.activationBytes(), LINE) | 1) * LINE;
    }

    /// All rows of `a`, which [#inPlace] has approved.
    static Activations of(NdArray a) {
        return new Activations(
                a.memory().address() + a.byteOffset(),
                RowMap.of(a).evenStride() * a.dtype().bytes(),
                0,
                0);
    }

    /// Converts rows.
    ///
    /// @param a rows, of any axes; their elements may lie anywhere if there is just one axis of rows
    /// @param first row to begin with
    /// @param rows how many
    /// @param memory where they go, see [#bytes]
    static Activations convert(NdArray a, int first, int rows, TileType type, MemorySegment memory, Tools tools) {
        int k = a.dim(-1);
        long stride = convertedStride(k, type);
        long scales = memory.address() + rows * stride;
        long zeros = scales + rows * 4L;
        Activations to = new Activations(memory.address(), stride, scales, zeros);
        if (k != 1 && a.stride(-1) != 1) {
            copy(a.slice(0, first, first + rows), to, type, memory, tools);
            return to;
        }
        RowMap map = RowMap.of(a);
        int tasks = Math.ceilDiv(rows, TASK_ROWS);
        tools.forEach((double) rows * k, tasks, task -> {
            int from = task * TASK_ROWS;
            int count = Math.min(TASK_ROWS, rows - from);
            try (Workspace workspace = tools.workspaces().take()) {
                to.rows(a, map, first, from, count, type, memory, tools, workspace);
            }
        });
        return to;
    }

    /// Bytes that so many rows take.
    static long bytes(int rows, int k, TileType type) {
        return rows * (convertedStride(k, type) + 8);
    }

    /// What conversions need.
    ///
    /// @param kernels the machine code
    /// @param copies copies what lies in no order that the machine code knows
    record Tools(MicroKernels kernels, Kernels copies, Parallel parallel, Workspace.Pool workspaces) {
        private static final double SERIAL = 16 * 1024;

        private void forEach(double elements, int tasks, IntConsumer task) {
            if (elements < SERIAL) {
                for (int i = 0; i < tasks; i++) {
                    task.accept(i);
                }
            } else {
                parallel.forEach(tasks, task);
            }
        }
    }

    /// Rows whose elements do not lie densely: copied, as f32, and then converted if need be.
    private static void copy(NdArray a, Activations to, TileType type, MemorySegment memory, Tools tools) {
        int rows = a.dim(0);
        int k = a.dim(1);
        if (type.activationBytes() == 4) {
            long[] strides = {to.stride / 4, 1};
            tools.copies().copy(a, NdArray.of(memory, DType.F32, Shape.of(rows, k), strides, 0));
            return;
        }
        tools.forEach((double) rows * k, Math.ceilDiv(rows, TASK_ROWS), task -> {
            int from = task * TASK_ROWS;
            int count = Math.min(TASK_ROWS, rows - from);
            try (Workspace workspace = tools.workspaces().take()) {
                MemorySegment staging = workspace.memory(Workspace.Use.STAGING, 4L * TASK_ROWS * k);
                NdArray dense = NdArray.of(staging, DType.F32, Shape.of(count, k));
                tools.copies().copy(a.slice(0, from, from + count), dense);
                to.rows(dense, RowMap.of(dense), -from, from, count, type, memory, tools, workspace);
            }
        });
    }

    /// Converts the rows from `from` on, which are the rows from `first + from` on of `a`.
    private void rows(
            NdArray a,
            RowMap map,
            int first,
            int from,
            int count,
            TileType type,
            MemorySegment memory,
            Tools tools,
            Workspace workspace) {
        int k = a.dim(-1);
        int bytes = a.dtype().bytes();
        Arguments arguments = Arguments.of(workspace, 0)
                .set(LayoutGenerator.FROM_STRIDE, Math.max(0, map.evenStride()) * bytes)
                .set(LayoutGenerator.TO_STRIDE, stride)
                .set(LayoutGenerator.BLOCKS, k / 16)
                .set(LayoutGenerator.TAIL, (1L << k % 16) - 1)
                .set(LayoutGenerator.ROWS, 1);
        if (type == TileType.U8_I8) {
            Program range = tools.kernels().layout(new Layout.Range(a.dtype()));
            Program convert = tools.kernels().layout(new Layout.Convert(a.dtype(), DType.U8));
            MemorySegment found = workspace.memory(Workspace.Use.SUMS, 3 * 16);
            for (int r = from; r < from + count; r++) {
                arguments.set(LayoutGenerator.FROM, a.memory().address() + map.at(first + r) * bytes);
                quantize(r, memory, arguments, range, convert, found);
            }
            return;
        }
        DType to = type == TileType.BF16 ? DType.BF16 : DType.F32;
        Program convert = tools.kernels().layout(new Layout.Convert(a.dtype(), to));
        boolean even = map.evenStride() >= 0;
        arguments.set(LayoutGenerator.ROWS, even ? count : 1);
        for (int r = from; r < from + count; r += even ? count : 1) {
            arguments
                    .set(LayoutGenerator.FROM, a.memory().address() + map.at(first + r) * bytes)
                    .set(LayoutGenerator.TO, address + r * stride)
                    .run(convert);
        }
    }

    /// Quantises one row, whose place the arguments already have.
    private void quantize(
            int row, MemorySegment memory, Arguments arguments, Program range, Program convert, MemorySegment found) {
        arguments.set(LayoutGenerator.TO, found.address()).run(range);
        float smallest = 0;
        float largest = 0;
        float poison = 0;
        for (int i = 0; i < 4; i++) {
            smallest = Math.min(smallest, found.getAtIndex(JAVA_FLOAT, i));
            largest = Math.max(largest, found.getAtIndex(JAVA_FLOAT, 4 + i));
            poison += found.getAtIndex(JAVA_FLOAT, 8 + i);
        }
        Quantization.Row q = Quantization.row(smallest + poison, largest + poison);
        memory.set(JAVA_FLOAT, scales - memory.address() + row * 4L, q.scale());
        memory.set(JAVA_INT, zeros - memory.address() + row * 4L, q.zero());
        arguments
                .set(LayoutGenerator.TO, address + row * stride)
                .set(LayoutGenerator.INVERSE, Float.floatToRawIntBits(q.inverse()))
                .set(LayoutGenerator.ZERO, q.zero())
                .run(convert);
    }
}
