package dev.palimpsest.tensor.random;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// The stream of PyTorch's generator on an x86-64 CPU (`torch.manual_seed`, `torch.Generator`).
///
/// The engine is MT19937. What PyTorch makes of its words:
///
/// - [#rand] and [#rand64]: the low 24 bits of one word, or 53 of two, as a binary fraction.
/// - [#randn] and [#randn64] of fewer than 16 values: Box-Muller in double precision, a pair at a time; the second of
/// a pair is kept for the next such call.
/// - [#randn] and [#randn64] of 16 values or more: all uniforms first, then Box-Muller on blocks of 8 + 8. If the last
/// block is not full, the last 16 values are made again from 16 fresh uniforms.
/// - [#exponential]: -ln(1 - u) of a 53-bit uniform.
/// - [#randint]: a word modulo the range; two words if the range is 2^32 or more.
/// - [#randperm]: a Fisher-Yates shuffle.
///
/// All of it reproduces PyTorch to the last bit, but for [#randn64]: there PyTorch calls the C library, and 2 values
/// of 1000 differ by one or two units in the last place because the C library missed the nearest double of a
/// logarithm, sine or cosine, which this class takes. PyTorch on another processor architecture evaluates the float32
/// [#randn] in another way and differs from this in the last bits.
///
/// Sources: Matsumoto and Nishimura 1998; Box and Muller 1958; in PyTorch's `aten/src/ATen`,
/// `native/cpu/DistributionTemplates.h`, `core/DistributionsHelper.h` and `native/TensorFactories.cpp`.
public final class TorchCpuRandom implements RandomSource {

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    /// From this many values on, normals are made in blocks.
    private static final int BLOCK = VectorBoxMuller.BLOCK;

    /// Up to this length a permutation is shuffled with 32-bit draws.
    private static final int LONG_PERMUTATION = (int) (0xffff_ffffL / 20);

    private static final long RANGE_32 = 1L << 32;

    private MersenneTwister engine;

    /// Whether `nextNormal` holds the unused half of a Box-Muller pair.
    private boolean hasNextNormal;

    private double nextNormal;

    /// A generator as after `torch.manual_seed(seed)`.
    ///
    /// An unsigned 64-bit seed is given by its bits. Only the low 32 reach the engine: seeds that agree in them give
    /// the same stream.
    public TorchCpuRandom(long seed) {
        engine = new MersenneTwister(seed);
    }

    @Override
    public void rand(MemorySegment out) {
        engine.fill(out, Segments.count("rand", out, FLOAT));
    }

    /// Fills `out` with float64 values uniform in [0, 1), as `torch.rand(n, dtype=torch.float64)`.
    public void rand64(double[] out) {
        for (int i = 0; i < out.length; i++) {
            out[i] = uniform64();
        }
    }

    @Override
    public void randn(MemorySegment out) {
        long count = Segments.count("randn", out, FLOAT);
        if (count < BLOCK) {
            for (long i = 0; i < count; i++) {
                out.setAtIndex(FLOAT, i, (float) normal64());
            }
            return;
        }
        rand(out);
        long whole = count - count % BLOCK;
        for (long start = 0; start < whole; start += BLOCK) {
            transformBlock(out, start);
        }
        if (whole < count) {
            rand(out.asSlice((count - BLOCK) * Float.BYTES));
            transformBlock(out, count - BLOCK);
        }
    }

    /// Fills `out` with standard normal float64 values, as `torch.randn(n, dtype=torch.float64)`.
    public void randn64(double[] out) {
        int count = out.length;
        if (count < BLOCK) {
            for (int i = 0; i < count; i++) {
                out[i] = normal64();
            }
            return;
        }
        rand64(out);
        int whole = count - count % BLOCK;
        for (int start = 0; start < whole; start += BLOCK) {
            transformBlock64(out, start);
        }
        if (whole < count) {
            for (int i = count - BLOCK; i < count; i++) {
                out[i] = uniform64();
            }
            transformBlock64(out, count - BLOCK);
        }
    }

    /// {@inheritDoc}
    ///
    /// PyTorch builds that use Intel's MKL for this call on Intel processors draw from another generator, seeded by
    /// one word of this stream; that is not what this reproduces.
    @Override
    public void exponential(MemorySegment out) {
        long count = Segments.count("exponential", out, FLOAT);
        for (long i = 0; i < count; i++) {
            out.setAtIndex(FLOAT, i, (float) -StrictMath.log1p(-uniform64()));
        }
    }

    /// Fills `out` with integers uniform in [low, high), as `torch.randint(low, high, (n,))`.
    ///
    /// @throws IllegalArgumentException if `low` is not below `high`
    public void randint(long low, long high, long[] out) {
        if (low >= high) {
            throw new IllegalArgumentException(
                    "randint: the lower bound " + low + " is not below the upper bound " + high);
        }
        long range = high - low; // unsigned
        boolean wide = Long.compareUnsigned(range, RANGE_32) >= 0;
        for (int i = 0; i < out.length; i++) {
            long word = wide ? engine.random64() : Integer.toUnsignedLong(engine.random());
            out[i] = low + Long.remainderUnsigned(word, range);
        }
    }

    /// A random permutation of 0 to n - 1, as `torch.randperm(n)`.
    ///
    /// @throws IllegalArgumentException if `n` is negative
    public long[] randperm(int n) {
        if (n < 0) {
            throw new IllegalArgumentException("randperm: the length " + n + " is negative");
        }
        return n < LONG_PERMUTATION ? shuffle(n) : shuffleInsideOut(n);
    }

    @Override
    public long seed() {
        return engine.seed;
    }

    @Override
    public byte[] state() {
        var buffer = ByteBuffer.allocate(State.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(State.SEED, engine.seed);
        buffer.putInt(State.LEFT, engine.left);
        buffer.putInt(State.SEEDED, 1);
        buffer.putLong(State.NEXT, engine.next);
        for (int i = 0; i < MersenneTwister.SIZE; i++) {
            buffer.putLong(State.WORDS + i * Long.BYTES, Integer.toUnsignedLong(engine.words[i]));
        }
        if (hasNextNormal) {
            buffer.putDouble(State.NEXT_NORMAL, nextNormal);
            buffer.putInt(State.HAS_NEXT_NORMAL, 1);
        }
        return buffer.array();
    }

    @Override
    public void restore(byte[] state) {
        if (state.length != State.BYTES) {
            throw new IllegalArgumentException("CPU generator state: " + state.length + " bytes instead of "
                    + State.BYTES + "; a CUDA generator's state belongs to TorchCudaRandom");
        }
        var buffer = ByteBuffer.wrap(state).order(ByteOrder.LITTLE_ENDIAN);
        int left = buffer.getInt(State.LEFT);
        long next = buffer.getLong(State.NEXT);
        if (buffer.getInt(State.SEEDED) != 1
                || left < 1
                || left > MersenneTwister.SIZE
                || next < 0
                || next > MersenneTwister.SIZE + 1 - left) {
            throw new IllegalArgumentException(
                    "CPU generator state: the position (" + left + " left, " + next + " next) is not valid");
        }
        var words = new int[MersenneTwister.SIZE];
        for (int i = 0; i < words.length; i++) {
            words[i] = (int) buffer.getLong(State.WORDS + i * Long.BYTES);
        }
        engine = new MersenneTwister(buffer.getLong(State.SEED), words, left, (int) next);
        hasNextNormal = buffer.getInt(State.HAS_NEXT_NORMAL) != 0;
        nextNormal = hasNextNormal ? buffer.getDouble(State.NEXT_NORMAL) : 0;
    }

    @Override
    public TorchCpuRandom copy() {
        var copy = new TorchCpuRandom(engine.seed);
        copy.engine = new MersenneTwister(engine);
        copy.hasNextNormal = hasNextNormal;
        copy.nextNormal = nextNormal;
        return copy;
    }

    private double uniform64() {
        return (engine.random64() & ((1L << 53) - 1)) * 0x1p-53;
    }

    /// One normal of a Box-Muller pair; the angle is drawn before the radius.
    private double normal64() {
        if (hasNextNormal) {
            hasNextNormal = false;
            return nextNormal + 0.0;
        }
        double angle = 2 * Math.PI * uniform64();
        double radius = radius64(uniform64());
        hasNextNormal = true;
        nextNormal = radius * NearestMath.sin(angle);
        return radius * NearestMath.cos(angle) + 0.0;
    }

    /// sqrt(-2 ln(1 - u)); 1 - u is exact, since u has 53 bits after the point.
    private static double radius64(double u) {
        return Math.sqrt(-2 * NearestMath.log(1 - u));
    }

    private static void transformBlock(MemorySegment out, long start) {
        var block = new float[BLOCK];
        MemorySegment.copy(out, FLOAT, start * Float.BYTES, block, 0, BLOCK);
        VectorBoxMuller.transform(block);
        MemorySegment.copy(block, 0, out, FLOAT, start * Float.BYTES, BLOCK);
    }

    private static void transformBlock64(double[] out, int start) {
        for (int j = start; j < start + BLOCK / 2; j++) {
            double radius = radius64(out[j]);
            double angle = 2 * Math.PI * out[j + BLOCK / 2];
            out[j] = radius * NearestMath.cos(angle) + 0.0;
            out[j + BLOCK / 2] = radius * NearestMath.sin(angle) + 0.0;
        }
    }

    /// Fisher-Yates from the front.
    private long[] shuffle(int n) {
        var permutation = new long[n];
        for (int i = 0; i < n; i++) {
            permutation[i] = i;
        }
        for (int i = 0; i < n - 1; i++) {
            int z = i + (int) (Integer.toUnsignedLong(engine.random()) % (n - i));
            long swapped = permutation[i];
            permutation[i] = permutation[z];
            permutation[z] = swapped;
        }
        return permutation;
    }

    /// Fisher-Yates inside out with 64-bit draws: near 2^32 elements, 32 bits modulo the length would be skewed.
    long[] shuffleInsideOut(int n) {
        var permutation = new long[n];
        for (int i = 0; i < n; i++) {
            int z = (int) Long.remainderUnsigned(engine.random64(), i + 1L);
            permutation[i] = permutation[z];
            permutation[z] = i;
        }
        return permutation;
    }

    /// Byte offsets in `torch.Generator.get_state()` of a CPU generator (`CPUGeneratorImplState`, a C struct).
    private static final class State {
        static final int SEED = 0;
        static final int LEFT = 8;
        static final int SEEDED = 12;
        static final int NEXT = 16;
        static final int WORDS = 24;
        static final int NEXT_NORMAL = WORDS + MersenneTwister.SIZE * Long.BYTES + 8;
        static final int HAS_NEXT_NORMAL = NEXT_NORMAL + 16;
        static final int BYTES = HAS_NEXT_NORMAL + 16;

        private State() {}
    }
}
