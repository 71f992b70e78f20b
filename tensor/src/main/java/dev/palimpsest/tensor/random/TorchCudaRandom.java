package dev.palimpsest.tensor.random;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// The stream of PyTorch's generator on a CUDA device, computed on the CPU.
///
/// PyTorch launches one thread per element, up to the number the device holds. Thread `t` owns Philox subsequence `t`
/// and draws blocks of four numbers: the first for element `t`, the second for element `t + threads`, and so on, where
/// `threads` is the number launched; a draw of more than `4 * threads` elements goes round again with the next block.
/// A call that takes `r` rounds moves the generator's offset on by `4 * r`, whatever it needed of the last block.
/// (`calc_execution_policy` and `distribution_elementwise_grid_stride_kernel` in PyTorch's
/// `aten/src/ATen/native/cuda/DistributionTemplates.h`; `curand_normal4` and `curand_uniform4` in cuRAND.)
///
/// What is exact: the random bits, which element gets them, the offset after each call, and [#rand]. Normal and
/// exponential values are the transformation's exact value rounded once to float32. A device evaluates it in float32
/// with the approximate sine and logarithm of its hardware, whose results are not specified to the bit, so values read
/// back from a device lie around these by up to about 1e-6.
///
/// Sources: Salmon et al. 2011 (Philox); G. Box and M. Muller, "A Note on the Generation of Random Normal Deviates",
/// Annals of Mathematical Statistics 29(2), 1958.
public final class TorchCudaRandom implements RandomSource {

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    /// Numbers in a block, and so elements per thread and round (`unroll_factor`).
    private static final int UNROLL = 4;

    /// PyTorch splits larger tensors over several launches, since they need more than 32-bit byte offsets.
    private static final long MAX_COUNT = 1L << 29;

    private static final int STATE_BYTES = 16;

    /// 2^-32 with the eight digits that cuRAND writes it with.
    private static final double UNIT = 2.3283064e-10;

    private static final double UNIT_2PI = UNIT * (2 * Math.PI);

    private final CudaDevice device;
    private long seed;
    private long offset;

    /// A generator as after `torch.cuda.manual_seed(seed)` on a [CudaDevice#A100].
    public TorchCudaRandom(long seed) {
        this(seed, CudaDevice.A100);
    }

    /// A generator as after `torch.cuda.manual_seed(seed)` on the given device.
    public TorchCudaRandom(long seed, CudaDevice device) {
        this.seed = seed;
        this.device = device;
    }

    @Override
    public void rand(MemorySegment out) {
        fill("rand", out, (words, k) -> uniformBelowOne(words[k]));
    }

    @Override
    public void randn(MemorySegment out) {
        fill("randn", out, TorchCudaRandom::normal);
    }

    @Override
    public void exponential(MemorySegment out) {
        fill("exponential", out, (words, k) -> exponential(uniform(words[k])));
    }

    @Override
    public long seed() {
        return seed;
    }

    /// The position in every thread's subsequence, in numbers; a multiple of four.
    public long offset() {
        return offset;
    }

    /// The device whose launches this generator follows.
    public CudaDevice device() {
        return device;
    }

    @Override
    public byte[] state() {
        return ByteBuffer.allocate(STATE_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(seed)
                .putLong(offset)
                .array();
    }

    @Override
    public void restore(byte[] state) {
        if (state.length != STATE_BYTES) {
            throw new IllegalArgumentException("CUDA generator state: " + state.length + " bytes instead of "
                    + STATE_BYTES + "; a CPU generator's state belongs to TorchCpuRandom");
        }
        var buffer = ByteBuffer.wrap(state).order(ByteOrder.LITTLE_ENDIAN);
        long newSeed = buffer.getLong();
        long newOffset = buffer.getLong();
        if (newOffset < 0 || newOffset % UNROLL != 0) {
            throw new IllegalArgumentException(
                    "CUDA generator state: the offset " + newOffset + " is not a multiple of " + UNROLL);
        }
        seed = newSeed;
        offset = newOffset;
    }

    @Override
    public TorchCudaRandom copy() {
        var copy = new TorchCudaRandom(seed, device);
        copy.offset = offset;
        return copy;
    }

    /// Turns the words of one block into the value of its `k`-th element.
    private interface Transform {
        float apply(int[] words, int k);
    }

    private void fill(String op, MemorySegment out, Transform transform) {
        long count = Segments.count(op, out, FLOAT);
        if (count == 0) {
            return;
        }
        if (count > MAX_COUNT) {
            throw new IllegalArgumentException(op + ": " + count + " elements are more than the " + MAX_COUNT
                    + " that one launch can draw; draw them in parts");
        }
        long threads = device.launchedThreads(count);
        long rounds = Math.ceilDiv(count, threads * UNROLL);
        var words = new int[4];
        for (long round = 0; round < rounds; round++) {
            long first = round * threads * UNROLL;
            for (long thread = 0; thread < threads && first + thread < count; thread++) {
                Philox.block(seed, thread, offset / UNROLL + round, words);
                for (int k = 0; k < UNROLL; k++) {
                    long index = first + k * threads + thread;
                    if (index < count) {
                        out.setAtIndex(FLOAT, index, transform.apply(words, k));
                    }
                }
            }
        }
        offset += rounds * UNROLL;
    }

    /// Box-Muller over the pairs (0, 1) and (2, 3) of a block: the sine first, then the cosine.
    private static float normal(int[] words, int k) {
        double u = Integer.toUnsignedLong(words[k & ~1]) * UNIT + UNIT / 2;
        double angle = Integer.toUnsignedLong(words[k | 1]) * UNIT_2PI + UNIT_2PI / 2;
        double radius = Math.sqrt(-2 * StrictMath.log(u));
        return (float) (radius * ((k & 1) == 0 ? StrictMath.sin(angle) : StrictMath.cos(angle)));
    }

    /// cuRAND's uniform value in (0, 1]: the middle of the word's interval, in float32 arithmetic.
    static float uniform(int word) {
        return (float) Integer.toUnsignedLong(word) * 0x1p-32f + 0x1p-33f;
    }

    /// PyTorch turns cuRAND's (0, 1] into [0, 1) by moving the upper end to zero.
    static float uniformBelowOne(int word) {
        float u = uniform(word);
        return u == 1 ? 0 : u;
    }

    static float exponential(float u) {
        // A value of exactly zero would divide by zero in a race, so PyTorch keeps the logarithm below zero.
        return u >= 1 - 0x1p-24f ? 0x1p-24f : (float) -StrictMath.log(u);
    }
}
