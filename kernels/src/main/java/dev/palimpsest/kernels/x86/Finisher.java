package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.vector.RowMap;
import dev.palimpsest.kernels.x86.FinishGenerator.Along;
import dev.palimpsest.kernels.x86.FinishGenerator.Finish;
import dev.palimpsest.kernels.x86.FinishGenerator.Sums;
import dev.palimpsest.kernels.x86.PanelPacker.Quantized;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Turns the sums of tiles into the output of one product: scales, bias, activation, gate, residual.
final class Finisher {
    private final MicroKernels kernels;
    private final Sums sums;
    private final @Nullable Quantized quantized;
    private final Activation activation;
    private final Place out;
    private final @Nullable Place gate;
    private final @Nullable Place residual;
    private final long bias; // address of dense values, 0 if there are none
    private final boolean dense;
    private final int columns;
    private final Program whole; // for whole panels

    /// An array of the output's shape whose last axis runs over the columns; distances in elements.
    private record Place(MemorySegment memory, RowMap rows, long step) {
        static Place of(NdArray x) {
            return new Place(x.memory(), RowMap.of(x), x.dim(-1) == 1 ? 1 : x.stride(-1));
        }

        long address(long row, int column) {
            return memory.address() + 4 * (rows.at(row) + column * step);
        }

        /// Distance of some neighbouring rows in bytes, negative if it varies.
        long stride(long first, int count) {
            return 4 * rows.evenStride(first, count);
        }

        Along along() {
            return step == 1 ? Along.COLUMNS : Along.CONSTANT;
        }
    }

    /// @param out the output, its last axis the columns
    /// @param epilogue with a gate and a residual already stretched to the output's shape and a bias without gaps
    Finisher(MicroKernels kernels, Sums sums, @Nullable Quantized quantized, NdArray out, Epilogue epilogue) {
        this.kernels = kernels;
        this.sums = sums;
        this.quantized = quantized;
        this.activation = epilogue.activation();
        this.out = Place.of(out);
        gate = epilogue.gate() == null ? null : Place.of(epilogue.gate());
        residual = epilogue.residual() == null ? null : Place.of(epilogue.residual());
        NdArray b = epilogue.bias();
        bias = b == null ? 0 : b.memory().address() + b.byteOffset();
        columns = out.dim(-1);
        dense = this.out.step == 1 && (gate == null || gate.step <= 1) && (residual == null || residual.step <= 1);
        whole = program(TileGenerator.VECTORS);
    }

    private Program program(int vectors) {
        boolean inPlace = !dense; // then gate and residual come later
        return kernels.finish(new Finish(
                sums,
                vectors,
                bias != 0,
                activation,
                gate == null || inPlace ? Along.ABSENT : gate.along(),
                residual == null || inPlace ? Along.ABSENT : residual.along()));
    }

    /// Lets a micro-kernel finish and write some rows of a panel, if nothing but a bias and a residual is to be added
    /// and whole vectors are written.
    ///
    /// @param row first row of the output
    /// @param rows how many
    /// @param column first column of the output
    /// @param columns how many of the panel's columns exist
    /// @param activations where the scales of the rows are, the first of which is that of row `firstRow`
    /// @return whether it does
    boolean delegate(
            int row, int rows, int column, int columns, Activations activations, int firstRow, Arguments tile) {
        long outStride = out.stride(row, rows);
        long residualStride = residual == null ? 0 : residual.stride(row, rows);
        if (!dense
                || outStride < 0
                || residualStride < 0
                || (residual != null && residual.step != 1)
                || gate != null
                || activation != Activation.NONE
                || columns % TileGenerator.LANES != 0) {
            return false;
        }
        tile.set(TileGenerator.OUT, out.address(row, column))
                .set(TileGenerator.OUT_STRIDE, outStride)
                .set(TileGenerator.RESIDUAL, residual == null ? 0 : residual.address(row, column))
                .set(TileGenerator.RESIDUAL_STRIDE, residualStride)
                .set(TileGenerator.BIAS, bias == 0 ? 0 : bias + column * 4L);
        if (quantized != null) {
            tile.set(TileGenerator.COLUMN_SCALES, quantized.scales().address() + column * 4L)
                    .set(TileGenerator.COLUMN_SUMS, quantized.sums().address() + column * 4L)
                    .set(TileGenerator.ROW_SCALES, activations.scales() + 4L * (row - firstRow))
                    .set(TileGenerator.ROW_ZEROS, activations.zeros() + 4L * (row - firstRow));
        }
        return true;
    }

    /// Says where some rows will be written, and what will be added to them, if they lie in one piece.
    ///
    /// @param row first row of the output
    /// @param rows how many
    void expect(int row, int rows, Prefetches prefetches) {
        for (Place place : new Place[] {out, residual}) {
            if (place != null && place.step == 1 && place.stride(row, rows) == 4L * columns) {
                prefetches.add(place.address(row, 0), place.stride(row, rows) * rows);
            }
        }
    }

    /// Finishes and writes some rows of a panel.
    ///
    /// @param memory has the sums, from its start on, dense rows of `vectors * 16`
    /// @param row first row of the output
    /// @param rows how many
    /// @param column first column of the output
    /// @param columns how many of the panel's columns exist
    /// @param activations where the scales of the rows are, the first of which is that of row `firstRow`
    void write(
            MemorySegment memory,
            int row,
            int rows,
            int column,
            int columns,
            Activations activations,
            int firstRow,
            Arguments arguments) {
        int vectors = Math.ceilDiv(columns, TileGenerator.LANES);
        int last = columns - (vectors - 1) * TileGenerator.LANES;
        arguments
                .set(FinishGenerator.SUMS, memory.address())
                .set(FinishGenerator.MASK, (1L << last) - 1)
                .set(FinishGenerator.BIAS, bias + column * 4L)
                .set(FinishGenerator.ROW_SCALES, activations.scales() + 4L * (row - firstRow))
                .set(FinishGenerator.ROW_ZEROS, activations.zeros() + 4L * (row - firstRow));
        if (quantized != null) {
            arguments
                    .set(FinishGenerator.COLUMN_SCALES, quantized.scales().address() + column * 4L)
                    .set(FinishGenerator.COLUMN_SUMS, quantized.sums().address() + column * 4L);
        }
        Program program = vectors == TileGenerator.VECTORS ? whole : program(vectors);
        if (!dense) {
            long stride = vectors * 64L;
            arguments
                    .set(FinishGenerator.OUT, memory.address())
                    .set(FinishGenerator.OUT_STRIDE, stride)
                    .set(FinishGenerator.ROWS, rows)
                    .run(program);
            writeElements(memory, vectors * TileGenerator.LANES, row, rows, column, columns);
            return;
        }
        long outStride = out.stride(row, rows);
        long gateStride = gate == null ? 0 : gate.stride(row, rows);
        long residualStride = residual == null ? 0 : residual.stride(row, rows);
        arguments
                .set(FinishGenerator.OUT_STRIDE, outStride)
                .set(FinishGenerator.GATE_STRIDE, gateStride)
                .set(FinishGenerator.RESIDUAL_STRIDE, residualStride);
        boolean even = outStride >= 0 && gateStride >= 0 && residualStride >= 0;
        int atOnce = even ? rows : 1;
        arguments.set(FinishGenerator.ROWS, atOnce);
        for (int r = 0; r < rows; r += atOnce) {
            arguments
                    .set(FinishGenerator.SUMS, memory.address() + 64L * r * vectors)
                    .set(FinishGenerator.ROW_SCALES, activations.scales() + 4L * (row + r - firstRow))
                    .set(FinishGenerator.ROW_ZEROS, activations.zeros() + 4L * (row + r - firstRow))
                    .set(FinishGenerator.OUT, out.address(row + r, column));
            if (gate != null) {
                arguments.set(FinishGenerator.GATE, gate.address(row + r, column));
            }
            if (residual != null) {
                arguments.set(FinishGenerator.RESIDUAL, residual.address(row + r, column));
            }
            arguments.run(program);
        }
    }

    /// Gate and residual for any strides, one element after another. Columns are the outer loop: where they are not
    /// dense, neighbouring rows usually are.
    private void writeElements(MemorySegment memory, int width, int row, int rows, int column, int columns) {
        for (int j = column; j < column + columns; j++) {
            for (int r = 0; r < rows; r++) {
                float v = memory.get(JAVA_FLOAT_UNALIGNED, 4L * (r * width + j - column));
                if (gate != null) {
                    v *= gate.memory.get(JAVA_FLOAT_UNALIGNED, 4 * (gate.rows.at(row + r) + j * gate.step));
                }
                if (residual != null) {
                    v += residual.memory.get(JAVA_FLOAT_UNALIGNED, 4 * (residual.rows.at(row + r) + j * residual.step));
                }
                out.memory.set(JAVA_FLOAT_UNALIGNED, 4 * (out.rows.at(row + r) + j * out.step), v);
            }
        }
    }
}
