package dev.palimpsest.tensor.random;

/// The counter-based generator Philox 4x32 with 10 rounds.
///
/// Source: J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. A block
/// of four 32-bit words is a keyed, invertible mix of a 128-bit counter, so any block can be computed on its own.
/// cuRAND's layout: the key is the seed, the low 64 bits of the counter are the offset within a subsequence, and the
/// high 64 bits are the subsequence (the thread).
final class Philox {

    private static final int ROUNDS = 10;
    private static final long MULTIPLIER_0 = 0xD2511F53L;
    private static final long MULTIPLIER_1 = 0xCD9E8D57L;
    private static final int WEYL_0 = 0x9E3779B9; // the golden ratio
    private static final int WEYL_1 = 0xBB67AE85; // sqrt(3) - 1

    private Philox() {}

    /// Writes the four words of one block to `out`.
    ///
    /// @param seed the 64-bit key
    /// @param subsequence the high half of the counter
    /// @param block the low half of the counter
    static void block(long seed, long subsequence, long block, int[] out) {
        int key0 = (int) seed;
        int key1 = (int) (seed >>> 32);
        int c0 = (int) block;
        int c1 = (int) (block >>> 32);
        int c2 = (int) subsequence;
        int c3 = (int) (subsequence >>> 32);
        for (int round = 0; round < ROUNDS; round++) {
            long product0 = MULTIPLIER_0 * Integer.toUnsignedLong(c0);
            long product1 = MULTIPLIER_1 * Integer.toUnsignedLong(c2);
            c0 = (int) (product1 >>> 32) ^ c1 ^ key0;
            c1 = (int) product1;
            c2 = (int) (product0 >>> 32) ^ c3 ^ key1;
            c3 = (int) product0;
            key0 += WEYL_0;
            key1 += WEYL_1;
        }
        out[0] = c0;
        out[1] = c1;
        out[2] = c2;
        out[3] = c3;
    }
}
