package dev.palimpsest.kernels.x86;

import dev.palimpsest.kernels.x86.Operand.Memory;
import dev.palimpsest.kernels.x86.Operand.Vec;
import java.util.LinkedHashMap;
import java.util.Map;

/// A small assembler for x86-64: one method for each instruction that the kernels need, named and ordered as the
/// manual has it (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: destination first).
///
/// A vector instruction takes its width from its destination. Its last source may be a register or memory, its
/// destination may have a mask; see [Operand].
final class Assembler extends Encoder {
    // tables of opcodes
    private static final int M0F = 1;
    private static final int M0F38 = 2;
    private static final int M0F3A = 3;

    // implied prefixes
    private static final int NP = 0;
    private static final int P66 = 1;
    private static final int PF3 = 2;
    private static final int PF2 = 3;

    /// A condition of a jump, with its code.
    enum Condition {
        /// Below, unsigned.
        B(2),
        /// Not below, unsigned.
        AE(3),
        /// Equal, zero.
        E(4),
        /// Not equal, not zero.
        NE(5),
        /// Less, signed.
        L(12),
        /// Not less, signed.
        GE(13),
        /// Less or equal, signed.
        LE(14),
        /// Greater, signed.
        G(15);

        private final int code;

        Condition(int code) {
            this.code = code;
        }
    }

    private final Map<Integer, Label> constants = new LinkedHashMap<>();

    /// A 32-bit constant that lies behind the program, to be read as `constant(x).toAll()` or broadcast.
    Memory constant(int bits) {
        return Memory.at(constants.computeIfAbsent(bits, b -> new Label()));
    }

    /// A constant of type f32 that lies behind the program.
    Memory constant(float value) {
        return constant(Float.floatToRawIntBits(value));
    }

    /// The program, its constants behind it.
    @Override
    byte[] toBytes() {
        align(4);
        constants.forEach((bits, label) -> {
            if (!label.isBound()) {
                bind(label);
                int32(bits);
            }
        });
        return super.toBytes();
    }

    // ---- general-purpose registers, 64 bits

    /// Copies a register.
    void mov(Gpr d, Gpr s) {
        general(0x89, s.number(), d);
    }

    /// Loads 64 bits.
    void mov(Gpr d, Memory s) {
        general(0x8B, d.number(), s);
    }

    /// Stores 64 bits.
    void mov(Memory d, Gpr s) {
        general(0x89, s.number(), d);
    }

    /// Stores the low 32 bits.
    void mov32(Memory d, Gpr s) {
        general32(0, 0x89, s.number(), d);
    }

    /// Loads 32 bits and clears the high ones.
    void mov32(Gpr d, Memory s) {
        general32(0, 0x8B, d.number(), s);
    }

    /// Sets a register to a number.
    void mov(Gpr d, long value) {
        if (value == (int) value) {
            general(0xC7, 0, d);
            int32((int) value);
        } else {
            bytes(0x48 | (d.number() >> 3), 0xB8 | (d.number() & 7));
            int64(value);
        }
    }

    /// Sets `d` to the address of `s`.
    void lea(Gpr d, Memory s) {
        general(0x8D, d.number(), s);
    }

    /// `d += s`
    void add(Gpr d, Gpr s) {
        general(0x01, s.number(), d);
    }

    /// `d += s`
    void add(Gpr d, Memory s) {
        general(0x03, d.number(), s);
    }

    /// `d += value`
    void add(Gpr d, int value) {
        immediate(0, d, value);
    }

    /// `d -= s`
    void sub(Gpr d, Gpr s) {
        general(0x29, s.number(), d);
    }

    /// `d -= value`
    void sub(Gpr d, int value) {
        immediate(5, d, value);
    }

    /// `d &= value`
    void and(Gpr d, int value) {
        immediate(4, d, value);
    }

    /// Compares: the conditions are those of `a - b`.
    void cmp(Gpr a, Gpr b) {
        general(0x39, b.number(), a);
    }

    /// Compares: the conditions are those of `a - value`.
    void cmp(Gpr a, int value) {
        immediate(7, a, value);
    }

    /// The conditions are those of `a & b`.
    void test(Gpr a, Gpr b) {
        general(0x85, b.number(), a);
    }

    /// `d = s * value`
    void imul(Gpr d, Gpr s, int value) {
        general(0x69, d.number(), s);
        int32(value);
    }

    /// Shifts to the left.
    void shl(Gpr d, int by) {
        general(0xC1, 4, d);
        bytes(by);
    }

    /// Shifts to the right, with zeros.
    void shr(Gpr d, int by) {
        general(0xC1, 5, d);
        bytes(by);
    }

    /// `d -= 1`
    void dec(Gpr d) {
        general(0xFF, 1, d);
    }

    private void immediate(int extension, Gpr d, int value) {
        if (value == (byte) value) {
            general(0x83, extension, d);
            bytes(value);
        } else {
            general(0x81, extension, d);
            int32(value);
        }
    }

    /// Saves a register on the stack.
    void push(Gpr s) {
        if (s.number() > 7) {
            bytes(0x41);
        }
        bytes(0x50 | (s.number() & 7));
    }

    /// Restores a register from the stack.
    void pop(Gpr d) {
        if (d.number() > 7) {
            bytes(0x41);
        }
        bytes(0x58 | (d.number() & 7));
    }

    /// Jumps.
    void jmp(Label to) {
        bytes(0xE9);
        reference(to, 0);
    }

    /// Jumps if the condition holds: `je`, `jne`, `jl`...
    void j(Condition condition, Label to) {
        bytes(0x0F, 0x80 | condition.code);
        reference(to, 0);
    }

    /// Returns to the caller.
    void ret() {
        bytes(0xC3);
    }

    /// Describes the processor: leaf in `eax`, sub-leaf in `ecx`; the answer is in `eax`, `ebx`, `ecx`, `edx`.
    void cpuid() {
        bytes(0x0F, 0xA2);
    }

    /// Reads the control register `ecx` of the operating system's support for register state into `edx:eax`.
    void xgetbv() {
        bytes(0x0F, 0x01, 0xD0);
    }

    /// Asks for a cache line that is needed once to be brought into the first level of the cache, past the others.
    void prefetchnta(Memory s) {
        general32(0x0F, 0x18, 0, s);
    }

    /// Asks for a cache line to be brought into all levels of the cache.
    void prefetcht0(Memory s) {
        general32(0x0F, 0x18, 1, s);
    }

    /// Asks for a cache line to be brought into the second level of the cache.
    void prefetcht1(Memory s) {
        general32(0x0F, 0x18, 2, s);
    }

    /// Asks for a cache line to be brought into all levels of the cache, to be written.
    void prefetchw(Memory s) {
        general32(0x0F, 0x0D, 1, s);
    }

    // ---- masks

    /// Moves the low 16 bits of a register to a mask.
    void kmovw(int k, Gpr s) {
        mask(0x92, NP, false, k, s);
    }

    /// Moves the low 32 bits of a register to a mask.
    void kmovd(int k, Gpr s) {
        mask(0x92, PF2, false, k, s);
    }

    /// Moves a register to a mask.
    void kmovq(int k, Gpr s) {
        mask(0x92, PF2, true, k, s);
    }

    // ---- vectors

    /// Clears the high parts of all vector registers, for code that uses the old ones.
    void vzeroupper() {
        bytes(0xC5, 0xF8, 0x77);
    }

    private void two(Opcode op, Vec d, Operand s) {
        vector(op, d.number(), 0, s, d, d.bits(), 0);
    }

    private void three(Opcode op, Vec d, Vec a, Operand b) {
        vector(op, d.number(), a.number(), b, d, d.bits(), 0);
    }

    /// Lanes: `d = a + b`
    void vaddps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, NP, 0x58), d, a, b);
    }

    /// Lanes: `d = a - b`
    void vsubps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, NP, 0x5C), d, a, b);
    }

    /// Lanes: `d = a * b`
    void vmulps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, NP, 0x59), d, a, b);
    }

    /// Lanes: `d = a / b`
    void vdivps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, NP, 0x5E), d, a, b);
    }

    /// Lanes: `d = a < b ? a : b`, so `b` where either is no number
    void vminps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, NP, 0x5D), d, a, b);
    }

    /// Lanes: `d = a > b ? a : b`, so `b` where either is no number
    void vmaxps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, NP, 0x5F), d, a, b);
    }

    /// Lanes: `d = a * b + d`, rounded once
    void vfmadd231ps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0xB8), d, a, b);
    }

    /// Lanes: `d = a * d + b`, rounded once
    void vfmadd213ps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0xA8), d, a, b);
    }

    /// Lanes: `d = d - a * b`, rounded once
    void vfnmadd231ps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0xBC), d, a, b);
    }

    /// Lanes: `d = a * 2^floor(b)`
    void vscalefps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0x2C).evex(), d, a, b);
    }

    /// Lanes of f32: `d += a1 * b1 + a0 * b0` of pairs of bf16; subnormal numbers count as 0
    void vdpbf16ps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, PF3, 0x52).evex(), d, a, b);
    }

    /// Lanes of 32 bits: `d += ` four products of unsigned bytes of `a` and signed bytes of `b`
    void vpdpbusd(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0x50).evex(), d, a, b);
    }

    /// Lanes of 32 bits: `d = a + b`
    void vpaddd(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, P66, 0xFE), d, a, b);
    }

    /// Lanes of 32 bits: `d = a - b`
    void vpsubd(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, P66, 0xFA), d, a, b);
    }

    /// Lanes of 32 bits: the low halves of `a * b`
    void vpmulld(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0x40), d, a, b);
    }

    /// Lanes of 32 bits, signed: the lesser
    void vpminsd(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0x39), d, a, b);
    }

    /// Lanes of 32 bits, signed: the greater
    void vpmaxsd(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0x3D), d, a, b);
    }

    /// Bits: exclusive or
    void vxorps(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, NP, 0x57), d, a, b);
    }

    /// Bits: and
    void vpandd(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, P66, 0xDB).evex(), d, a, b);
    }

    /// Bits: or
    void vpord(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, P66, 0xEB).evex(), d, a, b);
    }

    /// Bits: exclusive or
    void vpxord(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, P66, 0xEF).evex(), d, a, b);
    }

    /// Lanes of 32 bits of the low halves of every 128, by turns from `a` and `b`
    void vpunpckldq(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, P66, 0x62), d, a, b);
    }

    /// Lanes of 32 bits of the high halves of every 128, by turns from `a` and `b`
    void vpunpckhdq(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, P66, 0x6A), d, a, b);
    }

    /// Lanes of 64 bits of the low halves of every 128, by turns from `a` and `b`
    void vpunpcklqdq(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, P66, 0x6C).w1(), d, a, b);
    }

    /// Lanes of 64 bits of the high halves of every 128, by turns from `a` and `b`
    void vpunpckhqdq(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F, P66, 0x6D).w1(), d, a, b);
    }

    /// Lanes of 32 bits: `d[i] = b[a[i]]`
    void vpermd(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0x36), d, a, b);
    }

    /// Lanes of 32 bits: `d[i]` picked from `d` and `b` behind each other, at `a[i]`
    void vpermt2d(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, P66, 0x7E).evex(), d, a, b);
    }

    /// Parts of 128 bits: two of `a`, then two of `b`, as `selector` says
    void vshuff32x4(Vec d, Vec a, Operand b, int selector) {
        vector(Opcode.of(M0F3A, P66, 0x23).evex(), d.number(), a.number(), b, d, d.bits(), 1);
        bytes(selector);
    }

    /// In every 128 bits two f32 of `a`, then two of `b`, as `selector` says
    void vshufps(Vec d, Vec a, Operand b, int selector) {
        vector(Opcode.of(M0F, NP, 0xC6), d.number(), a.number(), b, d, d.bits(), 1);
        bytes(selector);
    }

    /// Bits: any function of `d`, `a` and `b`, given as its truth table
    void vpternlogd(Vec d, Vec a, Operand b, int selector) {
        vector(Opcode.of(M0F3A, P66, 0x25).evex(), d.number(), a.number(), b, d, d.bits(), 1);
        bytes(selector);
    }

    /// Two of the four halves of `a` and `b`, as `selector` says
    void vperm2f128(Vec d, Vec a, Operand b, int selector) {
        vector(Opcode.of(M0F3A, P66, 0x06), d.number(), a.number(), b, d, d.bits(), 1);
        bytes(selector);
    }

    /// Lanes: square root
    void vsqrtps(Vec d, Operand s) {
        two(Opcode.of(M0F, NP, 0x51), d, s);
    }

    /// Signed 32-bit integers to f32
    void vcvtdq2ps(Vec d, Operand s) {
        two(Opcode.of(M0F, NP, 0x5B), d, s);
    }

    /// f32 to signed 32-bit integers, to nearest even
    void vcvtps2dq(Vec d, Operand s) {
        two(Opcode.of(M0F, P66, 0x5B), d, s);
    }

    /// f16 to f32; the source has half as many bits
    void vcvtph2ps(Vec d, Operand s) {
        two(Opcode.of(M0F38, P66, 0x13).reads(Tuple.HALF), d, s);
    }

    /// 16-bit integers to 32, with zeros; the source has half as many bits
    void vpmovzxwd(Vec d, Operand s) {
        two(Opcode.of(M0F38, P66, 0x33).reads(Tuple.HALF), d, s);
    }

    /// 8-bit integers to 32, with the sign; the source has a quarter of the bits
    void vpmovsxbd(Vec d, Operand s) {
        two(Opcode.of(M0F38, P66, 0x21).reads(Tuple.QUARTER), d, s);
    }

    /// 8-bit integers to 32, with zeros; the source has a quarter of the bits
    void vpmovzxbd(Vec d, Operand s) {
        two(Opcode.of(M0F38, P66, 0x31).reads(Tuple.QUARTER), d, s);
    }

    /// The lowest f32 of a 128-bit register, or one in memory, to all lanes
    void vbroadcastss(Vec d, Operand s) {
        two(Opcode.of(M0F38, P66, 0x18).reads(Tuple.SCALAR), d, s);
    }

    /// The lowest 32 bits of a 128-bit register, or of memory, to all lanes
    void vpbroadcastd(Vec d, Operand s) {
        two(Opcode.of(M0F38, P66, 0x58).reads(Tuple.SCALAR), d, s);
    }

    /// Rounds to whole numbers; selector 0 to nearest even
    void vrndscaleps(Vec d, Operand s, int selector) {
        vector(Opcode.of(M0F3A, P66, 0x08).evex(), d.number(), 0, s, d, d.bits(), 1);
        bytes(selector);
    }

    /// Rounds to whole numbers; selector 0 to nearest even
    void vroundps(Vec d, Operand s, int selector) {
        vector(Opcode.of(M0F3A, P66, 0x08), d.number(), 0, s, d, d.bits(), 1);
        bytes(selector);
    }

    /// 32-bit integers, unsigned, to bytes; what is too large becomes 255
    void vpmovusdb(Operand d, Vec s) {
        vector(Opcode.of(M0F38, PF3, 0x11).evex().reads(Tuple.QUARTER), s.number(), 0, d, d, s.bits(), 0);
    }

    /// 32-bit integers, signed, to signed bytes; what does not fit becomes -128 or 127
    void vpmovsdb(Operand d, Vec s) {
        vector(Opcode.of(M0F38, PF3, 0x21).evex().reads(Tuple.QUARTER), s.number(), 0, d, d, s.bits(), 0);
    }

    /// The low 16 bits of 32-bit integers
    void vpmovdw(Operand d, Vec s) {
        vector(Opcode.of(M0F38, PF3, 0x33).evex().reads(Tuple.HALF), s.number(), 0, d, d, s.bits(), 0);
    }

    /// Loads a vector of f32, at any address, or copies a register.
    void vmovups(Vec d, Operand s) {
        two(Opcode.of(M0F, NP, 0x10), d, s);
    }

    /// Stores a vector of f32, at any address.
    void vmovups(Memory d, Vec s) {
        vector(Opcode.of(M0F, NP, 0x11), s.number(), 0, d, d, s.bits(), 0);
    }

    /// Loads a vector of 32-bit integers, at any address, or copies a register.
    void vmovdqu32(Vec d, Operand s) {
        two(Opcode.of(M0F, PF3, 0x6F).evex(), d, s);
    }

    /// Stores a vector of 32-bit integers, at any address.
    void vmovdqu32(Memory d, Vec s) {
        vector(Opcode.of(M0F, PF3, 0x7F).evex(), s.number(), 0, d, d, s.bits(), 0);
    }

    /// Loads a vector of 16-bit integers, at any address, or copies a register.
    void vmovdqu16(Vec d, Operand s) {
        two(Opcode.of(M0F, PF2, 0x6F).evex().w1(), d, s);
    }

    /// Stores a vector of 16-bit integers, at any address.
    void vmovdqu16(Memory d, Vec s) {
        vector(Opcode.of(M0F, PF2, 0x7F).evex().w1(), s.number(), 0, d, d, s.bits(), 0);
    }

    /// Loads a vector of bytes, at any address, or copies a register.
    void vmovdqu8(Vec d, Operand s) {
        two(Opcode.of(M0F, PF2, 0x6F).evex(), d, s);
    }

    /// Stores a vector of bytes, at any address.
    void vmovdqu8(Memory d, Vec s) {
        vector(Opcode.of(M0F, PF2, 0x7F).evex(), s.number(), 0, d, d, s.bits(), 0);
    }

    /// Lanes of 32 bits: shifts to the left; the source may be memory with 512-bit registers only.
    void vpslld(Vec d, Operand s, int by) {
        vector(Opcode.of(M0F, P66, 0x72), 6, d.number(), s, d, d.bits(), 1);
        bytes(by);
    }

    /// Lanes of 32 bits: shifts to the right, with zeros; the source may be memory with 512-bit registers only.
    void vpsrld(Vec d, Operand s, int by) {
        vector(Opcode.of(M0F, P66, 0x72), 2, d.number(), s, d, d.bits(), 1);
        bytes(by);
    }

    /// Lanes of 32 bits: shifts to the right, with the sign; the source may be memory with 512-bit registers only.
    void vpsrad(Vec d, Operand s, int by) {
        vector(Opcode.of(M0F, P66, 0x72), 4, d.number(), s, d, d.bits(), 1);
        bytes(by);
    }

    /// The f32 lanes of `s` to bf16, to nearest even, in a register of half the bits; subnormal numbers become 0.
    void vcvtneps2bf16(Vec d, Operand s) {
        vector(Opcode.of(M0F38, PF3, 0x72).evex(), d.number(), 0, s, d, 2 * d.bits(), 0);
    }

    /// The f32 lanes of `b` (low half) and `a` (high half) to bf16, to nearest even; subnormal numbers become 0.
    void vcvtne2ps2bf16(Vec d, Vec a, Operand b) {
        three(Opcode.of(M0F38, PF2, 0x72).evex(), d, a, b);
    }

    /// The lowest 32 bits of a general-purpose register to all lanes.
    void vpbroadcastd(Vec d, Gpr s) {
        Vec number = Vec.xmm(s.number());
        vector(Opcode.of(M0F38, P66, 0x7C).evex(), d.number(), 0, number, d, d.bits(), 0);
    }

    /// The upper or lower half of a 512-bit register.
    void vextractf64x4(Operand d, Vec s, int half) {
        vector(Opcode.of(M0F3A, P66, 0x1B).evex().w1().reads(Tuple.EIGHT), s.number(), 0, d, d, 512, 1);
        bytes(half);
    }

    /// The upper or lower half of a 256-bit register.
    void vextractf128(Operand d, Vec s, int half) {
        vector(Opcode.of(M0F3A, P66, 0x19).reads(Tuple.FOUR), s.number(), 0, d, d, 256, 1);
        bytes(half);
    }

    /// Stores the lowest f32.
    void vmovss(Memory d, Vec s) {
        vector(Opcode.of(M0F, PF3, 0x11).reads(Tuple.SCALAR), s.number(), 0, d, d, 128, 0);
    }

    /// Loads the f32 lanes whose sign bit is set in `mask`, zeros elsewhere.
    void vmaskmovps(Vec d, Vec mask, Memory s) {
        three(Opcode.of(M0F38, P66, 0x2C), d, mask, s);
    }

    /// Stores the f32 lanes whose sign bit is set in `mask`.
    void vmaskmovps(Memory d, Vec mask, Vec s) {
        vector(Opcode.of(M0F38, P66, 0x2E), s.number(), mask.number(), d, d, s.bits(), 0);
    }
}
