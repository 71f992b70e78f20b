package dev.palimpsest.kernels.x86;

import org.jspecify.annotations.Nullable;

/// What a vector instruction works on: a register or a place in memory.
sealed interface Operand {
    /// Number of the mask register that selects the lanes to be written; 0 for all lanes.
    int mask();

    /// A vector register.
    ///
    /// @param number 0 to 31
    /// @param bits 128, 256 or 512
    /// @param mask 1 to 7: lanes whose bit in this mask register is 0 are not written, or become 0 with `zeroing`; 0:
    ///     no mask
    /// @param zeroing what happens to lanes that the mask leaves out
    record Vec(int number, int bits, int mask, boolean zeroing) implements Operand {
        /// Checks the numbers.
        public Vec {
            if (number < 0 || number > 31 || (bits != 128 && bits != 256 && bits != 512) || mask < 0 || mask > 7) {
                throw new IllegalArgumentException(
                        "vector register " + number + " of " + bits + " bits with mask " + mask + " does not exist");
            }
        }

        /// The 128-bit register of this number.
        static Vec xmm(int number) {
            return new Vec(number, 128, 0, false);
        }

        /// The 256-bit register of this number.
        static Vec ymm(int number) {
            return new Vec(number, 256, 0, false);
        }

        /// The 512-bit register of this number.
        static Vec zmm(int number) {
            return new Vec(number, 512, 0, false);
        }

        /// The lowest part of this register, of so many bits.
        Vec as(int width) {
            return new Vec(number, width, mask, zeroing);
        }

        /// As a destination of which only the lanes in mask register `k` are written: `{k}`.
        Vec masked(int k) {
            return new Vec(number, bits, k, false);
        }

        /// As a destination whose lanes outside of mask register `k` become 0: `{k}{z}`.
        Vec zeroed(int k) {
            return new Vec(number, bits, k, true);
        }

        /// Bytes of the register.
        int bytes() {
            return bits / 8;
        }
    }

    /// A place in memory, `[base + index * scale + displacement]`, or a label of the same program.
    ///
    /// @param base address register; null exactly if there is a label
    /// @param index second register, null for none
    /// @param scale 1, 2, 4 or 8
    /// @param displacement in bytes
    /// @param label place in the program, addressed relative to the instruction
    /// @param broadcast whether one element is read for all lanes: `{1to16}`
    /// @param mask as a destination: the mask register that selects the lanes to be written, 0 for all
    record Memory(
            @Nullable Gpr base,
            @Nullable Gpr index,
            int scale,
            int displacement,
            @Nullable Label label,
            boolean broadcast,
            int mask)
            implements Operand {
        /// Checks what the encoding cannot express.
        public Memory {
            if ((base == null) == (label == null) || index == Gpr.RSP || Integer.bitCount(scale) != 1 || scale > 8) {
                throw new IllegalArgumentException(
                        "address with base " + base + ", index " + index + ", scale " + scale + " does not exist");
            }
        }

        /// `[base]`
        static Memory at(Gpr base) {
            return at(base, 0);
        }

        /// `[base + displacement]`
        static Memory at(Gpr base, int displacement) {
            return new Memory(base, null, 1, displacement, null, false, 0);
        }

        /// `[base + index * scale + displacement]`
        static Memory at(Gpr base, Gpr index, int scale, int displacement) {
            return new Memory(base, index, scale, displacement, null, false, 0);
        }

        /// `[rip + label]`
        static Memory at(Label label) {
            return new Memory(null, null, 1, 0, label, false, 0);
        }

        /// This place, some bytes further on.
        Memory plus(int bytes) {
            return new Memory(base, index, scale, displacement + bytes, label, broadcast, mask);
        }

        /// One element of this place for all lanes: `{1to16}`.
        Memory toAll() {
            return new Memory(base, index, scale, displacement, label, true, mask);
        }

        /// As a destination of which only the lanes in mask register `k` are written: `{k}`.
        Memory masked(int k) {
            return new Memory(base, index, scale, displacement, label, broadcast, k);
        }
    }
}
