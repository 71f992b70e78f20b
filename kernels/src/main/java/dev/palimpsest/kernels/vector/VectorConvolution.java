package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Checks;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// Convolution as a matrix product whose left side, the patches of the input, never exists (implicit GEMM; Chetlur et
/// al. 2014, arXiv 1410.0759).
///
/// A task computes a region of the output: some columns of some lines of one frame. It copies the part of the input
/// that the region needs into scratch memory, padded, widened and channels last, whatever layout the input has. There
/// the patch of one output element is a few stretches, one for each frame and line of the kernel, of `kW * C`
/// neighbouring elements, and the stretches of the next output element lie `strideW * C` further: exactly what an
/// outer-product tile reads. So every input element is copied a handful of times instead of once per kernel tap.
///
/// Where stretches would be too short to keep a tile busy, the frames and lines of the kernel are folded into the
/// channels while copying, and one stretch is the whole patch.
///
/// Sums run in the order frame, line, column, channel of the kernel (column first if folded), whatever the tasks.
final class VectorConvolution {
    /// Bytes of shared panels.
    private static final long PANELS = 8L << 20;

    /// Bytes of input that a task copies, roughly.
    private static final long INPUT = 4L << 20;

    /// Output elements of a region, roughly: enough to pay for fetching a panel and for lines that two regions both
    /// copy.
    private static final int REGION = 192;

    /// Longest part of a line in a region.
    private static final int SPAN = 96;

    /// Stretches shorter than this are folded.
    private static final int SHORT = 64;

    private final Parallel parallel;
    private final Tiles tiles;
    private final Workspace.Pool workspaces;
    private final VectorMatmul matmul;

    VectorConvolution(Parallel parallel, Tiles tiles, Workspace.Pool workspaces, VectorMatmul matmul) {
        this.parallel = parallel;
        this.tiles = tiles;
        this.workspaces = workspaces;
        this.matmul = matmul;
    }

    /// See [dev.palimpsest.kernels.Kernels#convolution].
    void run(Convolution op, NdArray input, NdArray weight, NdArray out, Epilogue epilogue) {
        Checks.convolution(op, input, weight, out, epilogue);
        if (out.elements() == 0) {
            return;
        }
        Shape shape = out.shape();
        NdArray gate = epilogue.gate() == null ? null : epilogue.gate().expand(shape);
        NdArray residual =
                epilogue.residual() == null ? null : epilogue.residual().expand(shape);
        // (N, T', H', W', O): positions are rows, channels are columns
        NdArray rows = channelsLast(out);
        Epilogue finish = new Epilogue(
                epilogue.bias(),
                epilogue.activation(),
                gate == null ? null : channelsLast(gate),
                residual == null ? null : channelsLast(residual));
        boolean pointwise = weight.dim(2) == 1 && weight.dim(3) == 1 && weight.dim(4) == 1;
        boolean padded = op.front() + op.back() + op.top() + op.bottom() + op.left() + op.right() > 0;
        if (pointwise && !padded) {
            NdArray seen =
                    input.every(2, 0, op.strideT()).every(3, 0, op.strideH()).every(4, 0, op.strideW());
            NdArray matrix = weight.squeeze(4).squeeze(3).squeeze(2).transpose(0, 1); // (C, O)
            for (int n = 0; n < shape.dim(0); n++) {
                Shape stretched = Shape.of(shape.dim(2), shape.dim(3), matrix.dim(0), matrix.dim(1));
                matmul.run(
                        channelsLast(seen).select(0, n),
                        matrix.expand(stretched),
                        rows.select(0, n),
                        new Epilogue(
                                finish.bias(),
                                finish.activation(),
                                finish.gate() == null ? null : finish.gate().select(0, n),
                                finish.residual() == null
                                        ? null
                                        : finish.residual().select(0, n)));
            }
        } else {
            new Run(op, channelsLast(input), weight, rows, finish).run();
        }
    }

    /// `(N, C, T, H, W)` as `(N, T, H, W, C)`.
    private static NdArray channelsLast(NdArray x) {
        return x.permute(0, 2, 3, 4, 1);
    }

    /// One convolution.
    private final class Run {
        private final Convolution op;
        private final NdArray input; // (N, T, H, W, C)
        private final NdArray weight; // (O, C, kT, kH, kW)
        private final int kT;
        private final int kH;
        private final int kW;
        private final int channels;
        private final int outT;
        private final int outH;
        private final int outW;
        private final TileWriter writer;
        private final int width = tiles.columns();
        private final int samples;
        private final int outputs;

        /// Whether frames and lines of the kernel are folded into the channels.
        private final boolean folded;

        /// Stretches of a patch and their length.
        private final int stretches;

        private final int stretch;

        /// Elements of one position in scratch memory.
        private final int depth;

        /// Lines and columns of a region of the output.
        private final int lines;

        private final int span;

        Run(Convolution op, NdArray input, NdArray weight, NdArray out, Epilogue epilogue) {
            this.op = op;
            this.input = input;
            this.weight = weight;
            channels = weight.dim(1);
            kT = weight.dim(2);
            kH = weight.dim(3);
            kW = weight.dim(4);
            samples = out.dim(0);
            outT = out.dim(1);
            outH = out.dim(2);
            outW = out.dim(3);
            outputs = out.dim(4);
            writer = new TileWriter(out, epilogue, width);
            folded = channels * kW < SHORT;
            stretches = folded ? 1 : kT * kH;
            depth = folded ? kT * kH * channels : channels;
            stretch = kW * depth;
            // equal spans of whole tiles, then as many lines as make up a region
            int atLeast = Math.ceilDiv(outW, SPAN);
            int s = Math.min(Math.ceilDiv(Math.ceilDiv(outW, atLeast), tiles.rows()) * tiles.rows(), outW);
            int l = Math.clamp(REGION / s, 1, outH);
            while (inputBytes(l, s) > INPUT && l > 1) {
                l = Math.ceilDiv(l, 2);
            }
            while (inputBytes(l, s) > INPUT && s > tiles.rows()) {
                s = Math.ceilDiv(s, 2);
            }
            lines = l;
            span = s;
        }

        /// Lines in scratch memory for each frame: the input's, or the output's if they hold folded patches.
        private int scratchLines(int regionLines) {
            return folded ? regionLines : (regionLines - 1) * op.strideH() + kH;
        }

        private int scratchColumns(int regionSpan) {
            return (regionSpan - 1) * op.strideW() + kW;
        }

        private long inputBytes(int regionLines, int regionSpan) {
            int frames = folded ? 1 : kT;
            // a tile may have more rows than there are positions left
            long positions = (long) frames * scratchLines(regionLines) * scratchColumns(regionSpan)
                    + (long) tiles.rows() * op.strideW();
            return positions * depth * 4;
        }

        void run() {
            int panels = Math.ceilDiv(outputs, width);
            long panelBytes = 4L * stretches * stretch * width;
            int atOnce = Math.clamp(PANELS / (panelBytes + 1), 1, panels);
            int regions = samples * outT * Math.ceilDiv(outH, lines) * Math.ceilDiv(outW, span);
            try (Workspace shared = workspaces.take()) {
                MemorySegment packed = shared.memory(Workspace.Use.PANELS, panelBytes * atOnce);
                for (int first = 0; first < panels; first += atOnce) {
                    int from = first;
                    int count = Math.min(atOnce, panels - first);
                    parallel.forEach(count, i -> pack(from + i, packed, panelBytes * i));
                    int splits = parallel.threads() == 1
                            ? 1
                            : Math.clamp(Math.ceilDiv(4 * parallel.threads(), regions), 1, count);
                    parallel.forEach(regions * splits, task -> {
                        int part = task % splits;
                        int begin = (int) ((long) count * part / splits);
                        int end = (int) ((long) count * (part + 1) / splits);
                        try (Workspace workspace = workspaces.take()) {
                            region(task / splits, packed, panelBytes, from, begin, end, workspace);
                        }
                    });
                }
            }
        }

        /// Packs the weights of some output channels, one row of the panel for each element of a patch.
        private void pack(int panel, MemorySegment to, long toAt) {
            int first = panel * width;
            int columns = Math.min(width, outputs - first);
            int w = tiles.widthFor(columns);
            int taps = kT * kH * kW;
            try (Workspace workspace = workspaces.take()) {
                if (weight.isContiguousFrom(1) && taps > 1 && channels > 1) {
                    packDense(first, columns, w, taps, to, toAt, workspace);
                    return;
                }
                for (int tap = 0; tap < taps; tap++) {
                    int k = tap % kW;
                    int j = tap / kW % kH;
                    int i = tap / kW / kH;
                    long at = weight.offset()
                            + first * weight.stride(0)
                            + i * weight.stride(2)
                            + j * weight.stride(3)
                            + k * weight.stride(4);
                    Packing.panel(
                            weight.memory(),
                            weight.dtype(),
                            at,
                            weight.stride(1),
                            weight.stride(0),
                            channels,
                            columns,
                            w,
                            to,
                            toAt + 4L * w * row(tap),
                            workspace);
                }
            }
        }

        /// The row of a panel in which the weights of a tap begin.
        private int row(int tap) {
            return (folded ? tap % kW * (kT * kH) + tap / kW : tap) * channels;
        }

        /// Weights as frameworks store them, `(O, C, kT, kH, kW)`: neither channels nor outputs lie next to each other,
        /// but all weights of one output do. Some channels at a time are transposed as they lie, then their rows are
        /// moved to their taps.
        private void packDense(
                int first, int columns, int w, int taps, MemorySegment to, long toAt, Workspace workspace) {
            int atOnce = Math.clamp(512 / taps, 1, channels);
            MemorySegment moved = workspace.memory(Workspace.Use.ROWS, 4L * w * taps * atOnce);
            for (int channel = 0; channel < channels; channel += atOnce) {
                int count = Math.min(atOnce, channels - channel);
                long at = weight.offset() + first * weight.stride(0) + (long) channel * taps;
                Packing.panel(
                        weight.memory(),
                        weight.dtype(),
                        at,
                        1,
                        weight.stride(0),
                        count * taps,
                        columns,
                        w,
                        moved,
                        0,
                        workspace);
                for (int c = 0; c < count; c++) {
                    for (int tap = 0; tap < taps; tap++) {
                        long row = (long) row(tap) + channel + c;
                        MemorySegment.copy(moved, 4L * w * (c * taps + tap), to, toAt + 4L * w * row, 4L * w);
                    }
                }
            }
        }

        /// Computes one region for the panels from `begin` to `end`, counted from `first`.
        private void region(
                int index, MemorySegment packed, long panelBytes, int first, int begin, int end, Workspace workspace) {
            int spans = Math.ceilDiv(outW, span);
            int bands = Math.ceilDiv(outH, lines);
            int column = index % spans * span;
            int line = index / spans % bands * lines;
            int t = index / spans / bands % outT;
            int n = index / spans / bands / outT;
            int columns = Math.min(span, outW - column);
            int height = Math.min(lines, outH - line);

            MemorySegment a = workspace.memory(Workspace.Use.ROWS, inputBytes(lines, span));
            copyInput(n, t, line, height, column, columns, a, workspace);
            TileWriter.Rows where = writer.rows(height * columns, workspace);
            for (int l = 0; l < height; l++) {
                long row = ((long) (n * outT + t) * outH + line + l) * outW + column;
                where.set(l * columns, row, columns);
            }

            int rows = tiles.rows();
            int blocks = Math.ceilDiv(columns, rows);
            long lineBytes = 4L * scratchColumns(columns) * depth;
            long frameBytes = lineBytes * scratchLines(height);
            long aStride = 4L * op.strideW() * depth;
            for (int panel = begin; panel < end; panel++) {
                int outColumn = (first + panel) * width;
                int outColumns = Math.min(width, outputs - outColumn);
                int w = tiles.widthFor(outColumns);
                for (int s = 0; s < stretches; s++) {
                    long bAt = panelBytes * panel + 4L * w * s * stretch;
                    long start = folded ? 0 : s / kH * frameBytes + s % kH * lineBytes;
                    for (int b = 0; b < height * blocks; b++) {
                        int l = b / blocks;
                        int from = b % blocks * rows;
                        int tileRows = Math.min(rows, columns - from);
                        int kernelRows = tiles.rowsFor(tileRows);
                        float[] tile = workspace.tile(stretches == 1 ? 0 : b, rows * width);
                        if (s == 0) {
                            Arrays.fill(tile, 0, kernelRows * w, 0f);
                        }
                        long aAt = start + lineBytes * l * (folded ? 1 : op.strideH()) + aStride * from;
                        tiles.outer(kernelRows, w).accumulate(a, aAt, aStride, packed, bAt, 4L * w, tile, stretch);
                        if (s == stretches - 1) {
                            writer.write(tile, w, where, l * columns + from, tileRows, outColumn, outColumns);
                        }
                    }
                }
            }
        }

        /// Copies what a region needs of the input to `to`: `(kT, lines, columns, C)`, or `(lines, columns, kT, kH, C)`
        /// if folded.
        private void copyInput(
                int n, int t, int line, int height, int column, int columns, MemorySegment to, Workspace workspace) {
            int inColumns = scratchColumns(columns);
            int inColumn = column * op.strideW() - op.left();
            long lineBytes = 4L * inColumns * depth;
            for (int i = 0; i < kT; i++) {
                int frame = t * op.strideT() + i - op.front();
                if (frame < 0 && op.replicateFront()) {
                    frame = 0;
                }
                if (folded) {
                    for (int l = 0; l < height; l++) {
                        for (int j = 0; j < kH; j++) {
                            int inLine = (line + l) * op.strideH() + j - op.top();
                            long at = l * lineBytes + 4L * (i * kH + j) * channels;
                            copyLine(n, frame, inLine, inColumn, inColumns, to, at, workspace);
                        }
                    }
                } else {
                    int inLines = scratchLines(height);
                    for (int l = 0; l < inLines; l++) {
                        int inLine = line * op.strideH() + l - op.top();
                        copyLine(n, frame, inLine, inColumn, inColumns, to, (i * inLines + l) * lineBytes, workspace);
                    }
                }
            }
        }

        /// Copies a part of a line of the input, zeros where it reaches into the padding.
        private void copyLine(
                int n, int frame, int line, int column, int columns, MemorySegment to, long toAt, Workspace workspace) {
            long toStride = 4L * depth;
            boolean inside = frame >= 0 && frame < input.dim(1) && line >= 0 && line < input.dim(2);
            int from = inside ? Math.clamp(-column, 0, columns) : columns;
            int end = inside ? Math.clamp(input.dim(3) - column, from, columns) : columns;
            zeroPositions(to, toAt, toStride, 0, from);
            zeroPositions(to, toAt, toStride, end, columns);
            if (from >= end) {
                return;
            }
            long columnStep = input.stride(3);
            long channelStep = input.stride(4);
            long at = input.offset()
                    + n * input.stride(0)
                    + frame * input.stride(1)
                    + line * input.stride(2)
                    + (column + from) * columnStep;
            long firstAt = toAt + from * toStride;
            int count = end - from;
            if (folded) {
                Packing.rows(
                        input.memory(),
                        input.dtype(),
                        at,
                        columnStep,
                        channelStep,
                        count,
                        channels,
                        to,
                        firstAt,
                        toStride);
            } else if (channelStep == 1 && columnStep == channels) {
                Packing.row(input.memory(), input.dtype(), at, 1, count * channels, to, firstAt);
            } else if (columnStep == 1 && channelStep != 1) {
                Packing.transposed(
                        input.memory(),
                        input.dtype(),
                        at,
                        channelStep,
                        channels,
                        count,
                        to,
                        firstAt,
                        toStride,
                        workspace);
            } else {
                for (int c = 0; c < count; c++) {
                    Packing.row(
                            input.memory(),
                            input.dtype(),
                            at + c * columnStep,
                            channelStep,
                            channels,
                            to,
                            firstAt + c * toStride);
                }
            }
        }

        private void zeroPositions(MemorySegment to, long toAt, long toStride, int from, int end) {
            if (folded) {
                for (int c = from; c < end; c++) {
                    Packing.zero(to, toAt + c * toStride, channels);
                }
            } else {
                Packing.zero(to, toAt + from * toStride, (end - from) * channels);
            }
        }
    }
}
