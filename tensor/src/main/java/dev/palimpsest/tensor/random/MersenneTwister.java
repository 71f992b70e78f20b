package dev.palimpsest.tensor.random;

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
        int y = words[next++];
        y ^= y >>> 11;
        y ^= (y << 7) & 0x9d2c5680;
        y ^= (y << 15) & 0xefc60000;
        return y ^ (y >>> 18);
    }

    /// The next 64 random bits: the first draw is the high half.
    long random64() {
        long high = Integer.toUnsignedLong(random());
        return (high << 32) | Integer.toUnsignedLong(random());
    }

    private void renew() {
        for (int k = 0; k < SIZE; k++) {
            int y = (words[k] & 0x80000000) | (words[(k + 1) % SIZE] & 0x7fffffff);
            words[k] = words[(k + SHIFT) % SIZE] ^ (y >>> 1) ^ (-(y & 1) & TWIST);
        }
        left = SIZE;
        next = 0;
    }
}
