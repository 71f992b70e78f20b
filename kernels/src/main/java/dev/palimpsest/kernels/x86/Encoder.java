package dev.palimpsest.kernels.x86;

import dev.palimpsest.kernels.x86.Operand.Memory;
import dev.palimpsest.kernels.x86.Operand.Vec;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The formats of x86-64 instructions: prefixes, operands, displacements, labels. What the instructions are called is
/// the [Assembler]'s concern.
///
/// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapter 2 (2.2 for REX, 2.3 for
/// VEX, 2.7 for EVEX).
class Encoder {
    private static final int NO_REGISTER = 4; // in the SIB byte

    private byte[] code = new byte[1024];
    private int size;

    /// How many bytes of memory an instruction reads, which is also the unit of a displacement of one byte in EVEX.
    enum Tuple {
        /// A whole vector, or one element for all lanes.
        FULL,
        /// Half a vector: the source of a conversion to elements twice as wide.
        HALF,
        /// A quarter of a vector: the source of a conversion to elements four times as wide.
        QUARTER,
        /// One element of 4 bytes.
        SCALAR,
        /// 16 bytes.
        FOUR,
        /// 32 bytes.
        EIGHT
    }

    /// What identifies a vector instruction.
    ///
    /// @param map table of opcodes: 1 is `0F`, 2 is `0F38`, 3 is `0F3A`
    /// @param prefix the implied prefix: 0 none, 1 `66`, 2 `F3`, 3 `F2`
    /// @param code the opcode byte
    /// @param wide the bit W of an EVEX prefix
    /// @param vex whether there is a VEX form, which is one or more bytes shorter
    /// @param tuple what is read
    record Opcode(int map, int prefix, int code, boolean wide, boolean vex, Tuple tuple) {
        /// An instruction with a VEX and an EVEX form, W = 0, that reads a whole vector.
        static Opcode of(int map, int prefix, int code) {
            return new Opcode(map, prefix, code, false, true, Tuple.FULL);
        }

        /// The same with an EVEX form only.
        Opcode evex() {
            return new Opcode(map, prefix, code, wide, false, tuple);
        }

        /// The same with W = 1 in its EVEX form.
        Opcode w1() {
            return new Opcode(map, prefix, code, true, vex, tuple);
        }

        /// The same with another amount of memory.
        Opcode reads(Tuple amount) {
            return new Opcode(map, prefix, code, wide, vex, amount);
        }

        /// Unit of a displacement of one byte.
        int unit(int bits, boolean broadcast) {
            int bytes = bits / 8;
            return switch (tuple) {
                case FULL -> broadcast ? (wide ? 8 : 4) : bytes;
                case HALF -> bytes / 2;
                case QUARTER -> bytes / 4;
                case SCALAR -> 4;
                case FOUR -> 16;
                case EIGHT -> 32;
            };
        }
    }

    /// Bytes written so far.
    final int size() {
        return size;
    }

    /// A copy of the program.
    ///
    /// @throws IllegalStateException if a label that the program refers to was never bound
    byte[] toBytes() {
        return Arrays.copyOf(code, size);
    }

    final void bytes(int... values) {
        for (int v : values) {
            if (size == code.length) {
                code = Arrays.copyOf(code, 2 * size);
            }
            code[size++] = (byte) v;
        }
    }

    final void int32(int value) {
        bytes(value, value >> 8, value >> 16, value >> 24);
    }

    final void int64(long value) {
        int32((int) value);
        int32((int) (value >> 32));
    }

    /// Fills up with instructions that do nothing until the size is a multiple of `unit`, which is a power of two.
    final void align(int unit) {
        while (size % unit != 0) {
            bytes(0x90);
        }
    }

    // ---- labels

    /// Makes this the place that the label stands for.
    final void bind(Label label) {
        label.bind(size);
        for (Label.Reference r : label.references) {
            patch(r, size);
        }
        label.references.clear();
    }

    /// Four bytes for the distance from the end of the instruction, `trailing` bytes further on, to the label.
    final void reference(Label label, int trailing) {
        Label.Reference r = new Label.Reference(size, size + 4 + trailing);
        int32(0);
        if (label.isBound()) {
            patch(r, label.position());
        } else {
            label.references.add(r);
        }
    }

    private void patch(Label.Reference r, int target) {
        int distance = target - r.end();
        for (int i = 0; i < 4; i++) {
            code[r.at() + i] = (byte) (distance >> (8 * i));
        }
    }

    // ---- general-purpose instructions

    /// An instruction on 64-bit registers: `REX.W opcode /reg`, the other operand a register.
    final void general(int opcode, int reg, Gpr rm) {
        bytes(0x48 | (bit(reg, 3) << 2) | (rm.number() >> 3), opcode, registers(reg, rm.number()));
    }

    /// An instruction on a 64-bit register and memory.
    final void general(int opcode, int reg, Memory rm) {
        rex(0x48, reg, rm);
        bytes(opcode);
        modRm(reg, rm, 1, 0);
    }

    /// An instruction on a 32-bit register or none and memory, with a prefix only where a register needs one.
    final void general32(int escape, int opcode, int reg, Memory rm) {
        rex(0x40, reg, rm);
        if (escape != 0) {
            bytes(escape);
        }
        bytes(opcode);
        modRm(reg, rm, 1, 0);
    }

    private void rex(int prefix, int reg, Memory rm) {
        int rex = prefix | (bit(reg, 3) << 2) | (high(rm.index()) << 1) | high(rm.base());
        if (rex != 0x40) {
            bytes(rex);
        }
    }

    // ---- vector instructions

    /// An instruction `destination, a, b`, written in VEX form where there is one that can express it.
    ///
    /// @param reg the register in the field of that name, or an extension of the opcode
    /// @param vvvv number of the register in the field of that name, 0 for none
    /// @param target the destination, which has the mask
    /// @param bits width of the operation
    /// @param immediate number of bytes that follow
    final void vector(Opcode op, int reg, int vvvv, Operand rm, Operand target, int bits, int immediate) {
        int number = rm instanceof Vec v ? v.number() : 0;
        boolean broadcast = rm instanceof Memory m && m.broadcast();
        boolean high = Math.max(number, Math.max(reg, vvvv)) > 15;
        if (op.vex() && bits < 512 && !high && !broadcast && target.mask() == 0) {
            vex(op, reg, vvvv, rm, bits);
            operand(reg, rm, 1, immediate);
        } else {
            evex(op, reg, vvvv, rm, target, bits);
            operand(reg, rm, op.unit(bits, broadcast), immediate);
        }
    }

    private void vex(Opcode op, int reg, int vvvv, Operand rm, int bits) {
        int r = 1 - bit(reg, 3);
        int x = rm instanceof Memory m ? 1 - high(m.index()) : 1;
        int b = rm instanceof Memory m ? 1 - high(m.base()) : 1 - bit(((Vec) rm).number(), 3);
        int last = ((~vvvv & 15) << 3) | (bits == 256 ? 4 : 0) | op.prefix();
        if (op.map() == 1 && x == 1 && b == 1) {
            bytes(0xC5, (r << 7) | last, op.code());
        } else {
            bytes(0xC4, (r << 7) | (x << 6) | (b << 5) | op.map(), last, op.code());
        }
    }

    private void evex(Opcode op, int reg, int vvvv, Operand rm, Operand target, int bits) {
        int x;
        int b;
        boolean broadcast = false;
        switch (rm) {
            case Vec v -> {
                x = 1 - bit(v.number(), 4); // with a register, X is its fifth bit
                b = 1 - bit(v.number(), 3);
            }
            case Memory m -> {
                x = 1 - high(m.index());
                b = 1 - high(m.base());
                broadcast = m.broadcast();
            }
        }
        boolean zeroing = target instanceof Vec v && v.zeroing();
        bytes(
                0x62,
                ((1 - bit(reg, 3)) << 7) | (x << 6) | (b << 5) | ((1 - bit(reg, 4)) << 4) | op.map(),
                (op.wide() ? 0x80 : 0) | ((~vvvv & 15) << 3) | 4 | op.prefix(),
                (zeroing ? 0x80 : 0)
                        | ((bits / 256) << 5)
                        | (broadcast ? 0x10 : 0)
                        | ((1 - bit(vvvv, 4)) << 3)
                        | target.mask(),
                op.code());
    }

    /// An instruction on mask registers, in VEX form: `C5 ... opcode`.
    final void mask(int opcode, int prefix, boolean wide, int reg, Gpr rm) {
        int b = 1 - bit(rm.number(), 3);
        int last = (wide ? 0x80 : 0) | (15 << 3) | prefix;
        if (b == 1 && !wide) {
            bytes(0xC5, 0x80 | last, opcode, registers(reg, rm.number()));
        } else {
            bytes(0xC4, 0xC0 | (b << 5) | 1, last, opcode, registers(reg, rm.number()));
        }
    }

    // ---- operands

    private void operand(int reg, Operand rm, int unit, int immediate) {
        switch (rm) {
            case Vec v -> bytes(registers(reg, v.number()));
            case Memory m -> modRm(reg, m, unit, immediate);
        }
    }

    /// ModR/M, SIB and displacement; the displacement takes one byte if it is a multiple of `unit` that fits.
    private void modRm(int reg, Memory m, int unit, int immediate) {
        int field = (reg & 7) << 3;
        Gpr base = m.base();
        if (base == null) {
            bytes(field | 5);
            reference(Objects.requireNonNull(m.label()), immediate);
            return;
        }
        int displacement = m.displacement();
        int low = base.number() & 7;
        boolean fits = displacement % unit == 0 && displacement / unit == (byte) (displacement / unit);
        // base 5 without a displacement would mean "relative to the instruction"
        int mod = displacement == 0 && low != 5 ? 0 : fits ? 1 : 2;
        Gpr index = m.index();
        if (index != null || low == 4) {
            int i = index == null ? NO_REGISTER : index.number() & 7;
            bytes((mod << 6) | field | 4, (Integer.numberOfTrailingZeros(m.scale()) << 6) | (i << 3) | low);
        } else {
            bytes((mod << 6) | field | low);
        }
        if (mod == 1) {
            bytes(displacement / unit);
        } else if (mod == 2) {
            int32(displacement);
        }
    }

    private static int high(@Nullable Gpr register) {
        return register == null ? 0 : bit(register.number(), 3);
    }

    private static int bit(int number, int position) {
        return (number >> position) & 1;
    }

    /// The byte ModR/M of an instruction whose operands are both registers.
    private static int registers(int reg, int rm) {
        return 0xC0 | ((reg & 7) << 3) | (rm & 7);
    }
}
