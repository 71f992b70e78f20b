package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;

/// The input of a convolution, line by line in the form that micro-kernels read, see [ImplicitGemm].
final class InputLines {
    private final Convolution op;
    private final PatchTiles tiles;
    private final PatchLayout layout;
    private final NdArray input; // (N, T, H, W, C)
    private final int lines;
    private final int span;

    /// Positions behind the last one of a line that may be read.
    private final int overhang;

    /// Whether positions may lie in the input as they would in a copy.
    private final boolean asCopied;

    /// @param input `(N, T, H, W, C)`
    /// @param lines of the output that are computed at a time, at most
    /// @param span columns of the output that are computed at a time, at most
    /// @param tiles what reads the lines
    InputLines(Convolution op, PatchLayout layout, NdArray input, int lines, int span, PatchTiles tiles) {
        this.op = op;
        this.tiles = tiles;
        this.layout = layout;
        this.input = input;
        this.lines = lines;
        this.span = span;
        overhang = tiles.rows();
        asCopied = !layout.folded()
                && op.arithmetic() == Arithmetic.F32
                && input.dtype() == DType.F32
                && (input.stride(4) == 1 || layout.channels() == 1)
                && (layout.kW() == 1 || input.stride(3) == layout.channels())
                && input.stride(3) >= 0;
    }

    /// Bytes of scratch memory for a band.
    static long bytes(Convolution op, PatchLayout layout, int lines, int span, int overhang) {
        long held = (long) frames(layout) * heldLines(op, layout, lines) * columns(op, layout, span);
        return (held + (long) overhang * op.strideW()) * layout.positionBytes() + Simd.FLOATS.vectorByteSize();
    }

    private static int frames(PatchLayout layout) {
        return layout.folded() ? 1 : layout.kT();
    }

    /// Lines in scratch memory for each frame: the input's, or the output's if they hold folded patches.
    private static int heldLines(Convolution op, PatchLayout layout, int lines) {
        return layout.folded() ? lines : (lines - 1) * op.strideH() + layout.kH();
    }

    private static int columns(Convolution op, PatchLayout layout, int span) {
        return (span - 1) * op.strideW() + layout.kW();
    }

    /// What some columns of the output need.
    ///
    /// @param n sample
    /// @param t frame of the output
    /// @param column first column of the output
    /// @param count how many columns
    Window window(int n, int t, int column, int count, Workspace workspace) {
        return new Window(n, t, column, count, workspace);
    }

    /// A view of the lines that the present band needs. Those of each frame form a ring: what the next band needs
    /// again stays where it is.
    final class Window {
        private final int n;
        private final int t;
        private final int firstColumn; // of the input, padding counted
        private final int columns;
        private final Workspace workspace;
        private final MemorySegment copy;
        private final int held;
        private final long lineBytes;
        private boolean inPlace;
        private int firstLine; // of the output
        private int from; // lines that are in the ring, those of the padding counted
        private int to;

        private Window(int n, int t, int column, int count, Workspace workspace) {
            this.n = n;
            this.t = t;
            this.workspace = workspace;
            firstColumn = column * op.strideW();
            columns = InputLines.columns(op, layout, count);
            held = heldLines(op, layout, lines);
            lineBytes = columns * layout.positionBytes();
            copy = workspace.memory(Workspace.Use.ROWS, bytes(op, layout, lines, span, overhang));
        }

        /// Goes on to another band, below the last one.
        void move(int line, int height) {
            firstLine = line;
            inPlace = asCopied && inside(line, height);
            if (inPlace) {
                return;
            }
            if (layout.folded()) {
                for (int l = 0; l < height; l++) {
                    fold(line + l, l * lineBytes);
                }
                return;
            }
            int begin = line * op.strideH();
            int end = begin + (height - 1) * op.strideH() + layout.kH();
            int next = begin >= from && begin < to ? to : begin;
            for (int i = 0; i < layout.kT(); i++) {
                for (int l = next; l < end; l++) {
                    copyLine(frame(i), l - op.top(), i * held + l % held);
                }
            }
            from = begin;
            to = end;
        }

        /// Says what a band will read beyond what the present one does, as far as its lines lie in one piece.
        ///
        /// @param line with which the band begins, below the present one
        void expect(int line, int height, PatchTiles.Lines sums) {
            int column = firstColumn - op.left();
            int begin = Math.clamp(column, 0, input.dim(3));
            int end = Math.clamp(column + columns, begin, input.dim(3));
            if (layout.folded()
                    || input.stride(3) != layout.channels()
                    || (input.stride(4) != 1 && layout.channels() > 1)) {
                return;
            }
            int bytes = input.dtype().bytes();
            int known = (line - 1) * op.strideH() + layout.kH();
            int first = Math.max(Math.max(line * op.strideH(), known) - op.top(), 0);
            int last = Math.min((line + height - 1) * op.strideH() + layout.kH() - op.top(), input.dim(2));
            for (int i = 0; i < layout.kT(); i++) {
                int frame = frame(i);
                for (int l = first; l < last && frame >= 0 && frame < input.dim(1); l++) {
                    long length = (long) (end - begin) * layout.channels();
                    sums.expect(input.memory(), inputAt(frame, l, begin) * bytes, length * bytes);
                }
            }
        }

        /// Whether a band reaches into no padding, nor a tile behind the end of the input's memory.
        private boolean inside(int line, int height) {
            int begin = line * op.strideH() - op.top();
            int end = begin + (height - 1) * op.strideH() + layout.kH();
            int column = firstColumn - op.left();
            int lastFrame = t * op.strideT() + layout.kT() - 1 - op.front();
            if (begin < 0
                    || end > input.dim(2)
                    || column < 0
                    || column + columns > input.dim(3)
                    || (t * op.strideT() < op.front() && !op.replicateFront())
                    || lastFrame >= input.dim(1)) {
                return false;
            }
            long behind = inputAt(frame(layout.kT() - 1), end - 1, column)
                    + (columns + (long) overhang * op.strideW()) * input.stride(3)
                    + layout.channels();
            return behind * 4 <= input.memory().byteSize();
        }

        /// The frame of the input that a frame of the kernel meets, negative or too large for zeros.
        private int frame(int i) {
            int frame = t * op.strideT() + i - op.front();
            return frame < 0 && op.replicateFront() ? 0 : frame;
        }

        private long inputAt(int frame, int line, int column) {
            return input.offset()
                    + n * input.stride(0)
                    + frame * input.stride(1)
                    + line * input.stride(2)
                    + column * input.stride(3);
        }

        /// Where the lines lie.
        MemorySegment memory() {
            return inPlace ? input.memory() : copy;
        }

        /// Distance of the patches of neighbouring output elements, in bytes.
        long stride() {
            return op.strideW() * (inPlace ? 4 * input.stride(3) : layout.positionBytes());
        }

        /// The byte at which a stretch of the first patch of a line begins.
        ///
        /// @param line of the band
        long at(int line, int stretch) {
            if (layout.folded()) {
                return line * lineBytes;
            }
            int frame = stretch / layout.kH();
            int l = (firstLine + line) * op.strideH() + stretch % layout.kH();
            if (inPlace) {
                return 4 * inputAt(frame(frame), l - op.top(), firstColumn - op.left());
            }
            return (frame * held + l % held) * lineBytes;
        }

        /// Copies the patches of an output line, folded over frames and lines.
        private void fold(int line, long at) {
            if (layout.depth() > layout.used()) {
                copy.asSlice(at, lineBytes).fill((byte) 0);
            }
            MemorySegment staged = layout.unit() == 1 ? copy : workspace.memory(Workspace.Use.LINE, stagedBytes());
            long stagedAt = layout.unit() == 1 ? at : 0;
            long position = 4L * layout.depth();
            if (layout.unit() > 1) {
                staged.asSlice(0, columns * position).fill((byte) 0);
            }
            for (int i = 0; i < layout.kT(); i++) {
                for (int j = 0; j < layout.kH(); j++) {
                    long channel = 4L * (i * layout.kH() + j) * layout.channels();
                    widen(frame(i), line * op.strideH() + j - op.top(), staged, stagedAt + channel, position);
                }
            }
            finish(staged, stagedAt, at);
        }

        private long stagedBytes() {
            return 4L * (columns * layout.depth() + Simd.LANES);
        }

        /// Copies a line of the input.
        ///
        /// @param line may lie in the padding
        /// @param slot where it goes
        private void copyLine(int frame, int line, int slot) {
            long at = slot * lineBytes;
            if (layout.unit() == 1) {
                widen(frame, line, copy, at, 4L * layout.depth());
                finish(copy, at, at);
                return;
            }
            boolean exists = frame >= 0 && frame < input.dim(1) && line >= 0 && line < input.dim(2);
            int column = firstColumn - op.left();
            int begin = exists ? Math.clamp(-column, 0, columns) : columns;
            int end = exists ? Math.clamp(input.dim(3) - column, begin, columns) : columns;
            boolean dense = input.dtype() == DType.F32
                    && layout.depth() == layout.channels()
                    && (input.stride(4) == 1 || layout.channels() == 1)
                    && input.stride(3) == layout.channels();
            if (dense) {
                long position = layout.positionBytes();
                copy.asSlice(at, begin * position).fill((byte) 0);
                copy.asSlice(at + end * position, (columns - end) * position).fill((byte) 0);
                if (begin < end) {
                    tiles.narrow(
                            input.memory(),
                            4 * inputAt(frame, line, column + begin),
                            copy,
                            at + begin * position,
                            (end - begin) * layout.depth(),
                            workspace);
                }
                return;
            }
            MemorySegment staged = workspace.memory(Workspace.Use.LINE, stagedBytes());
            if (layout.depth() > layout.used()) {
                staged.asSlice(0, 4L * columns * layout.depth()).fill((byte) 0);
            }
            widen(frame, line, staged, 0, 4L * layout.depth());
            finish(staged, 0, at);
        }

        /// Brings a line of floats into the form that is multiplied.
        private void finish(MemorySegment staged, long stagedAt, long at) {
            int n = columns * layout.depth();
            if (layout.unit() > 1) {
                tiles.narrow(staged, stagedAt, copy, at, n, workspace);
            } else if (op.arithmetic() == Arithmetic.BF16) {
                FilterPacking.round(copy, at, n);
            }
        }

        /// Copies a part of a line of the input as floats, zeros where it reaches into the padding.
        private void widen(int frame, int line, MemorySegment to, long toAt, long toStride) {
            int column = firstColumn - op.left();
            boolean exists = frame >= 0 && frame < input.dim(1) && line >= 0 && line < input.dim(2);
            int begin = exists ? Math.clamp(-column, 0, columns) : columns;
            int end = exists ? Math.clamp(input.dim(3) - column, begin, columns) : columns;
            zeroPositions(to, toAt, toStride, 0, begin);
            zeroPositions(to, toAt, toStride, end, columns);
            if (begin >= end) {
                return;
            }
            int channels = layout.channels();
            long columnStep = input.stride(3);
            long channelStep = input.stride(4);
            long at = inputAt(frame, line, column + begin);
            long firstAt = toAt + begin * toStride;
            int count = end - begin;
            MemorySegment from = input.memory();
            DType type = input.dtype();
            if (layout.folded()) {
                Packing.rows(from, type, at, columnStep, channelStep, count, channels, to, firstAt, toStride);
            } else if (channelStep == 1 && columnStep == channels && toStride == 4L * channels) {
                Packing.row(from, type, at, 1, count * channels, to, firstAt);
            } else if (columnStep == 1 && channelStep != 1) {
                Packing.transposed(from, type, at, channelStep, channels, count, to, firstAt, toStride, workspace);
            } else {
                for (int c = 0; c < count; c++) {
                    Packing.row(from, type, at + c * columnStep, channelStep, channels, to, firstAt + c * toStride);
                }
            }
        }

        private void zeroPositions(MemorySegment to, long toAt, long toStride, int begin, int end) {
            for (int c = begin; c < end; c++) {
                Packing.zero(to, toAt + c * toStride, layout.channels());
            }
        }
    }
}
