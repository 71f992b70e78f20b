package dev.palimpsest.kernels.x86;

import static dev.palimpsest.kernels.x86.Gpr.R10;
import static dev.palimpsest.kernels.x86.Gpr.R11;
import static dev.palimpsest.kernels.x86.Gpr.R12;
import static dev.palimpsest.kernels.x86.Gpr.R13;
import static dev.palimpsest.kernels.x86.Gpr.R14;
import static dev.palimpsest.kernels.x86.Gpr.R15;
import static dev.palimpsest.kernels.x86.Gpr.R8;
import static dev.palimpsest.kernels.x86.Gpr.R9;
import static dev.palimpsest.kernels.x86.Gpr.RAX;
import static dev.palimpsest.kernels.x86.Gpr.RBP;
import static dev.palimpsest.kernels.x86.Gpr.RBX;
import static dev.palimpsest.kernels.x86.Gpr.RCX;
import static dev.palimpsest.kernels.x86.Gpr.RDI;
import static dev.palimpsest.kernels.x86.Gpr.RDX;
import static dev.palimpsest.kernels.x86.Gpr.RSI;
import static dev.palimpsest.kernels.x86.Operand.Memory.at;
import static dev.palimpsest.kernels.x86.Operand.Vec.zmm;

import dev.palimpsest.kernels.x86.Assembler.Condition;
import dev.palimpsest.kernels.x86.Operand.Memory;
import dev.palimpsest.kernels.x86.Operand.Vec;
import java.util.function.Consumer;

/// Writes the micro-kernels of the matrix product: `sums (+)= rows * panel` for some tiles below each other.
///
/// The sums of a tile, at most 14 rows of 32 columns, stay in registers for the whole inner dimension. Every step
/// loads one row of the panel (two registers), then broadcasts one unit of activations after the other and multiplies
/// it with both. So a step of 14 rows has 28 multiplications for 16 loads: with two of each a cycle the
/// multiplications decide, and at four cycles of latency 28 independent sums are three times as many as needed.
/// (Multiplying with a broadcast from memory instead would load once for every multiplication, and the loads would
/// decide.)
///
/// Rows may lie anywhere at even distances, so activations need no packing; addresses are formed as `base`, `base +
/// stride`, `base + 2 stride` from a base register for every three rows.
final class TileGenerator {
    /// Columns of a vector.
    static final int LANES = 16;

    /// Vectors of a panel.
    static final int VECTORS = 2;

    /// Columns of a panel.
    static final int COLUMNS = VECTORS * LANES;

    // arguments, in bytes from the start of the block
    /// Address of the first row of activations.
    static final int ROWS = 0;
    /// Distance of rows in bytes.
    static final int ROW_STRIDE = 8;
    /// Address of the panel.
    static final int PANEL = 16;
    /// Whole units of the inner dimension.
    static final int UNITS = 24;
    /// Weights of a last unit that is not whole; only for types that widen.
    static final int TAIL = 32;
    /// Address of the sums: dense rows of as many columns as the panel has.
    static final int SUMS = 40;
    /// 0 to begin with zeros, 1 to add to the sums.
    static final int ADD = 48;
    /// Number of tiles, at least 1.
    static final int TILES = 56;
    /// Address of one factor for each column that what is added gets; this and the next two for scaled kernels only.
    static final int SCALES = 64;
    /// Distance in bytes of the factors of the next units.
    static final int SCALES_STRIDE = 80;
    /// How many times `UNITS` units follow each other, each with factors of their own.
    static final int GROUPS = 88;
    /// Distance in bytes of what is needed next of every row; only for rows that fetch it.
    static final int AHEAD = 80;
    /// Address of what is needed next, to be brought into the cache meanwhile. Patches leave the address there that
    /// they have come to.
    static final int NEXT = 72;
    /// Number of stretches, at least 1; this and the next one for patches only.
    static final int STRETCHES = 80;
    /// Address of their offsets in bytes, 64 bits each: a row begins so far behind its address for each stretch.
    static final int OFFSETS = 88;
    /// Address of where the sums go in the end, 0 to leave them at `SUMS`.
    static final int OUT = 96;
    /// Distance of its rows in bytes.
    static final int OUT_STRIDE = 104;
    /// Address of what is added to them there, 0 for nothing.
    static final int RESIDUAL = 112;
    /// Distance of its rows in bytes.
    static final int RESIDUAL_STRIDE = 120;
    /// Address of what is added to the columns there, 0 for nothing.
    static final int BIAS = 128;
    /// How many bytes of what begins at `NEXT` are brought into the cache every four steps, at most [#FETCHED].
    static final int NEXT_STEP = 136;

    /// Address of the scales of the columns; this and the following for integers only.
    static final int COLUMN_SCALES = 144;
    /// Address of the sums of the columns' weights, 32-bit integers.
    static final int COLUMN_SUMS = 152;
    /// Address of the scales of the rows.
    static final int ROW_SCALES = 160;
    /// Address of the zero points of the rows, 32-bit integers.
    static final int ROW_ZEROS = 168;

    /// Independent sums that keep the multipliers busy: two multiplications a cycle, each of which takes four.
    private static final int ENOUGH = 8;

    /// Where the constants are that widen 8-bit weights by their bits, if there is room for them.
    private static final int BITS = 26;

    private static final Gpr[] BASES = {RAX, RBX, RBP, R12, R13};
    private static final int ROWS_OF_BASE = 3;

    /// How far ahead a panel is fetched that is used once only.
    private static final int STREAM_AHEAD = 8 * 1024;

    /// Steps of one pass through the loop.
    static final int STEPS = 4;

    /// Bytes that can be fetched every so many steps.
    static final int FETCHED = 192;

    private final Assembler a = new Assembler();
    private final Tile tile;
    private final int chains;
    private final int firstPanelRegister;
    private final int firstBroadcast;
    private final int broadcasts;
    private final boolean byBits;

    /// One kernel.
    ///
    /// @param type what is multiplied
    /// @param rows 1 to the type's largest number
    /// @param vectors of 16 columns: 1 or 2
    /// @param scaled whether what is added to the sums is first multiplied with the scale of its column
    /// @param prefetches lines of the panel at `NEXT` to be brought into the cache every four steps
    /// @param kind what the rows are
    record Tile(TileType type, int rows, int vectors, boolean scaled, int prefetches, Kind kind) {}

    /// What the rows of a tile are.
    enum Kind {
        /// A single stretch each.
        ROWS,
        /// A single stretch each; what lies `AHEAD` bytes further on is brought into the cache. Not scaled.
        ROWS_AND_NEXT,
        /// A single stretch each of so few rows that the panel comes from memory for them alone: it is fetched past
        /// the caches, from far enough ahead to cross into pages that the processor's own prefetching waits for.
        STREAM,
        /// A single stretch each, whose sums go to `OUT`; the places there are brought into the cache. Not scaled.
        ROWS_AND_OUT,
        /// Stretches, each `UNITS` long, that lie apart; a panel has them behind each other. Not scaled.
        PATCHES
    }

    private TileGenerator(Tile tile) {
        this.tile = tile;
        int sums = tile.rows * tile.vectors;
        // widening takes turns with multiplying, so that sums are not ready when they could be
        int enough = tile.type.widens() ? 2 * ENOUGH : ENOUGH;
        chains = sums >= enough ? 1 : sums >= enough / 2 ? 2 : 4;
        firstPanelRegister = chains * sums;
        firstBroadcast = firstPanelRegister + tile.vectors;
        // the last registers hold what widens weights
        byBits = tile.type == TileType.F32_I8 && firstBroadcast + 2 <= BITS;
        int end = byBits ? BITS : tile.type == TileType.F32_BF16 ? 31 : 32;
        broadcasts = Math.min(4, end - firstBroadcast);
    }

    /// The program of a kernel.
    static byte[] generate(Tile tile) {
        return new TileGenerator(tile).program();
    }

    private byte[] program() {
        Gpr[] saved = {RBX, RBP, R12, R13, R14, R15};
        for (Gpr r : saved) {
            a.push(r);
        }
        a.mov(R9, at(RDI, ROWS));
        a.mov(R10, at(RDI, ROW_STRIDE));
        a.mov(RDX, at(RDI, SUMS));
        boolean patches = tile.kind == Kind.PATCHES;
        // patches count tiles in memory: they need the register
        a.mov(R8, at(RDI, patches ? NEXT : TILES));
        a.mov(R14, at(RDI, NEXT));
        if (tile.kind == Kind.ROWS_AND_NEXT) {
            a.mov(R15, at(RDI, AHEAD));
        }
        if (tile.type == TileType.F32_BF16) {
            a.vpbroadcastd(zmm(31), a.constant(0xFFFF_0000));
        }
        if (byBits) {
            constant(0, 0x0000_00FF);
            constant(1, 0x0000_FF00);
            constant(2, 0x4B00_0080);
            constant(3, 0x4700_8000);
            constant(4, Float.floatToRawIntBits(0x1p23f + 128));
            constant(5, Float.floatToRawIntBits(0x1p15f + 128));
        }
        Label nextTile = new Label();
        a.bind(nextTile);
        a.mov(RSI, at(RDI, PANEL));
        if (tile.scaled) {
            formAddresses();
            groups();
        } else {
            begin();
            if (patches) {
                stretches();
            } else {
                if (tile.kind == Kind.ROWS_AND_OUT) {
                    fetch(OUT, OUT_STRIDE, a::prefetchw);
                    fetch(RESIDUAL, RESIDUAL_STRIDE, a::prefetcht0);
                }
                formAddresses();
                multiply();
            }
            joinChains();
            if (patches || tile.kind == Kind.ROWS_AND_OUT) {
                deliver();
            } else {
                forEachSum((sum, place) -> a.vmovups(place, sum));
            }
        }
        a.add(RDX, tile.rows * rowBytes());
        a.imul(R11, R10, tile.rows);
        a.add(R9, R11);
        if (patches) {
            a.mov(R11, at(RDI, TILES));
            a.dec(R11);
            a.mov(at(RDI, TILES), R11);
        } else {
            a.dec(R8);
        }
        a.j(Condition.NE, nextTile);
        if (patches) {
            a.mov(at(RDI, NEXT), R8);
        }
        for (int i = saved.length - 1; i >= 0; i--) {
            a.pop(saved[i]);
        }
        a.vzeroupper();
        a.ret();
        return a.toBytes();
    }

    private void constant(int index, int bits) {
        a.vpbroadcastd(zmm(BITS + index), a.constant(bits));
    }

    private int rowBytes() {
        return tile.vectors * 64;
    }

    private Vec sum(int row, int vector) {
        return sum(row, vector, 0);
    }

    private Vec sum(int row, int vector, int chain) {
        return zmm((chain * tile.rows + row) * tile.vectors + vector);
    }

    private Vec panelRegister(int vector) {
        return zmm(firstPanelRegister + vector);
    }

    /// All stretches of the rows, one after another.
    private void stretches() {
        a.mov(R14, at(RDI, OFFSETS));
        a.mov(R15, at(RDI, STRETCHES));
        Label nextStretch = new Label();
        a.bind(nextStretch);
        formAddresses();
        multiply();
        a.add(R14, 8);
        a.dec(R15);
        a.j(Condition.NE, nextStretch);
    }

    /// Brings the sums of a tile to where they go, and moves on to the next tile's places.
    private void deliver() {
        Label toOut = new Label();
        Label end = new Label();
        a.mov(R11, at(RDI, OUT));
        a.test(R11, R11);
        a.j(Condition.NE, toOut);
        forEachSum((sum, place) -> a.vmovups(place, sum));
        a.jmp(end);
        a.bind(toOut);
        if (tile.type == TileType.U8_I8) {
            dequantize();
        } else if (tile.type == TileType.F32_I8) {
            a.mov(R11, at(RDI, COLUMN_SCALES));
            forEachSum((sum, place) -> a.vmulps(sum, sum, at(R11, sum.number() % tile.vectors * 64)));
        }
        Label noBias = new Label();
        a.mov(R11, at(RDI, BIAS));
        a.test(R11, R11);
        a.j(Condition.E, noBias);
        for (int j = 0; j < tile.vectors; j++) {
            a.vmovups(panelRegister(j), at(R11, j * 64));
        }
        forEachSum((sum, place) -> a.vaddps(sum, sum, panelRegister(sum.number() % tile.vectors)));
        a.bind(noBias);
        Label noResidual = new Label();
        a.mov(R11, at(RDI, RESIDUAL));
        a.test(R11, R11);
        a.j(Condition.E, noResidual);
        forEachRow(RESIDUAL, RESIDUAL_STRIDE, (sum, place) -> a.vaddps(sum, sum, place));
        a.bind(noResidual);
        a.mov(R11, at(RDI, OUT));
        forEachRow(OUT, OUT_STRIDE, (sum, place) -> a.vmovups(place, sum));
        a.bind(end);
    }

    /// Makes numbers of sums of quantised integers, see [dev.palimpsest.kernels.Quantization].
    private void dequantize() {
        a.mov(RSI, at(RDI, COLUMN_SUMS));
        a.mov(RCX, at(RDI, COLUMN_SCALES));
        a.mov(RAX, at(RDI, ROW_ZEROS));
        a.mov(R11, at(RDI, ROW_SCALES));
        int free = 28; // behind the sums of the largest tile
        for (int j = 0; j < tile.vectors; j++) {
            a.vmovups(zmm(free + j), at(RSI, j * 64));
        }
        for (int i = 0; i < tile.rows; i++) {
            for (int j = 0; j < tile.vectors; j++) {
                Vec sum = sum(i, j);
                Vec product = zmm(free + 2 + j);
                a.vpmulld(product, zmm(free + j), at(RAX, 4 * i).toAll());
                a.vpsubd(sum, sum, product);
                a.vcvtdq2ps(sum, sum);
                a.vmulps(sum, sum, at(RCX, j * 64));
                a.vmulps(sum, sum, at(R11, 4 * i).toAll());
            }
        }
        a.add(RAX, 4 * tile.rows);
        a.add(R11, 4 * tile.rows);
        a.mov(at(RDI, ROW_ZEROS), RAX);
        a.mov(at(RDI, ROW_SCALES), R11);
    }

    /// Goes along the places of a tile in an array whose address is in `r11`.
    private void forEachRow(int address, int stride, ForSum action) {
        for (int i = 0; i < tile.rows; i++) {
            for (int j = 0; j < tile.vectors; j++) {
                action.accept(sum(i, j), at(R11, j * 64));
            }
            a.add(R11, at(RDI, stride));
        }
        a.mov(at(RDI, address), R11);
    }

    /// Fetches what a tile touches of an array in the end.
    private void fetch(int address, int stride, Consumer<Memory> prefetch) {
        Label end = new Label();
        a.mov(R11, at(RDI, address));
        a.test(R11, R11);
        a.j(Condition.E, end);
        for (int i = 0; i < tile.rows; i++) {
            for (int j = 0; j < tile.vectors; j++) {
                prefetch.accept(at(R11, j * 64));
            }
            a.add(R11, at(RDI, stride));
        }
        a.bind(end);
    }

    private void formAddresses() {
        a.mov(RAX, R9);
        if (tile.kind == Kind.PATCHES) {
            a.add(RAX, at(R14));
        }
        for (int i = 1; i < bases(); i++) {
            a.lea(BASES[i], at(BASES[i - 1], R10, 2, 0));
            a.add(BASES[i], R10);
        }
        a.mov(RCX, at(RDI, UNITS));
    }

    private int bases() {
        return Math.ceilDiv(tile.rows, ROWS_OF_BASE);
    }

    /// The activation of a row, some bytes behind the place that the loop has come to.
    private Memory activation(int row, int bytes) {
        Gpr base = BASES[row / ROWS_OF_BASE];
        int rest = row % ROWS_OF_BASE;
        return rest == 0 ? at(base, bytes) : at(base, R10, rest, bytes);
    }

    /// Zeros, or the sums so far.
    private void begin() {
        Label zero = new Label();
        Label begun = new Label();
        a.mov(R11, at(RDI, ADD));
        a.test(R11, R11);
        a.j(Condition.E, zero);
        forEachSum((sum, place) -> a.vmovups(sum, place));
        a.jmp(begun);
        a.bind(zero);
        forEachSum((sum, place) -> a.vpxord(sum, sum, sum));
        a.bind(begun);
        for (int i = tile.rows * tile.vectors; i < firstPanelRegister; i++) {
            a.vpxord(zmm(i), zmm(i), zmm(i));
        }
    }

    /// Every group begins with zeros; its sums are scaled when they are added to those in memory.
    private void groups() {
        Label add = new Label();
        Label nextGroup = new Label();
        a.mov(R11, at(RDI, ADD));
        a.test(R11, R11);
        a.j(Condition.NE, add);
        a.vpxord(zmm(0), zmm(0), zmm(0));
        forEachSum((sum, place) -> a.vmovups(place, zmm(0)));
        a.bind(add);
        a.mov(R11, at(RDI, GROUPS));
        a.mov(R15, at(RDI, SCALES));
        a.bind(nextGroup);
        a.mov(RCX, at(RDI, UNITS));
        for (int i = 0; i < firstPanelRegister; i++) {
            a.vpxord(zmm(i), zmm(i), zmm(i));
        }
        multiply();
        joinChains();
        for (int j = 0; j < tile.vectors; j++) {
            a.vmovups(panelRegister(j), at(R15, j * 64));
        }
        forEachSum((sum, place) -> {
            // sum * scale + what is there
            a.vfmadd213ps(sum, panelRegister(sum.number() % tile.vectors), place);
            a.vmovups(place, sum);
        });
        a.add(R15, at(RDI, SCALES_STRIDE));
        a.dec(R11);
        a.j(Condition.NE, nextGroup);
    }

    /// Adds up the chains of every sum.
    private void joinChains() {
        int sums = tile.rows * tile.vectors;
        for (int half = chains / 2; half > 0; half /= 2) {
            for (int i = 0; i < half * sums; i++) {
                Vec other = zmm(half * sums + i);
                if (tile.type == TileType.U8_I8) {
                    a.vpaddd(zmm(i), zmm(i), other);
                } else {
                    a.vaddps(zmm(i), zmm(i), other);
                }
            }
        }
    }

    private interface ForSum {
        void accept(Vec sum, Memory place);
    }

    private void forEachSum(ForSum action) {
        for (int i = 0; i < tile.rows; i++) {
            for (int j = 0; j < tile.vectors; j++) {
                action.accept(sum(i, j), at(RDX, i * rowBytes() + j * 64));
            }
        }
    }

    // ---- the loop over the inner dimension

    private void multiply() {
        int unroll = STEPS / (tile.type.widens() ? tile.type.weights() : 1);
        Label main = new Label();
        Label rest = new Label();
        Label single = new Label();
        Label end = new Label();
        if (unroll > 1) {
            a.sub(RCX, unroll);
            a.j(Condition.L, rest);
            a.align(64);
            a.bind(main);
            units(unroll);
            a.sub(RCX, unroll);
            a.j(Condition.GE, main);
            a.bind(rest);
            a.add(RCX, unroll);
        }
        a.test(RCX, RCX);
        a.j(Condition.E, end);
        a.bind(single);
        units(1);
        a.dec(RCX);
        a.j(Condition.NE, single);
        a.bind(end);
        if (tile.type.widens()) {
            partOfUnit();
        }
    }

    /// Some units, and on to the next ones.
    private void units(int count) {
        int elements = tile.type.widens() ? tile.type.weights() : 1;
        for (int u = 0; u < count; u++) {
            for (int j = 0; tile.kind == Kind.STREAM && j < tile.vectors; j++) {
                a.prefetchnta(at(RSI, u * rowBytes() + j * 64 + STREAM_AHEAD));
            }
            for (int e = 0; e < elements; e++) {
                step(u * rowBytes(), e, 4 * (u * elements + e), (u * elements + e) % chains);
            }
        }
        if (count * elements == STEPS && tile.prefetches > 0) {
            for (int i = 0; i < tile.prefetches; i++) {
                a.prefetcht1(at(R14, 64 * i));
            }
            a.add(R14, 64 * tile.prefetches);
        }
        if (count * elements == STEPS && tile.kind == Kind.PATCHES) {
            for (int i = 0; i < FETCHED; i += 64) {
                a.prefetcht1(at(R8, i));
            }
            a.add(R8, at(RDI, NEXT_STEP));
        }
        if (count * elements == STEPS && tile.kind == Kind.ROWS_AND_NEXT) {
            for (int i = 0; i < tile.rows; i++) {
                if (i % ROWS_OF_BASE == 0) {
                    a.lea(R11, at(BASES[i / ROWS_OF_BASE], R15, 1, 0));
                }
                a.prefetcht1(i % ROWS_OF_BASE == 0 ? at(R11) : at(R11, R10, i % ROWS_OF_BASE, 0));
            }
        }
        a.add(RSI, count * rowBytes());
        for (int i = 0; i < bases(); i++) {
            a.add(BASES[i], 4 * count * elements);
        }
    }

    /// The weights of a last unit that is not whole.
    private void partOfUnit() {
        Label end = new Label();
        a.mov(RCX, at(RDI, TAIL));
        for (int e = 0; e < tile.type.weights() - 1; e++) {
            a.cmp(RCX, e);
            a.j(Condition.LE, end);
            step(0, e, 4 * e, 0);
        }
        a.bind(end);
    }

    /// One row of the panel (of a type that widens: the weights `element` of its units) times one unit of every row.
    private void step(int panelBytes, int element, int activationBytes, int chain) {
        for (int j = 0; j < tile.vectors; j++) {
            load(panelRegister(j), at(RSI, panelBytes + j * 64), element);
        }
        for (int i = 0; i < tile.rows; i++) {
            Vec activation = zmm(firstBroadcast + i % broadcasts);
            a.vbroadcastss(activation, activation(i, activationBytes));
            for (int j = 0; j < tile.vectors; j++) {
                multiplyAdd(sum(i, j, chain), activation, panelRegister(j));
            }
        }
    }

    private void multiplyAdd(Vec sum, Vec activation, Vec weights) {
        switch (tile.type) {
            case BF16 -> a.vdpbf16ps(sum, activation, weights);
            case U8_I8 -> a.vpdpbusd(sum, activation, weights);
            default -> a.vfmadd231ps(sum, activation, weights);
        }
    }

    /// Loads a vector of units, or one weight of each as f32.
    private void load(Vec to, Memory from, int element) {
        switch (tile.type) {
            case F32, BF16, U8_I8 -> a.vmovups(to, from);
            case F32_BF16 -> {
                // a bf16 is the upper half of an f32
                if (element == 0) {
                    a.vpslld(to, from, 16);
                } else {
                    a.vpandd(to, zmm(31), from);
                }
            }
            case F32_F16 -> {
                if (element == 0) {
                    a.vmovdqu32(to, from);
                } else {
                    a.vpsrld(to, from, 16);
                }
                a.vpmovdw(to.as(256), to);
                a.vcvtph2ps(to, to.as(256));
            }
            case F32_I8 -> {
                if (byBits && element < 3) {
                    widenByBits(to, from, element);
                    return;
                }
                if (element == 3) {
                    a.vpsrad(to, from, 24);
                } else {
                    a.vpslld(to, from, 24 - 8 * element);
                    a.vpsrad(to, to, 24);
                }
                a.vcvtdq2ps(to, to);
            }
        }
    }

    /// Makes floats of 8-bit weights with few shifts, which only one unit of the processor can do.
    ///
    /// With its highest bit flipped a weight w is w + 128, not negative. Put as the last bits of the fraction of a
    /// float whose exponent is that of 2^23, it makes 2^23 + w + 128, from which all but w is subtracted without
    /// rounding. The second byte stays where it is: there it counts as much in a float of exponent 2^15.
    private void widenByBits(Vec to, Memory from, int element) {
        int place = element == 1 ? 1 : 0;
        if (element == 2) {
            a.vpsrld(to, from, 16);
            a.vpandd(to, to, zmm(BITS));
        } else {
            a.vpandd(to, zmm(BITS + place), from);
        }
        a.vpxord(to, to, zmm(BITS + 2 + place));
        a.vsubps(to, to, zmm(BITS + 4 + place));
    }
}
