package dev.palimpsest.kernels.x86;

import static dev.palimpsest.kernels.x86.Gpr.R10;
import static dev.palimpsest.kernels.x86.Gpr.R11;
import static dev.palimpsest.kernels.x86.Gpr.R8;
import static dev.palimpsest.kernels.x86.Gpr.R9;
import static dev.palimpsest.kernels.x86.Gpr.RAX;
import static dev.palimpsest.kernels.x86.Gpr.RCX;
import static dev.palimpsest.kernels.x86.Gpr.RDI;
import static dev.palimpsest.kernels.x86.Gpr.RSI;
import static dev.palimpsest.kernels.x86.Operand.Memory.at;
import static dev.palimpsest.kernels.x86.Operand.Vec.zmm;

import dev.palimpsest.kernels.x86.Assembler.Condition;
import dev.palimpsest.kernels.x86.Operand.Vec;

/// Writes the micro-kernels of attention: scores, weights, weighted sums; each for several tiles of queries behind
/// each other.
///
/// A unit is 32 bits along the inner dimension of a product: one f32, or two bf16 that one instruction multiplies and
/// adds. Scores and weights of a tile lie in chunks of 16 units: chunk after chunk, in each of them row after row 64
/// bytes, so that everything a loop touches lies at small constant distances.
final class AttentionGenerator {
    /// Queries of a tile. With 4 vectors of keys or values it makes 24 sums that fill the registers together with the
    /// vectors of the panel and some broadcast units.
    static final int ROWS = 6;

    /// Vectors of a panel at most.
    static final int VECTORS = 4;

    /// Bytes of a chunk of all rows.
    static final int CHUNK = 64 * ROWS;

    // the state of a tile, in bytes
    /// The largest scores, f32.
    static final int MAX = 0;
    /// What makes earlier sums relative to the new largest scores, f32.
    static final int FACTOR = 64;
    /// For every row 16 sums of weights, f32.
    static final int SUMS = 128;
    /// Bytes of the state.
    static final int STATE = SUMS + 64 * ROWS;

    // arguments, in bytes from the start of the block
    /// Scores: address of the packed queries. Weights: of the scores. Sums: of the weights.
    static final int LEFT = 0;
    /// Distance of tiles there in bytes.
    static final int LEFT_STRIDE = 8;
    /// Scores: address of a panel of keys. Sums: of a panel of values.
    static final int PANEL = 16;
    /// Address of the scores, weights or sums that are written.
    static final int TO = 24;
    /// Distance of tiles there in bytes.
    static final int TO_STRIDE = 32;
    /// Number of tiles, at least 1.
    static final int TILES = 40;
    /// Scores: the factor of all scores, f32. Others: number of chunks, at least 1; of scores for the weights.
    static final int FACTOR_OR_CHUNKS = 48;
    /// Address of the states, which lie behind each other.
    static final int STATES = 56;

    private static final float LOG2_E = (float) 1.4426950408889634;
    private static final float LN_2 = (float) 0.6931471805599453;

    /// `e^-128` is less than half the smallest number, so a score of negative infinity has a weight of 0.
    private static final float LOWEST = -128;

    /// `e^r = 1 + r (1 + r p(r))` on [-ln2/2, ln2/2], p by the Remez exchange; highest power first.
    private static final float[] EXP = {0.0013814539f, 0.008368745f, 0.04166839f, 0.16666521f, 0.49999994f, 1, 1};

    private final Assembler a = new Assembler();

    /// One program.
    sealed interface Piece {
        /// Scores of a panel of keys, times a factor.
        ///
        /// @param pairs whether units are pairs of bf16
        /// @param units length of the queries and keys
        /// @param vectors width of the panel
        record Scores(boolean pairs, int units, int vectors) implements Piece {}

        /// Turns scores into weights and updates the state.
        ///
        /// @param pairs whether weights become bf16
        record Weights(boolean pairs) implements Piece {}

        /// Makes sums relative to the new largest scores and adds weighted values of a panel.
        ///
        /// @param pairs whether units are pairs of bf16
        /// @param vectors width of the panel
        record Sums(boolean pairs, int vectors) implements Piece {}
    }

    /// The program of a piece.
    static byte[] generate(Piece piece) {
        AttentionGenerator g = new AttentionGenerator();
        switch (piece) {
            case Piece.Scores s -> g.scores(s);
            case Piece.Weights w -> g.weights(w.pairs);
            case Piece.Sums s -> g.sums(s);
        }
        g.a.vzeroupper();
        g.a.ret();
        return g.a.toBytes();
    }

    /// Bytes of a packed query: its units in whole chunks.
    static int queryStride(int units) {
        return Math.ceilDiv(units, 16) * 64;
    }

    // ---- products: the tile is in the registers from 0 on, then the panel's vectors, then three for broadcast units

    private static Vec sum(int row, int vector) {
        return zmm(row * VECTORS + vector);
    }

    private static Vec right(int vector) {
        return zmm(ROWS * VECTORS + vector);
    }

    private static Vec left(int row) {
        return zmm(ROWS * VECTORS + VECTORS + row % 3);
    }

    /// Loops over the tiles; `rsi` and `rcx` advance with them.
    private void forEachTile(Runnable body) {
        a.mov(RSI, at(RDI, LEFT));
        a.mov(RCX, at(RDI, TO));
        a.mov(R8, at(RDI, TILES));
        Label next = new Label();
        a.bind(next);
        body.run();
        a.add(RSI, at(RDI, LEFT_STRIDE));
        a.add(RCX, at(RDI, TO_STRIDE));
        a.dec(R8);
        a.j(Condition.NE, next);
    }

    /// Multiplies some units: of the left side at `rax`, where rows have a constant distance, and of the panel at
    /// `r10`.
    private void multiply(boolean pairs, int units, int rowStride, int vectors) {
        for (int k = 0; k < units; k++) {
            for (int v = 0; v < vectors; v++) {
                a.vmovups(right(v), at(R10, (k * vectors + v) * 64));
            }
            for (int r = 0; r < ROWS; r++) {
                a.vbroadcastss(left(r), at(RAX, r * rowStride + k * 4));
                for (int v = 0; v < vectors; v++) {
                    if (pairs) {
                        a.vdpbf16ps(sum(r, v), left(r), right(v));
                    } else {
                        a.vfmadd231ps(sum(r, v), left(r), right(v));
                    }
                }
            }
        }
    }

    private void scores(Piece.Scores s) {
        int rowStride = queryStride(s.units);
        Vec factor = zmm(31);
        a.vbroadcastss(factor, at(RDI, FACTOR_OR_CHUNKS));
        forEachTile(() -> {
            for (int r = 0; r < ROWS; r++) {
                for (int v = 0; v < s.vectors; v++) {
                    a.vpxord(sum(r, v), sum(r, v), sum(r, v));
                }
            }
            a.mov(RAX, RSI);
            a.mov(R10, at(RDI, PANEL));
            if (s.units >= 16) {
                a.mov(R11, s.units / 16);
                Label chunk = new Label();
                a.bind(chunk);
                multiply(s.pairs, 16, rowStride, s.vectors);
                a.add(RAX, 64);
                a.add(R10, 16 * s.vectors * 64);
                a.dec(R11);
                a.j(Condition.NE, chunk);
            }
            multiply(s.pairs, s.units % 16, rowStride, s.vectors);
            for (int v = 0; v < s.vectors; v++) {
                for (int r = 0; r < ROWS; r++) {
                    a.vmulps(sum(r, v), sum(r, v), factor);
                    a.vmovups(at(RCX, v * CHUNK + r * 64), sum(r, v));
                }
            }
        });
    }

    private void sums(Piece.Sums s) {
        a.mov(R9, at(RDI, STATES));
        forEachTile(() -> {
            for (int r = 0; r < ROWS; r++) {
                a.vbroadcastss(left(r), at(R9, FACTOR + r * 4));
                for (int v = 0; v < s.vectors; v++) {
                    a.vmulps(sum(r, v), left(r), at(RCX, (r * s.vectors + v) * 64));
                }
            }
            a.mov(RAX, RSI);
            a.mov(R10, at(RDI, PANEL));
            a.mov(R11, at(RDI, FACTOR_OR_CHUNKS));
            Label chunk = new Label();
            a.bind(chunk);
            multiply(s.pairs, 16, 64, s.vectors);
            a.add(RAX, CHUNK);
            a.add(R10, 16 * s.vectors * 64);
            a.dec(R11);
            a.j(Condition.NE, chunk);
            for (int r = 0; r < ROWS; r++) {
                for (int v = 0; v < s.vectors; v++) {
                    a.vmovups(at(RCX, (r * s.vectors + v) * 64), sum(r, v));
                }
            }
            a.add(R9, STATE);
        });
    }

    // ---- weights

    private static final int FIRST_CONSTANT = 12;
    private static final Vec LIMIT = zmm(FIRST_CONSTANT);
    private static final Vec TO_BINARY = zmm(FIRST_CONSTANT + 1);
    private static final Vec FROM_BINARY = zmm(FIRST_CONSTANT + 2);
    private static final int POLYNOMIAL = FIRST_CONSTANT + 3;

    /// Registers from here on are for passing results.
    private static final int FREE = POLYNOMIAL + EXP.length - 1; // the last two coefficients are the same

    /// Rows have their largest score in the registers from 0 on, their sum of weights in those from 6 on.
    private void weights(boolean pairs) {
        a.vbroadcastss(LIMIT, a.constant(LOWEST));
        a.vbroadcastss(TO_BINARY, a.constant(LOG2_E));
        a.vbroadcastss(FROM_BINARY, a.constant(LN_2));
        for (int i = 0; i < EXP.length - 1; i++) {
            a.vbroadcastss(zmm(POLYNOMIAL + i), a.constant(EXP[i]));
        }
        a.mov(R9, at(RDI, STATES));
        forEachTile(() -> {
            largest();
            for (int r = 0; r < ROWS; r++) {
                a.vpxord(zmm(ROWS + r), zmm(ROWS + r), zmm(ROWS + r));
            }
            a.mov(RAX, RSI);
            a.mov(R10, RCX);
            a.mov(R11, at(RDI, FACTOR_OR_CHUNKS));
            Label chunk = new Label();
            if (pairs) {
                a.shr(R11, 1);
            }
            a.bind(chunk);
            for (int r = 0; r < ROWS; r++) {
                Vec low = weight(r, r * 64, FREE + 4 * (r % 2));
                if (pairs) {
                    Vec high = weight(r, CHUNK + r * 64, FREE + 4 * (r % 2) + 2);
                    a.vcvtne2ps2bf16(low, high, low);
                }
                a.vmovups(at(R10, r * 64), low);
            }
            a.add(RAX, pairs ? 2 * CHUNK : CHUNK);
            a.add(R10, CHUNK);
            a.dec(R11);
            a.j(Condition.NE, chunk);
            for (int r = 0; r < ROWS; r++) {
                Vec factor = zmm(FREE + r);
                a.vbroadcastss(factor, at(R9, FACTOR + r * 4));
                a.vfmadd231ps(zmm(ROWS + r), factor, at(R9, SUMS + r * 64));
                a.vmovups(at(R9, SUMS + r * 64), zmm(ROWS + r));
            }
            a.add(R9, STATE);
        });
    }

    /// Finds the largest scores, leaves them in the registers from 0 on, in the state, and what they change there. A
    /// score that is no number is not the largest, because the maximum takes its second operand then.
    private void largest() {
        for (int r = 0; r < ROWS; r++) {
            a.vbroadcastss(zmm(r), at(R9, MAX + r * 4));
        }
        a.vmovups(zmm(FREE), at(R9, MAX)); // as they were
        a.mov(RAX, RSI);
        a.mov(R11, at(RDI, FACTOR_OR_CHUNKS));
        Label chunk = new Label();
        a.bind(chunk);
        for (int r = 0; r < ROWS; r++) {
            a.vmovups(zmm(FREE + 1 + r), at(RAX, r * 64));
            a.vmaxps(zmm(r), zmm(FREE + 1 + r), zmm(r));
        }
        a.add(RAX, CHUNK);
        a.dec(R11);
        a.j(Condition.NE, chunk);
        int[] halves = {0x4E, 0xB1};
        for (int step = 0; step < 4; step++) {
            for (int r = 0; r < ROWS; r++) {
                Vec x = zmm(r);
                Vec other = zmm(FREE + 1 + r);
                if (step < 2) {
                    a.vshuff32x4(other, x, x, halves[step]);
                } else {
                    a.vshufps(other, x, x, halves[step - 2]);
                }
                a.vmaxps(x, other, x);
            }
        }
        for (int r = 0; r < ROWS; r++) {
            a.vmovss(at(R9, MAX + r * 4), zmm(r).as(128));
        }
        // nothing seen yet: any finite number makes the weights 0
        Vec lowest = zmm(FREE + 1);
        a.vbroadcastss(lowest, a.constant(-Float.MAX_VALUE));
        for (int r = 0; r < ROWS; r++) {
            a.vmaxps(zmm(r), lowest, zmm(r));
        }
        Vec x = zmm(FREE);
        a.vmaxps(lowest, lowest, at(R9, MAX));
        a.vsubps(x, x, lowest);
        exponential(x, zmm(FREE + 1), zmm(FREE + 2));
        a.vmovups(at(R9, FACTOR), zmm(FREE + 2));
    }

    /// The weights of a chunk of a row, added to the row's sum; in register `free + 1`.
    private Vec weight(int row, int displacement, int free) {
        Vec x = zmm(free);
        Vec result = zmm(free + 1);
        a.vmovups(x, at(RAX, displacement));
        a.vsubps(x, x, zmm(row));
        Vec n = zmm(31);
        exponential(x, n, result);
        a.vaddps(zmm(ROWS + row), zmm(ROWS + row), result);
        return result;
    }

    /// `result = e^x` for x up to 0 as `2^n e^r` with a whole number n and |r| up to ln2/2 (Cody & Waite 1980); `x`
    /// and `n` are lost.
    private void exponential(Vec x, Vec n, Vec result) {
        a.vmaxps(x, LIMIT, x);
        a.vmulps(n, x, TO_BINARY);
        a.vrndscaleps(n, n, 0);
        a.vfnmadd231ps(x, n, FROM_BINARY);
        a.vmovups(result, zmm(POLYNOMIAL));
        for (int i = 1; i < EXP.length; i++) {
            a.vfmadd213ps(result, x, zmm(POLYNOMIAL + Math.min(i, EXP.length - 2)));
        }
        a.vscalefps(result, result, n);
    }
}
