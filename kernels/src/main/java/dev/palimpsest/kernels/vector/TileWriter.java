package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/// Finishes tiles: adds the bias, applies the activation, the gate and the residual, and writes the rows and columns
/// that exist.
///
/// Micro-kernels never touch the output. Keeping the two apart keeps both small enough for the just-in-time compiler to
/// inline everything in them, and edges and epilogues are dealt with in one place.
final class TileWriter {
    private static final int LANES = Simd.LANES;

    /// Floats in a cache line.
    private static final int CACHE_LINE = 16;

    private final Operand out;
    private final float @Nullable [] bias;
    private final Activation activation;
    private final @Nullable Operand gate;
    private final @Nullable Operand residual;
    private final boolean dense;

    /// An array of the output's shape whose last axis runs over the columns.
    private record Operand(MemorySegment memory, RowMap rows, long step) {
        static Operand of(NdArray x) {
            return new Operand(x.memory(), RowMap.of(x), x.dim(-1) == 1 ? 1 : x.stride(-1));
        }
    }

    /// @param out the output, its last axis the columns
    /// @param epilogue with a gate and a residual whose axes are in the order of `out`, already stretched to its shape
    /// @param width columns of a full tile
    TileWriter(NdArray out, Epilogue epilogue, int width) {
        this.out = Operand.of(out);
        this.activation = epilogue.activation();
        this.gate = epilogue.gate() == null ? null : Operand.of(epilogue.gate());
        this.residual = epilogue.residual() == null ? null : Operand.of(epilogue.residual());
        this.bias = epilogue.bias() == null ? null : padded(epilogue.bias(), width);
        dense = this.out.step == 1 && (gate == null || gate.step == 1) && (residual == null || residual.step == 1);
    }

    private static float[] padded(NdArray bias, int width) {
        int n = bias.dim(0);
        float[] values = new float[Math.ceilDiv(n, width) * width];
        for (int i = 0; i < n; i++) {
            values[i] = bias.memory().get(JAVA_FLOAT_UNALIGNED, (bias.offset() + i * bias.stride(0)) * 4);
        }
        return values;
    }

    /// Where the rows of a task lie in the output, the gate and the residual.
    final class Rows {
        private final long[] outAt;
        private final long[] gateAt;
        private final long[] residualAt;

        private Rows(long[] outAt, long[] gateAt, long[] residualAt) {
            this.outAt = outAt;
            this.gateAt = gateAt;
            this.residualAt = residualAt;
        }

        /// Makes `count` rows of the output, from `first` on, the rows from `row` on of the task.
        Rows set(int row, long first, int count) {
            out.rows.fill(first, count, outAt, row);
            if (gate != null) {
                gate.rows.fill(first, count, gateAt, row);
            }
            if (residual != null) {
                residual.rows.fill(first, count, residualAt, row);
            }
            return this;
        }
    }

    /// Room for the places of `count` rows; valid until the workspace is asked for positions again.
    Rows rows(int count, Workspace workspace) {
        return new Rows(
                workspace.positions(0, count),
                workspace.positions(1, gate == null ? 0 : count),
                workspace.positions(2, residual == null ? 0 : count));
    }

    /// Finishes and writes one tile, whose contents are lost.
    ///
    /// @param tile sums, `width` a row, `width` a multiple of the vector length
    /// @param where the rows, of which those from `row` to `row + rows` are meant
    /// @param column first column of the output
    /// @param columns how many columns exist
    void write(float[] tile, int width, Rows where, int row, int rows, int column, int columns) {
        if (dense && gate == null && residual == null && activation == Activation.NONE && columns == width) {
            for (int r = 0; r < rows; r++) {
                writePlain(tile, r * width, where.outAt[row + r], column, columns);
            }
            return;
        }
        finish(tile, width, rows, column);
        if (dense) {
            for (int r = 0; r < rows; r++) {
                writeRow(tile, r * width, where, row + r, column, columns);
            }
        } else {
            writeElements(tile, width, where, row, rows, column, columns);
        }
    }

    /// Writes something to every cache line that a tile will be written to. Stores wait for their cache lines without
    /// holding up what follows, so that these are there when the tile is complete; all at once in the end, they would
    /// hold up the loads of the next tile.
    ///
    /// Does nothing where a residual might lie in the output.
    ///
    /// @param where the rows, of which those from `row` to `row + rows` are meant
    /// @param column first column of the output
    /// @param columns how many columns exist
    void announce(Rows where, int row, int rows, int column, int columns) {
        if (!dense || residual != null) {
            return;
        }
        for (int r = 0; r < rows; r++) {
            long at = (where.outAt[row + r] + column) * 4;
            for (int j = 0; j < columns; j += CACHE_LINE) {
                out.memory.set(JAVA_FLOAT_UNALIGNED, at + j * 4L, 0f);
            }
        }
    }

    /// One row of whole vectors with nothing but a bias to be added.
    private void writePlain(float[] tile, int from, long row, int column, int columns) {
        long at = (row + column) * 4;
        for (int j = 0; j < columns; j += LANES) {
            FloatVector v = FloatVector.fromArray(Simd.FLOATS, tile, from + j);
            if (bias != null) {
                v = v.add(FloatVector.fromArray(Simd.FLOATS, bias, column + j));
            }
            Simd.store(v, out.memory, at + j * 4L);
        }
    }

    /// Bias and activation, in place.
    private void finish(float[] tile, int width, int rows, int column) {
        if (bias != null) {
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < width; j += LANES) {
                    FloatVector.fromArray(Simd.FLOATS, tile, r * width + j)
                            .add(FloatVector.fromArray(Simd.FLOATS, bias, column + j))
                            .intoArray(tile, r * width + j);
                }
            }
        }
        switch (activation) {
            case NONE -> {}
            case SILU -> {
                for (int i = 0; i < rows * width; i += LANES) {
                    VectorMath.silu(FloatVector.fromArray(Simd.FLOATS, tile, i)).intoArray(tile, i);
                }
            }
            case GELU_TANH -> {
                for (int i = 0; i < rows * width; i += LANES) {
                    VectorMath.geluTanh(FloatVector.fromArray(Simd.FLOATS, tile, i))
                            .intoArray(tile, i);
                }
            }
        }
    }

    /// One row whose columns lie densely everywhere.
    private void writeRow(float[] tile, int from, Rows where, int row, int column, int columns) {
        MemorySegment to = out.memory;
        long at = (where.outAt[row] + column) * 4;
        int full = columns / LANES * LANES;
        if (gate == null && residual == null) {
            for (int j = 0; j < full; j += LANES) {
                Simd.store(FloatVector.fromArray(Simd.FLOATS, tile, from + j), to, at + j * 4L);
            }
            for (int j = full; j < columns; j++) {
                to.set(JAVA_FLOAT_UNALIGNED, at + j * 4L, tile[from + j]);
            }
            return;
        }
        if (gate != null) {
            long g = (where.gateAt[row] + column) * 4;
            for (int j = 0; j < full; j += LANES) {
                FloatVector.fromArray(Simd.FLOATS, tile, from + j)
                        .mul(Simd.load(gate.memory, g + j * 4L))
                        .intoArray(tile, from + j);
            }
            for (int j = full; j < columns; j++) {
                tile[from + j] *= gate.memory.get(JAVA_FLOAT_UNALIGNED, g + j * 4L);
            }
        }
        long r = residual == null ? 0 : (where.residualAt[row] + column) * 4;
        for (int j = 0; j < full; j += LANES) {
            FloatVector v = FloatVector.fromArray(Simd.FLOATS, tile, from + j);
            if (residual != null) {
                v = v.add(Simd.load(residual.memory, r + j * 4L));
            }
            Simd.store(v, to, at + j * 4L);
        }
        for (int j = full; j < columns; j++) {
            float v = tile[from + j];
            if (residual != null) {
                v += residual.memory.get(JAVA_FLOAT_UNALIGNED, r + j * 4L);
            }
            to.set(JAVA_FLOAT_UNALIGNED, at + j * 4L, v);
        }
    }

    /// Any strides. Columns are the outer loop: where they are not dense, neighbouring rows usually are.
    private void writeElements(float[] tile, int width, Rows where, int row, int rows, int column, int columns) {
        for (int j = 0; j < columns; j++) {
            long c = (long) column + j;
            for (int r = 0; r < rows; r++) {
                float v = tile[r * width + j];
                if (gate != null) {
                    v *= gate.memory.get(JAVA_FLOAT_UNALIGNED, (where.gateAt[row + r] + c * gate.step) * 4);
                }
                if (residual != null) {
                    v += residual.memory.get(JAVA_FLOAT_UNALIGNED, (where.residualAt[row + r] + c * residual.step) * 4);
                }
                out.memory.set(JAVA_FLOAT_UNALIGNED, (where.outAt[row + r] + c * out.step) * 4, v);
            }
        }
    }
}
