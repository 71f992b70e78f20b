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

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.x86.Assembler.Condition;
import dev.palimpsest.kernels.x86.Operand.Memory;
import dev.palimpsest.kernels.x86.Operand.Vec;

/// Writes the programs that bring operands into the form that micro-kernels read: rows converted to another element
/// type, rows of weights transposed into panels.
final class LayoutGenerator {
    // arguments, in bytes from the start of the block
    /// Address of the source.
    static final int FROM = 0;
    /// Distance of its rows in bytes.
    static final int FROM_STRIDE = 8;
    /// Address of the destination.
    static final int TO = 16;
    /// Distance of its rows in bytes.
    static final int TO_STRIDE = 24;
    /// Number of rows, at least 1.
    static final int ROWS = 32;
    /// Whole vectors of a row.
    static final int BLOCKS = 40;
    /// Mask of the elements (transposing: bytes) that a row has beyond them; 0 for none.
    static final int TAIL = 48;
    /// Transposing: units that the tail has, the last of them not necessarily whole.
    static final int TAIL_UNITS = 56;
    /// Quantising: the factor of all elements, f32.
    static final int INVERSE = 64;
    /// Quantising: what is added to all integers, 32 bits.
    static final int ZERO = 72;

    private static final int MASK = 1; // mask register

    /// Registers from which on elements are loaded.
    private static final int FIRST_ELEMENTS = 20;

    /// Vectors that are searched at a time, so that each result waits for every fourth one only.
    private static final int CHAINS = 4;

    private final Assembler a = new Assembler();

    /// One program.
    sealed interface Layout {
        /// Converts rows; whole vectors are written, with zeros behind the last element.
        ///
        /// @param from f32, bf16 or f16
        /// @param to f32, bf16, u8 or i8; the last two multiply, round to nearest even, add and clamp
        record Convert(DType from, DType to) implements Layout {}

        /// Finds the least element of a row and 0, the greatest and 0, and 0 or NaN if one is not finite: three
        /// vectors of four, which remain to be combined.
        ///
        /// @param from f32, bf16 or f16
        record Range(DType from) implements Layout {}

        /// Transposes 16 rows of 32-bit units: 16 units of each row become 16 rows of 16 units.
        ///
        /// @param rows how many exist, 1 to 16; zeros stand for the others
        record Transpose(int rows) implements Layout {}

        /// Joins the 16-bit elements of two rows in pairs, for pairs of rows below each other. `ROWS` counts pairs,
        /// `BLOCKS` is not used, the last pair has only its first row if `TAIL_UNITS` is 1.
        ///
        /// @param vectors of 16 elements, the last of which has those that `TAIL` says
        record Interleave(int vectors) implements Layout {}
    }

    /// The program of a layout.
    static byte[] generate(Layout layout) {
        LayoutGenerator g = new LayoutGenerator();
        switch (layout) {
            case Layout.Convert c -> g.convert(c.from, c.to);
            case Layout.Range r -> g.range(r.from);
            case Layout.Transpose t -> g.transpose(t.rows);
            case Layout.Interleave i -> g.interleave(i.vectors);
        }
        g.a.vzeroupper();
        g.a.ret();
        return g.a.toBytes();
    }

    // ---- rows

    private void convert(DType from, DType to) {
        a.mov(R8, at(RDI, FROM));
        a.mov(R9, at(RDI, TO));
        a.mov(R10, at(RDI, ROWS));
        a.mov(RAX, at(RDI, FROM_STRIDE));
        a.mov(R11, at(RDI, TAIL));
        a.kmovw(MASK, R11);
        if (to == DType.U8 || to == DType.I8) {
            a.vbroadcastss(zmm(16), at(RDI, INVERSE));
            a.vpbroadcastd(zmm(17), at(RDI, ZERO));
            a.vpxord(zmm(18), zmm(18), zmm(18));
        }
        Label row = new Label();
        a.bind(row);
        a.mov(RSI, R8);
        a.mov(RDX, R9);
        forEachVector(from, 1, (x, chain) -> {
            a.prefetcht1(at(RSI, RAX, 1, 0)); // the next row: reading takes longer than computing
            store(x, to);
            a.add(RDX, 16 * to.bytes());
        });
        a.add(R8, at(RDI, FROM_STRIDE));
        a.add(R9, at(RDI, TO_STRIDE));
        a.dec(R10);
        a.j(Condition.NE, row);
    }

    private void range(DType from) {
        a.mov(RSI, at(RDI, FROM));
        a.mov(RDX, at(RDI, TO));
        a.mov(R11, at(RDI, TAIL));
        a.kmovw(MASK, R11);
        Vec zero = zmm(0);
        for (int i = 0; i <= 3 * CHAINS; i++) {
            a.vpxord(zmm(i), zmm(i), zmm(i));
        }
        forEachVector(from, CHAINS, (x, chain) -> {
            a.vminps(least(chain), x, least(chain));
            a.vmaxps(greatest(chain), x, greatest(chain));
            a.vfmadd231ps(poison(chain), x, zero); // 0 * x is 0 unless x is infinite or NaN
        });
        for (int half = CHAINS / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                a.vminps(least(i), least(i), least(half + i));
                a.vmaxps(greatest(i), greatest(i), greatest(half + i));
                a.vaddps(poison(i), poison(i), poison(half + i));
            }
        }
        fold(least(0), at(RDX), a::vminps);
        fold(greatest(0), at(RDX, 16), a::vmaxps);
        fold(poison(0), at(RDX, 32), a::vaddps);
    }

    private static Vec least(int chain) {
        return zmm(1 + 3 * chain);
    }

    private static Vec greatest(int chain) {
        return zmm(2 + 3 * chain);
    }

    private static Vec poison(int chain) {
        return zmm(3 + 3 * chain);
    }

    private interface Combination {
        void of(Vec d, Vec a, Operand b);
    }

    /// Combines the four quarters of a register and stores what becomes of them.
    private void fold(Vec v, Memory to, Combination combination) {
        Vec other = zmm(3 * CHAINS + 1);
        a.vextractf64x4(other.as(256), v, 1);
        combination.of(v.as(256), v.as(256), other.as(256));
        a.vextractf128(other.as(128), v.as(256), 1);
        combination.of(v.as(128), v.as(128), other.as(128));
        a.vmovups(to, v.as(128));
    }

    private interface Body {
        /// @param chain counts up to the number of vectors at a time
        void accept(Vec x, int chain);
    }

    /// A loop over the vectors of the row at `rsi`, some at a time, then one at a time, then the tail with zeros
    /// behind it.
    private void forEachVector(DType from, int atATime, Body body) {
        Label several = new Label();
        Label few = new Label();
        Label next = new Label();
        Label tail = new Label();
        Label end = new Label();
        a.mov(RCX, at(RDI, BLOCKS));
        if (atATime > 1) {
            a.sub(RCX, atATime);
            a.j(Condition.L, few);
            a.bind(several);
            for (int i = 0; i < atATime; i++) {
                Vec x = zmm(FIRST_ELEMENTS + i);
                load(x, from, 16 * from.bytes() * i);
                body.accept(x, i);
            }
            a.add(RSI, 16 * from.bytes() * atATime);
            a.sub(RCX, atATime);
            a.j(Condition.GE, several);
            a.bind(few);
            a.add(RCX, atATime);
        }
        Vec x = zmm(FIRST_ELEMENTS);
        a.test(RCX, RCX);
        a.j(Condition.E, tail);
        a.bind(next);
        load(x, from, 0);
        body.accept(x, 0);
        a.add(RSI, 16 * from.bytes());
        a.dec(RCX);
        a.j(Condition.NE, next);
        a.bind(tail);
        a.test(R11, R11);
        a.j(Condition.E, end);
        load(x.zeroed(MASK), from, 0);
        body.accept(x, 0);
        a.bind(end);
    }

    private void load(Vec to, DType type, int bytes) {
        switch (type) {
            case F32 -> a.vmovups(to, at(RSI, bytes));
            case BF16 -> {
                a.vpmovzxwd(to, at(RSI, bytes));
                a.vpslld(zmm(to.number()), zmm(to.number()), 16);
            }
            case F16 -> a.vcvtph2ps(to, at(RSI, bytes));
            default -> throw new IllegalArgumentException("rows of " + type.label() + " cannot be converted");
        }
    }

    private void store(Vec x, DType type) {
        switch (type) {
            case F32 -> a.vmovups(at(RDX), x);
            case BF16 -> {
                a.vcvtneps2bf16(x.as(256), x);
                a.vmovups(at(RDX), x.as(256));
            }
            case U8 -> {
                quantize(x);
                a.vpmaxsd(x, x, zmm(18));
                a.vpmovusdb(at(RDX), x);
            }
            case I8 -> {
                quantize(x);
                a.vpmovsdb(at(RDX), x);
            }
            default -> throw new IllegalArgumentException("rows cannot be converted to " + type.label());
        }
    }

    private void quantize(Vec x) {
        a.vmulps(x, x, zmm(16));
        a.vcvtps2dq(x, x);
        a.vpaddd(x, x, zmm(17));
    }

    // ---- panels

    private void transpose(int rows) {
        a.mov(RSI, at(RDI, FROM));
        a.mov(R8, at(RDI, FROM_STRIDE));
        a.mov(RDX, at(RDI, TO));
        a.mov(R9, at(RDI, TO_STRIDE));
        a.mov(RCX, at(RDI, BLOCKS));
        Label next = new Label();
        Label tail = new Label();
        Label end = new Label();
        a.test(RCX, RCX);
        a.j(Condition.E, tail);
        a.bind(next);
        loadRows(rows, false);
        square();
        for (int i = 0; i < 16; i++) {
            a.vmovups(at(RDX), zmm(i));
            a.add(RDX, R9);
        }
        a.add(RSI, 64);
        a.dec(RCX);
        a.j(Condition.NE, next);
        a.bind(tail);
        a.mov(RCX, at(RDI, TAIL_UNITS));
        a.test(RCX, RCX);
        a.j(Condition.E, end);
        a.mov(RAX, at(RDI, TAIL));
        a.kmovq(MASK, RAX);
        loadRows(rows, true);
        square();
        for (int i = 0; i < 16; i++) {
            a.vmovups(at(RDX), zmm(i));
            a.add(RDX, R9);
            a.dec(RCX);
            a.j(Condition.E, end);
        }
        a.bind(end);
    }

    private void loadRows(int rows, boolean masked) {
        a.mov(RAX, RSI);
        for (int i = 0; i < 16; i++) {
            Vec row = zmm(i);
            if (i >= rows) {
                a.vpxord(row, row, row);
            } else if (masked) {
                a.vmovdqu8(row.zeroed(MASK), at(RAX));
            } else {
                a.vmovups(row, at(RAX));
            }
            if (i < rows - 1) {
                a.add(RAX, R8);
            }
        }
    }

    /// Transposes the 16 x 16 units in the registers 0 to 15, using 16 to 31: first the squares of 4 x 4 in every 128
    /// bits, then the squares as a whole.
    private void square() {
        for (int g = 0; g < 16; g += 4) {
            a.vpunpckldq(zmm(16 + g), zmm(g), zmm(g + 1));
            a.vpunpckhdq(zmm(17 + g), zmm(g), zmm(g + 1));
            a.vpunpckldq(zmm(18 + g), zmm(g + 2), zmm(g + 3));
            a.vpunpckhdq(zmm(19 + g), zmm(g + 2), zmm(g + 3));
            a.vpunpcklqdq(zmm(g), zmm(16 + g), zmm(18 + g));
            a.vpunpckhqdq(zmm(g + 1), zmm(16 + g), zmm(18 + g));
            a.vpunpcklqdq(zmm(g + 2), zmm(17 + g), zmm(19 + g));
            a.vpunpckhqdq(zmm(g + 3), zmm(17 + g), zmm(19 + g));
        }
        int even = 0x88; // parts 0 and 2 of both operands
        int odd = 0xDD; // parts 1 and 3
        for (int j = 0; j < 4; j++) {
            a.vshuff32x4(zmm(16 + j), zmm(j), zmm(4 + j), even);
            a.vshuff32x4(zmm(20 + j), zmm(j), zmm(4 + j), odd);
            a.vshuff32x4(zmm(24 + j), zmm(8 + j), zmm(12 + j), even);
            a.vshuff32x4(zmm(28 + j), zmm(8 + j), zmm(12 + j), odd);
        }
        for (int j = 0; j < 4; j++) {
            a.vshuff32x4(zmm(j), zmm(16 + j), zmm(24 + j), even);
            a.vshuff32x4(zmm(8 + j), zmm(16 + j), zmm(24 + j), odd);
            a.vshuff32x4(zmm(4 + j), zmm(20 + j), zmm(28 + j), even);
            a.vshuff32x4(zmm(12 + j), zmm(20 + j), zmm(28 + j), odd);
        }
    }

    private void interleave(int vectors) {
        a.mov(RSI, at(RDI, FROM));
        a.mov(R8, at(RDI, FROM_STRIDE));
        a.mov(RDX, at(RDI, TO));
        a.mov(RCX, at(RDI, ROWS));
        a.mov(R11, at(RDI, TAIL));
        a.kmovw(MASK, R11);
        Label next = new Label();
        Label last = new Label();
        Label end = new Label();
        a.mov(R9, at(RDI, TAIL_UNITS));
        a.sub(RCX, R9);
        a.test(RCX, RCX);
        a.j(Condition.E, last);
        a.bind(next);
        for (int j = 0; j < vectors; j++) {
            a.vpmovzxwd(edge(zmm(0), j, vectors), at(RSI, j * 32));
            Memory second = at(RSI, R8, 1, j * 32);
            a.vpmovzxwd(edge(zmm(1), j, vectors), second);
            a.vpslld(zmm(1), zmm(1), 16);
            a.vpord(zmm(0), zmm(0), zmm(1));
            a.vmovups(at(RDX, j * 64), zmm(0));
        }
        a.lea(RSI, at(RSI, R8, 2, 0));
        a.add(RDX, at(RDI, TO_STRIDE));
        a.dec(RCX);
        a.j(Condition.NE, next);
        a.bind(last);
        a.test(R9, R9);
        a.j(Condition.E, end);
        for (int j = 0; j < vectors; j++) {
            a.vpmovzxwd(edge(zmm(0), j, vectors), at(RSI, j * 32));
            a.vmovups(at(RDX, j * 64), zmm(0));
        }
        a.bind(end);
    }

    private static Vec edge(Vec register, int j, int vectors) {
        return j == vectors - 1 ? register.zeroed(MASK) : register;
    }
}
