package dev.palimpsest.tensor.random;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The MT19937 engine as PyTorch runs it (`at::mt19937`).
///
/// Source: M. Matsumoto and T. Nishimura, "Mersenne Twister: A 623-Dimensionally Equidistributed Uniform Pseudo-Random
/// Number Generator", ACM TOMACS 8(1), 1998; seeding from their 2002 revision (`init_genrand`). Words are unsigned
/// 32-bit values held in `int`.
final class MersenneTwister {

    /// Words of state (n in the paper).
    static final int SIZE = 624;

    /// The distance of the recurrence (m in the paper).
    private static final int SHIFT = 397;

    private static final int TWIST = 0x9908b0df;

    /// The seed as given; the engine itself takes its low 32 bits.
    final long seed;

    final int[] words = new int[SIZE];

    /// Draws that remain until the words must be renewed, plus one: 1 means "renew before the next draw".
    int left = 1;

    /// The index of the next word to hand out.
    int next;

    MersenneTwister(long seed) {
        this.seed = seed;
        words[0] = (int) seed;
        for (int i = 1; i < SIZE; i++) {
            words[i] = 1812433253 * (words[i - 1] ^ (words[i - 1] >>> 30)) + i;
        }
    }

    MersenneTwister(MersenneTwister other) {
        this(other.seed, other.words, other.left, other.next);
    }

    MersenneTwister(long seed, int[] words, int left, int next) {
        this.seed = seed;
        System.arraycopy(words, 0, this.words, 0, SIZE);
        this.left = left;
        this.next = next;
    }

    /// The next 32 random bits.
    int random() {
        if (--left == 0) {
            renew();
        }
        return tempered(words[next++]);
    }

    /// The next 64 random bits: the first draw is the high half.
    long random64() {
        long high = Integer.toUnsignedLong(random());
        return (high << 32) | Integer.toUnsignedLong(random());
    }

    /// The next `n` draws as floats uniform in [0, 1), by their low 24 bits; the same as one [#random] after another,
    /// without asking each time whether words are left.
    void fill(MemorySegment out, long n) {
        for (long at = 0; at < n; ) {
            if (left == 1) {
                renew();
                left = SIZE + 1;
            }
            int count = (int) Math.min(n - at, left - 1);
            for (int i = 0; i < count; i++) {
                out.setAtIndex(
                        ValueLayout.JAVA_FLOAT_UNALIGNED, at + i, (tempered(words[next + i]) & 0xff_ffff) * 0x1p-24f);
            }
            left -= count;
            next += count;
            at += count;
        }
    }

    private static int tempered(int word) {
        int y = word ^ word >>> 11;
        y ^= (y << 7) & 0x9d2c5680;
        y ^= (y << 15) & 0xefc60000;
        return y ^ (y >>> 18);
    }

    /// The recurrence runs in place over a ring; in three loops, so that none has to find its place in the ring.
    private void renew() {
        for (int k = 0; k < SIZE - SHIFT; k++) {
            words[k] = twisted(words[k], words[k + 1]) ^ words[k + SHIFT];
        }
        for (int k = SIZE - SHIFT; k < SIZE - 1; k++) {
            words[k] = twisted(words[k], words[k + 1]) ^ words[k + SHIFT - SIZE];
        }
        words[SIZE - 1] = twisted(words[SIZE - 1], words[0]) ^ words[SHIFT - 1];
        left = SIZE;
        next = 0;
    }

    private static int twisted(int high, int low) {
        int y = (high & 0x80000000) | (low & 0x7fffffff);
        return (y >>> 1) ^ (-(y & 1) & TWIST);
    }
}
