package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Convolution as a matrix product whose left side, the patches of the input, never exists (implicit GEMM; Chetlur et
/// al. 2014, arXiv 1410.0759), on any micro-kernels, see [PatchTiles].
///
/// A task computes a strip of the output: some columns of many lines of one frame, a few lines at a time, the band. It
/// copies the part of the input that a band needs into scratch memory, padded, widened or rounded, and channels last,
/// whatever layout the input has. There the patch of one output element is a few stretches, one for each frame and
/// line of the kernel, of `kW * C` neighbouring elements, and the stretches of the next output element lie `strideW *
/// C` further: exactly what an outer-product tile reads. Lines that the next band needs again stay where they are, so
/// that hardly any input element is copied twice; where the input lies as the copy would, nothing is copied at all.
///
/// Where stretches would be too short to keep a tile busy, the frames and lines of the kernel are folded into the
/// channels while copying, and one stretch is the whole patch; see [PatchLayout].
///
/// Sums run in the order frame, line, column, channel of the kernel (column first if folded), whatever the tasks.
public final class ImplicitGemm {
    /// Bytes of shared panels.
    private static final long PANELS = 8L << 20;

    /// Bytes of input that a task copies, roughly.
    private static final long INPUT = 4L << 20;

    /// Output elements of a band, roughly: enough to pay for fetching a panel.
    private static final int BAND = 192;

    /// Longest part of a line in a band.
    private static final int SPAN = 96;

    /// Pieces of work for each thread at least, so that threads which start late or run slowly do not hold up the
    /// others.
    private static final int PIECES = 50;

    private final Parallel parallel;
    private final Workspace.Pool workspaces;
    private final PatchTiles tiles;

    /// Convolutions on these micro-kernels.
    public ImplicitGemm(Parallel parallel, Workspace.Pool workspaces, PatchTiles tiles) {
        this.parallel = parallel;
        this.workspaces = workspaces;
        this.tiles = tiles;
    }

    /// See [dev.palimpsest.kernels.Kernels#packFilter].
    public PanelFilter pack(NdArray weight, Arithmetic arithmetic, Arena arena) {
        PatchLayout layout = PatchLayout.of(weight.shape(), arithmetic, tiles);
        FilterPacking packing = new FilterPacking(weight, layout, arithmetic, tiles);
        int panels = Math.ceilDiv(weight.dim(0), tiles.columns());
        long panelBytes = 4L * layout.units() * tiles.columns();
        MemorySegment memory = arena.allocate(Math.max(1, panels * panelBytes), 64);
        parallel.forEach(panels, i -> {
            try (Workspace workspace = workspaces.take()) {
                packing.pack(i, memory, panelBytes * i, workspace);
            }
        });
        return new PanelFilter(tiles.name(), weight.shape(), arithmetic, memory);
    }

    /// See [dev.palimpsest.kernels.Kernels#convolution(Convolution, NdArray, NdArray, NdArray, Epilogue)].
    public void run(Convolution op, NdArray input, NdArray weight, NdArray out, Epilogue epilogue) {
        if (out.elements() > 0) {
            new Run(op, input, weight.shape(), weight, null, out, epilogue).run();
        }
    }

    /// The same with a weight that [#pack] made.
    public void run(Convolution op, NdArray input, PanelFilter weight, NdArray out, Epilogue epilogue) {
        if (out.elements() > 0) {
            new Run(op, input, weight.shape(), null, weight.panels(), out, epilogue).run();
        }
    }

    /// `(N, C, T, H, W)` as `(N, T, H, W, C)`.
    private static NdArray channelsLast(NdArray x) {
        return x.permute(0, 2, 3, 4, 1);
    }

    /// An epilogue over positions and channels, the output's axes `(N, T', H', W', O)`.
    private static Epilogue channelsLast(Epilogue epilogue, Shape shape) {
        NdArray gate = epilogue.gate();
        NdArray residual = epilogue.residual();
        return new Epilogue(
                epilogue.bias(),
                epilogue.activation(),
                gate == null ? null : channelsLast(gate.expand(shape)),
                residual == null ? null : channelsLast(residual.expand(shape)));
    }

    /// One convolution.
    private final class Run {
        private final Convolution op;
        private final @Nullable NdArray weight; // (O, C, kT, kH, kW) if it is not packed
        private final @Nullable MemorySegment packed;
        private final PatchLayout layout;
        private final InputLines input;
        private final PatchTiles.Target target;
        private final int samples;
        private final int outT;
        private final int outH;
        private final int outW;
        private final int outputs;

        /// Lines of a band at most.
        private final int lines;

        /// Columns of a band at most.
        private final int span;

        Run(
                Convolution op,
                NdArray input,
                Shape shape,
                @Nullable NdArray weight,
                @Nullable MemorySegment packed,
                NdArray out,
                Epilogue epilogue) {
            this.op = op;
            this.weight = weight;
            this.packed = packed;
            layout = PatchLayout.of(shape, op.arithmetic(), tiles);
            target = tiles.target(op.arithmetic(), channelsLast(out), channelsLast(epilogue, out.shape()));
            samples = out.dim(0);
            outputs = out.dim(1);
            outT = out.dim(2);
            outH = out.dim(3);
            outW = out.dim(4);
            // equal spans of whole tiles, then as many lines as make up a band
            int atLeast = Math.ceilDiv(outW, SPAN);
            int s = Math.min(Math.ceilDiv(Math.ceilDiv(outW, atLeast), tiles.rows()) * tiles.rows(), outW);
            int l = Math.clamp(BAND / s, 1, outH);
            while (InputLines.bytes(op, layout, l, s, tiles.rows()) > INPUT && l > 1) {
                l = Math.ceilDiv(l, 2);
            }
            while (InputLines.bytes(op, layout, l, s, tiles.rows()) > INPUT && s > tiles.rows()) {
                s = Math.ceilDiv(s, 2);
            }
            lines = Math.ceilDiv(outH, Math.ceilDiv(outH, l));
            span = s;
            this.input = new InputLines(op, layout, channelsLast(input), lines, span, tiles);
        }

        void run() {
            int panels = Math.ceilDiv(outputs, tiles.columns());
            long panelBytes = 4L * layout.units() * tiles.columns();
            if (weight == null) {
                compute(Objects.requireNonNull(packed), panelBytes, 0, panels);
                return;
            }
            int atOnce = Math.clamp(PANELS / (panelBytes + 1), 1, panels);
            FilterPacking packing = new FilterPacking(weight, layout, op.arithmetic(), tiles);
            try (Workspace shared = workspaces.take()) {
                MemorySegment memory = shared.memory(Workspace.Use.PANELS, panelBytes * atOnce);
                for (int first = 0; first < panels; first += atOnce) {
                    int from = first;
                    int count = Math.min(atOnce, panels - first);
                    parallel.forEach(count, i -> {
                        try (Workspace workspace = workspaces.take()) {
                            packing.pack(from + i, memory, panelBytes * i, workspace);
                        }
                    });
                    compute(memory, panelBytes, from, count);
                }
            }
        }

        /// Computes the output channels of some panels.
        ///
        /// @param first number of the panel with which `memory` begins
        private void compute(MemorySegment memory, long panelBytes, int first, int count) {
            int bands = Math.ceilDiv(outH, lines);
            int spans = Math.ceilDiv(outW, span);
            long all = (long) samples * outT * spans * bands;
            int threads = parallel.threads();
            int parts = threads == 1 ? 1 : Math.clamp(Math.ceilDiv((long) PIECES * threads, all), 1, count);
            long[] cuts = cuts(all * parts, parts);
            parallel.forEach(cuts.length - 1, task -> {
                try (Workspace workspace = workspaces.take()) {
                    long at = cuts[task];
                    while (at < cuts[task + 1]) {
                        long strip = at / parts / bands;
                        long end = Math.min(cuts[task + 1], (strip + 1) * bands * parts);
                        int column = (int) (strip % spans) * span;
                        Strip s = new Strip((int) (strip / spans), column, memory, panelBytes, first, workspace);
                        for (long next; at < end; at = next) {
                            next = Math.min(end, (at / parts + 1) * parts);
                            int part = (int) (at % parts);
                            int begin = (int) ((long) count * part / parts);
                            int behind = (int) (count * (part + next - at) / parts);
                            int b = (int) (at / parts % bands);
                            s.band(top(b, bands), top(b + 1, bands), next < end ? top(b + 2, bands) : 0, begin, behind);
                        }
                    }
                }
            });
        }

        /// The line of the output with which a band begins.
        private int top(int band, int bands) {
            return (int) ((long) outH * Math.min(band, bands) / bands);
        }

        /// Cuts `n` pieces of work, every `parts` of which belong together, into tasks: large ones first, which copy
        /// little twice, then smaller and smaller ones, so that no thread waits long for the others.
        private long[] cuts(long n, int parts) {
            int threads = parallel.threads();
            if (threads == 1) {
                return new long[] {0, n};
            }
            long[] cuts = new long[16];
            int tasks = 0;
            for (long at = 0; at < n; ) {
                long size = Math.max(1, (n - at) / (2L * threads));
                at = Math.min(n, at + (size > parts ? size / parts * parts : size));
                if (++tasks == cuts.length) {
                    cuts = Arrays.copyOf(cuts, 2 * tasks);
                }
                cuts[tasks] = at;
            }
            return Arrays.copyOf(cuts, tasks + 1);
        }

        /// Bands below each other.
        private final class Strip {
            private final int frame;
            private final int column;
            private final int columns;
            private final MemorySegment memory;
            private final long panelBytes;
            private final int first;
            private final InputLines.Window window;
            private final PatchTiles.Lines sums;
            private final long[] at = new long[layout.stretches()];

            /// @param frame of all samples
            /// @param column first column of the output
            Strip(int frame, int column, MemorySegment memory, long panelBytes, int first, Workspace workspace) {
                this.frame = frame;
                this.column = column;
                this.memory = memory;
                this.panelBytes = panelBytes;
                this.first = first;
                columns = Math.min(span, outW - column);
                window = input.window(frame / outT, frame % outT, column, columns, workspace);
                sums = target.lines(lines, columns, workspace);
            }

            /// Computes one band for the panels from `begin` to `end`, counted from `first`.
            ///
            /// @param line first line of the band
            /// @param below first line of the next one
            /// @param last first line behind that, 0 if there is none
            void band(int line, int below, int last, int begin, int end) {
                int height = below - line;
                window.move(line, height);
                for (int l = 0; l < height; l++) {
                    sums.place(l, ((long) frame * outH + line + l) * outW + column);
                }
                int stretches = layout.stretches();
                int atOnce = Math.min(stretches, tiles.stretchesAtOnce(layout.stretchUnits()));
                sums.expect((end - begin) * Math.ceilDiv(stretches, atOnce) * height);
                if (below < last) {
                    window.expect(below, last - below, sums);
                    for (int l = below; l < last; l++) {
                        sums.expect(((long) frame * outH + l) * outW + column);
                    }
                }
                for (int panel = begin; panel < end; panel++) {
                    int outColumn = (first + panel) * tiles.columns();
                    int outColumns = Math.min(tiles.columns(), outputs - outColumn);
                    int width = tiles.widthFor(outColumns);
                    for (int s = 0; s < stretches; s += atOnce) {
                        int count = Math.min(atOnce, stretches - s);
                        long panelAt = panelBytes * panel + 4L * width * s * layout.stretchUnits();
                        for (int l = 0; l < height; l++) {
                            for (int i = 0; i < count; i++) {
                                at[i] = window.at(l, s + i);
                            }
                            sums.add(
                                    l,
                                    window.memory(),
                                    at,
                                    count,
                                    window.stride(),
                                    memory,
                                    panelAt,
                                    width,
                                    layout.stretchUnits(),
                                    s == 0,
                                    s + count == stretches,
                                    outColumn,
                                    outColumns);
                        }
                    }
                }
            }
        }
    }
}
