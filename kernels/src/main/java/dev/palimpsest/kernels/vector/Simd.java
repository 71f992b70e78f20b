package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/// The vector width that this machine prefers, and access to memory in that width.
///
/// `-Dpalimpsest.vector.bits=128|256|512` asks for another width, up to the preferred one: wider vectors than the
/// machine has would be emulated, a hundred times slower.
///
/// Everything here is meant to be inlined into loops; byte positions are relative to a segment's start.
final class Simd {
    /// Floats of that width, at least 128 bits.
    static final VectorSpecies<Float> FLOATS = VectorSpecies.of(float.class, VectorShape.forBitSize(bits()));

    /// As many ints as there are [#FLOATS].
    static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);

    /// As many shorts as there are [#FLOATS], in half the width.
    static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(FLOATS.vectorBitSize() / 2));

    /// As many bytes as there are [#FLOATS], in a quarter of the width, but at least 64 bits.
    static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, FLOATS.vectorBitSize() / 4)));

    /// Number of floats in a vector.
    static final int LANES = FLOATS.length();

    static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    static final VectorShuffle<Float> ACROSS_8 = VectorShuffle.fromOp(FLOATS, i -> i ^ (8 & (LANES - 1)));
    static final VectorShuffle<Float> ACROSS_4 = VectorShuffle.fromOp(FLOATS, i -> i ^ (4 & (LANES - 1)));
    static final VectorShuffle<Float> ACROSS_2 = VectorShuffle.fromOp(FLOATS, i -> i ^ 2);
    static final VectorShuffle<Float> ACROSS_1 = VectorShuffle.fromOp(FLOATS, i -> i ^ 1);

    /// Adding 1.5 * 2^23 pushes the fraction out of a float that is not too large: what remains is the nearest
    /// integer, ties to even, and its low bits are the low bits of the representation.
    static final float ROUNDER = 0x1.8p23f;

    /// The lowest and the highest bit of every byte: where the bits of a mask go.
    private static final long LOW_BITS = 0x0101_0101_0101_0101L;

    private static final long HIGH_BITS = 0x8080_8080_8080_8080L;

    /// The class of native segments that are not mapped files.
    ///
    /// All loops of a program share the profile of the Vector API's accesses, and that profile always knows segments
    /// over arrays too: while `reinterpretAsInts` and other conversions are not compiled yet, they pass through one. A
    /// store to a segment that may lie over an array may change any object, so that after it the compiler reads the
    /// segments' limits and scopes again: checks that it would otherwise move out of the loop, more instructions than
    /// the arithmetic. The stores here therefore ask for the class first, after which it is known.
    static final Class<?> NATIVE = MemorySegment.NULL.getClass();

    private Simd() {}

    private static int bits() {
        int widest = Math.clamp(FloatVector.SPECIES_PREFERRED.vectorBitSize(), 128, 512);
        int asked = Integer.getInteger("palimpsest.vector.bits", widest);
        if (asked != 128 && asked != 256 && asked != 512) {
            throw new IllegalArgumentException("palimpsest.vector.bits: " + asked + " is not 128, 256 or 512");
        }
        if (asked > widest) {
            throw new IllegalArgumentException("palimpsest.vector.bits: " + asked + " is more than the " + widest
                    + " bits of this processor's vectors");
        }
        return asked;
    }

    @Inline
    static FloatVector load(MemorySegment m, long at) {
        return FloatVector.fromMemorySegment(FLOATS, m, at, ORDER);
    }

    /// Loads the lanes of the mask, 0 elsewhere.
    @Inline
    static FloatVector load(MemorySegment m, long at, VectorMask<Float> lanes) {
        return FloatVector.fromMemorySegment(FLOATS, m, at, ORDER, lanes);
    }

    @Inline
    @SuppressWarnings("DuplicateBranches") // see NATIVE
    static void store(FloatVector v, MemorySegment m, long at) {
        if (m.getClass() == NATIVE) {
            v.intoMemorySegment(m, at, ORDER);
        } else {
            v.intoMemorySegment(m, at, ORDER);
        }
    }

    @Inline
    @SuppressWarnings("DuplicateBranches") // see NATIVE
    static void store(FloatVector v, MemorySegment m, long at, VectorMask<Float> lanes) {
        if (m.getClass() == NATIVE) {
            v.intoMemorySegment(m, at, ORDER, lanes);
        } else {
            v.intoMemorySegment(m, at, ORDER, lanes);
        }
    }

    @Inline
    static IntVector loadInts(MemorySegment m, long at) {
        return IntVector.fromMemorySegment(INTS, m, at, ORDER);
    }

    @Inline
    @SuppressWarnings("DuplicateBranches") // see NATIVE
    static void store(IntVector v, MemorySegment m, long at) {
        if (m.getClass() == NATIVE) {
            v.intoMemorySegment(m, at, ORDER);
        } else {
            v.intoMemorySegment(m, at, ORDER);
        }
    }

    @Inline
    static ShortVector loadShorts(MemorySegment m, long at) {
        return ShortVector.fromMemorySegment(SHORTS, m, at, ORDER);
    }

    @Inline
    @SuppressWarnings("DuplicateBranches") // see NATIVE
    static void store(ShortVector v, MemorySegment m, long at) {
        if (m.getClass() == NATIVE) {
            v.intoMemorySegment(m, at, ORDER);
        } else {
            v.intoMemorySegment(m, at, ORDER);
        }
    }

    /// Writes the lowest byte of every lane.
    @Inline
    static void storeBytes(IntVector v, MemorySegment m, long at) {
        if (LANES == 4) {
            int bytes = (v.lane(0) & 0xff) | (v.lane(1) & 0xff) << 8 | (v.lane(2) & 0xff) << 16 | v.lane(3) << 24;
            m.set(JAVA_INT_UNALIGNED, at, bytes);
            return;
        }
        ((ByteVector) v.convertShape(VectorOperators.I2B, BYTES, 0)).intoMemorySegment(m, at, ORDER);
    }

    /// Writes a byte for every lane, 0 or 1.
    @Inline
    static void store(VectorMask<Float> mask, MemorySegment m, long at) {
        long bits = mask.toLong();
        if (LANES == 4) {
            m.set(JAVA_INT_UNALIGNED, at, (int) Long.expand(bits, LOW_BITS));
            return;
        }
        for (int i = 0; i < LANES; i += 8) {
            m.set(JAVA_LONG_UNALIGNED, at + i, Long.expand(bits >>> i, LOW_BITS));
        }
    }

    /// The lanes whose bytes are not 0.
    @Inline
    static VectorMask<Float> loadMask(MemorySegment m, long at) {
        if (LANES == 4) {
            return VectorMask.fromLong(FLOATS, notZero(m.get(JAVA_INT_UNALIGNED, at) & 0xffff_ffffL));
        }
        long bits = 0;
        for (int i = 0; i < LANES; i += 8) {
            bits |= notZero(m.get(JAVA_LONG_UNALIGNED, at + i)) << i;
        }
        return VectorMask.fromLong(FLOATS, bits);
    }

    /// A bit for each of eight bytes: whether it is not 0. Adding 127 to the lower seven bits of a byte carries into
    /// its highest bit unless they are all 0.
    @Inline
    private static long notZero(long bytes) {
        return Long.compress(((bytes & ~HIGH_BITS) + ~HIGH_BITS) | bytes, HIGH_BITS);
    }

    /// The first `n` lanes.
    @Inline
    static VectorMask<Float> first(int n) {
        return FLOATS.indexInRange(0, n);
    }

    @Inline
    static FloatVector splat(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    @Inline
    static FloatVector zero() {
        return FloatVector.zero(FLOATS);
    }

    /// The sum of all lanes.
    ///
    /// `reduceLanes` leaves the order of additions open, and compiled code indeed adds in another order than the
    /// interpreter; halving the vector again and again adds in the same order always.
    @Inline
    static float sum(FloatVector v) {
        FloatVector s = v;
        if (LANES > 8) {
            s = s.add(s.rearrange(ACROSS_8));
        }
        if (LANES > 4) {
            s = s.add(s.rearrange(ACROSS_4));
        }
        s = s.add(s.rearrange(ACROSS_2));
        s = s.add(s.rearrange(ACROSS_1));
        return s.lane(0);
    }

    /// The vector with the two lanes of every pair exchanged.
    @Inline
    static FloatVector neighbours(FloatVector v) {
        return v.rearrange(ACROSS_1);
    }

    /// Bfloat16 numbers as floats: their bits are the upper half.
    @Inline
    static FloatVector fromBFloat16(ShortVector v) {
        IntVector bits = (IntVector) v.convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
        return bits.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    /// Binary16 numbers as floats, denormals, infinities and NaNs included.
    ///
    /// Exponent and fraction move to where a float has them; multiplying by 2^112 then corrects the difference of the
    /// exponents' biases and normalises denormal numbers.
    @Inline
    static FloatVector fromFloat16(ShortVector v) {
        IntVector h = (IntVector) v.convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
        IntVector magnitude = h.and(0x7fff);
        IntVector bits = magnitude
                .lanewise(VectorOperators.LSHL, 13)
                .reinterpretAsFloats()
                .mul(0x1p112f)
                .reinterpretAsInts();
        VectorMask<Integer> special = magnitude.compare(VectorOperators.GE, 0x7c00);
        bits = bits.lanewise(VectorOperators.OR, 0x7f80_0000, special);
        return bits.or(h.and(0x8000).lanewise(VectorOperators.LSHL, 16)).reinterpretAsFloats();
    }

    /// Floats rounded to bfloat16, ties to even.
    @Inline
    static ShortVector toBFloat16(FloatVector v) {
        return (ShortVector) toBFloat16Bits(v).convertShape(VectorOperators.I2S, SHORTS, 0);
    }

    /// Floats rounded to bfloat16, ties to even, in the lower half of ints.
    @Inline
    static IntVector toBFloat16Bits(FloatVector v) {
        IntVector bits = v.reinterpretAsInts();
        IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
        IntVector rounded = bits.add(odd).add(0x7fff);
        // a NaN must not be rounded up into an infinity or beyond: make it quiet instead
        VectorMask<Integer> nan = v.test(VectorOperators.IS_NAN).cast(INTS);
        return rounded.blend(bits.or(0x40_0000), nan).lanewise(VectorOperators.LSHR, 16);
    }

    /// Floats rounded to binary16, ties to even, overflowing to infinity, denormal numbers included.
    @Inline
    static ShortVector toFloat16(FloatVector v) {
        IntVector all = v.reinterpretAsInts();
        IntVector sign = all.lanewise(VectorOperators.LSHR, 16).and(0x8000);
        IntVector bits = all.and(0x7fff_ffff);
        // normal numbers: change the exponent's bias and round the fraction's last 13 bits away
        IntVector odd = bits.lanewise(VectorOperators.LSHR, 13).and(1);
        IntVector h = bits.add(odd).add(((15 - 127) << 23) + 0xfff).lanewise(VectorOperators.LSHR, 13);
        // below 2^-14: adding 1/2 leaves the denormal's fraction, rounded, in the last bits
        IntVector denormal =
                bits.reinterpretAsFloats().add(0.5f).reinterpretAsInts().sub(Float.floatToRawIntBits(0.5f));
        h = h.blend(denormal, bits.compare(VectorOperators.LT, 113 << 23));
        // from 65520 on everything rounds to infinity; NaNs stay NaNs
        h = h.blend(0x7c00, bits.compare(VectorOperators.GE, Float.floatToRawIntBits(65520f)));
        IntVector nan = bits.lanewise(VectorOperators.LSHR, 13).and(0x3ff).or(0x7e00);
        h = h.blend(nan, bits.compare(VectorOperators.GT, 0x7f80_0000));
        return (ShortVector) h.or(sign).convertShape(VectorOperators.I2S, SHORTS, 0);
    }
}
