package dev.palimpsest.tensor.random;

import java.lang.foreign.MemorySegment;

/// A seeded stream of random numbers, in the vocabulary of PyTorch (`rand`, `randn`, `exponential_`, ...).
///
/// How many numbers a call draws is part of the stream: both generators draw differently for different counts, so one
/// call for 100 values and two calls for 50 give different values, exactly as in PyTorch. A tensor's shape does not
/// matter, only how many elements it has.
///
/// Memory segments are filled from their first byte to their last with float32 values in native byte order; their size
/// must be a multiple of four bytes. A source is not thread-safe.
public sealed interface RandomSource permits TorchCpuRandom, TorchCudaRandom {

    /// Fills `out` with float32 values uniform in [0, 1), as `torch.rand`.
    ///
    /// @throws IllegalArgumentException if the segment's size is no multiple of four bytes
    void rand(MemorySegment out);

    /// Fills `out` with float32 values of the standard normal distribution, as `torch.randn`.
    ///
    /// @throws IllegalArgumentException if the segment's size is no multiple of four bytes
    void randn(MemorySegment out);

    /// Fills `out` with float32 values of the exponential distribution with rate 1, as `Tensor.exponential_()`.
    ///
    /// @throws IllegalArgumentException if the segment's size is no multiple of four bytes
    void exponential(MemorySegment out);

    /// The seed this stream started from.
    long seed();

    /// The complete state, in the format of `torch.Generator.get_state()`; [#restore] continues from it.
    byte[] state();

    /// Continues from a state that [#state] or PyTorch's `get_state()` of the same kind of generator returned.
    ///
    /// @throws IllegalArgumentException if the bytes are not such a state; this source is then unchanged
    void restore(byte[] state);

    /// An independent source that continues from the same point.
    RandomSource copy();

    /// Fills `out` with float32 values uniform in [0, 1); see [#rand(MemorySegment)].
    default void rand(float[] out) {
        rand(MemorySegment.ofArray(out));
    }

    /// Fills `out` with standard normal float32 values; see [#randn(MemorySegment)].
    default void randn(float[] out) {
        randn(MemorySegment.ofArray(out));
    }

    /// Fills `out` with exponential float32 values of rate 1; see [#exponential(MemorySegment)].
    default void exponential(float[] out) {
        exponential(MemorySegment.ofArray(out));
    }

    /// Fills `out` with coin flips that are true with probability `p`, as `torch.rand(n) < p`.
    ///
    /// This is the mask of a dropout layer or of a bit-flip augmentation. `Tensor.bernoulli_` takes its bits from the
    /// stream in another way, which depends on the processor's vendor; it is not what this reproduces.
    ///
    /// @throws IllegalArgumentException if `p` is not in [0, 1]
    default void bernoulli(float p, boolean[] out) {
        if (!(p >= 0 && p <= 1)) {
            throw new IllegalArgumentException("bernoulli: the probability " + p + " is not between 0 and 1");
        }
        var uniform = new float[out.length];
        rand(uniform);
        for (int i = 0; i < out.length; i++) {
            out[i] = uniform[i] < p;
        }
    }

    /// Draws one category for every row of a row-major matrix of probabilities, as `torch.multinomial(p, 1)`.
    ///
    /// The draw is an exponential race: with independent `e_j ~ Exp(1)`, `argmax_j p_j / e_j` is `j` with probability
    /// `p_j / sum(p)`, so rows need not sum to one. It consumes one exponential per entry.
    ///
    /// @param probabilities (rows, categories), finite and not negative, with a positive entry in every row
    /// @param categories the length of a row
    /// @return (rows), the index drawn in each row
    /// @throws IllegalArgumentException if the array is no whole number of rows, or a row is not as said above
    default int[] multinomial(float[] probabilities, int categories) {
        if (categories < 1 || probabilities.length % categories != 0) {
            throw new IllegalArgumentException("multinomial: " + probabilities.length
                    + " probabilities are no whole number of rows of " + categories + " categories");
        }
        for (float p : probabilities) {
            if (!(p >= 0 && p < Float.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException("multinomial: the probability " + p + " is negative or not finite");
            }
        }
        var race = new float[probabilities.length]; // (rows, categories)
        exponential(race);
        var drawn = new int[probabilities.length / categories]; // (rows)
        for (int row = 0; row < drawn.length; row++) {
            int winner = -1;
            float lead = Float.NEGATIVE_INFINITY;
            for (int j = 0; j < categories; j++) {
                float p = probabilities[row * categories + j];
                float score = p / race[row * categories + j];
                // An impossible category must not win by drawing an exponential of exactly zero (0 / 0).
                if (p > 0 && score > lead) {
                    lead = score;
                    winner = j;
                }
            }
            if (winner < 0) {
                throw new IllegalArgumentException("multinomial: every probability of row " + row + " is zero");
            }
            drawn[row] = winner;
        }
        return drawn;
    }
}
