package dev.palimpsest.kernels.x86;

import static dev.palimpsest.kernels.x86.Gpr.R10;
import static dev.palimpsest.kernels.x86.Gpr.R11;
import static dev.palimpsest.kernels.x86.Gpr.R8;
import static dev.palimpsest.kernels.x86.Gpr.R9;
import static dev.palimpsest.kernels.x86.Gpr.RAX;
import static dev.palimpsest.kernels.x86.Gpr.RCX;
import static dev.palimpsest.kernels.x86.Gpr.RDI;
import static dev.palimpsest.kernels.x86.Gpr.RDX;
import static dev.palimpsest.kernels.x86.Gpr.RSI;
import static dev.palimpsest.kernels.x86.Operand.Memory.at;
import static dev.palimpsest.kernels.x86.Operand.Vec.zmm;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.x86.Assembler.Condition;
import dev.palimpsest.kernels.x86.Operand.Memory;
import dev.palimpsest.kernels.x86.Operand.Vec;

/// Writes the programs that turn the sums of tiles into the output, `out = residual + gate * activation(sums + bias)`,
/// row by row while the sums are still in the first-level cache.
///
/// Keeping this out of the micro-kernels costs one store and one load for each sum, against as many steps as the inner
/// dimension is long; it keeps them free of edges and epilogues, of which there are many.
final class FinishGenerator {
    // arguments, in bytes from the start of the block
    /// Address of the sums, dense rows of whole vectors.
    static final int SUMS = 0;
    /// Address of the output.
    static final int OUT = 8;
    /// Distance of its rows in bytes.
    static final int OUT_STRIDE = 16;
    /// Number of rows, at least 1.
    static final int ROWS = 24;
    /// Mask of the columns that exist in the last vector.
    static final int MASK = 32;
    /// Address of the bias of the first column.
    static final int BIAS = 40;
    /// Address of the gate.
    static final int GATE = 48;
    /// Distance of its rows in bytes.
    static final int GATE_STRIDE = 56;
    /// Address of the residual.
    static final int RESIDUAL = 64;
    /// Distance of its rows in bytes.
    static final int RESIDUAL_STRIDE = 72;
    /// Address of the scales of the columns, whole vectors.
    static final int COLUMN_SCALES = 80;
    /// Address of the sums of the columns' weights, whole vectors of 32-bit integers.
    static final int COLUMN_SUMS = 88;
    /// Address of the scales of the rows.
    static final int ROW_SCALES = 96;
    /// Address of the zero points of the rows, 32-bit integers.
    static final int ROW_ZEROS = 104;

    /// How an operand of the epilogue goes along the columns.
    enum Along {
        /// There is none.
        ABSENT,
        /// One value for each column.
        COLUMNS,
        /// The same value for all columns of a row.
        CONSTANT
    }

    /// What the sums are.
    enum Sums {
        /// The product.
        F32,
        /// The product, but for the factor of each column.
        SCALED,
        /// Sums of products of quantised integers, see [dev.palimpsest.kernels.Quantization].
        QUANTIZED
    }

    /// One program.
    ///
    /// @param sums what it begins with
    /// @param vectors of 16 columns: 1 or 2
    /// @param bias whether there is one
    /// @param activation applied after the bias
    /// @param gate how it goes along the columns
    /// @param residual how it goes along the columns
    record Finish(Sums sums, int vectors, boolean bias, Activation activation, Along gate, Along residual) {}

    private static final int BIAS_REGISTERS = 8;
    private static final int SCALE_REGISTERS = 10;
    private static final int SUM_REGISTERS = 12;
    private static final Vec ROW_SCALE = zmm(14);
    private static final Vec ROW_ZERO = zmm(15);
    private static final int LAST = 1; // mask register

    private final Assembler a = new Assembler();
    private final Finish op;

    private FinishGenerator(Finish op) {
        this.op = op;
    }

    /// The program of an epilogue.
    static byte[] generate(Finish op) {
        return new FinishGenerator(op).program();
    }

    private byte[] program() {
        a.mov(RAX, at(RDI, MASK));
        a.kmovw(LAST, RAX);
        constants();
        a.mov(RSI, at(RDI, SUMS));
        a.mov(RDX, at(RDI, OUT));
        a.mov(RCX, at(RDI, ROWS));
        a.mov(RAX, at(RDI, GATE));
        a.mov(R8, at(RDI, RESIDUAL));
        a.mov(R9, at(RDI, ROW_SCALES));
        a.mov(R10, at(RDI, ROW_ZEROS));
        Label row = new Label();
        a.bind(row);
        if (op.sums == Sums.QUANTIZED) {
            a.vbroadcastss(ROW_SCALE, at(R9));
            a.vpbroadcastd(ROW_ZERO, at(R10));
            a.add(R9, 4);
            a.add(R10, 4);
        }
        for (int j = 0; j < op.vectors; j++) {
            vector(j);
        }
        a.add(RSI, op.vectors * 64);
        a.add(RDX, at(RDI, OUT_STRIDE));
        if (op.gate != Along.ABSENT) {
            a.add(RAX, at(RDI, GATE_STRIDE));
        }
        if (op.residual != Along.ABSENT) {
            a.add(R8, at(RDI, RESIDUAL_STRIDE));
        }
        a.dec(RCX);
        a.j(Condition.NE, row);
        a.vzeroupper();
        a.ret();
        return a.toBytes();
    }

    /// What is the same for all rows.
    private void constants() {
        for (int j = 0; j < op.vectors; j++) {
            if (op.bias) {
                a.mov(R11, at(RDI, BIAS));
                a.vmovups(edge(zmm(BIAS_REGISTERS + j), j), at(R11, j * 64));
            }
            if (op.sums != Sums.F32) {
                a.mov(R11, at(RDI, COLUMN_SCALES));
                a.vmovups(zmm(SCALE_REGISTERS + j), at(R11, j * 64));
            }
            if (op.sums == Sums.QUANTIZED) {
                a.mov(R11, at(RDI, COLUMN_SUMS));
                a.vmovups(zmm(SUM_REGISTERS + j), at(R11, j * 64));
            }
        }
        if (op.activation != Activation.NONE) {
            new Logistic(a).constants();
        }
    }

    /// A register to be loaded: of the last vector only the columns that exist.
    private Vec edge(Vec register, int vector) {
        return vector == op.vectors - 1 ? register.zeroed(LAST) : register;
    }

    private void vector(int j) {
        Vec x = zmm(0);
        Vec other = zmm(1);
        switch (op.sums) {
            case F32 -> a.vmovups(x, at(RSI, j * 64));
            case SCALED -> {
                a.vmovups(x, at(RSI, j * 64));
                a.vmulps(x, x, zmm(SCALE_REGISTERS + j));
            }
            case QUANTIZED -> {
                a.vpmulld(other, ROW_ZERO, zmm(SUM_REGISTERS + j));
                a.vmovups(x, at(RSI, j * 64));
                a.vpsubd(x, x, other);
                a.vcvtdq2ps(x, x);
                a.vmulps(x, x, zmm(SCALE_REGISTERS + j));
                a.vmulps(x, x, ROW_SCALE);
            }
        }
        if (op.bias) {
            a.vaddps(x, x, zmm(BIAS_REGISTERS + j));
        }
        switch (op.activation) {
            case NONE -> {}
            case SILU -> new Logistic(a).silu(x);
            case GELU_TANH -> new Logistic(a).geluTanh(x);
        }
        if (op.gate != Along.ABSENT) {
            load(other, RAX, op.gate, j);
            a.vmulps(x, x, other);
        }
        if (op.residual != Along.ABSENT) {
            load(other, R8, op.residual, j);
            a.vaddps(x, x, other);
        }
        Memory to = at(RDX, j * 64);
        a.vmovups(j == op.vectors - 1 ? to.masked(LAST) : to, x);
    }

    private void load(Vec to, Gpr row, Along along, int j) {
        if (along == Along.COLUMNS) {
            a.vmovups(edge(to, j), at(row, j * 64));
        } else {
            a.vbroadcastss(to, at(row));
        }
    }
}
