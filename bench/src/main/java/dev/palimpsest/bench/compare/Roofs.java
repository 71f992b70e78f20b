package dev.palimpsest.bench.compare;

import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/// What this machine can do, measured: multiplications and additions of f32 in registers, and copies of memory that no
/// cache holds.
///
/// @param f32 GFLOP/s
/// @param bf16 GFLOP/s of dot products of pairs of bf16, 0 if the processor has none
/// @param int8 Gop/s of dot products of quadruples of 8-bit integers, 0 if the processor has none
/// @param copy GB/s, each byte counted when it is read and when it is written
/// @param read GB/s of memory that is only read
record Roofs(double f32, double bf16, double int8, double copy, double read) {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Long> LONGS = LongVector.SPECIES_PREFERRED;
    private static final int CHAINS = 12;
    private static final int STEPS = 200_000;
    private static final long COPIED = 128L << 20;
    private static final int STREAMS = 4;
    private static final int TURNS = 40;
    private static final int MEMORY_TURNS = 12;

    /// Measures.
    static Roofs measure(Parallel parallel) {
        int threads = parallel.threads();
        try (Arena arena = Arena.ofShared()) {
            float[][] sinks = new float[threads][SPECIES.length()];
            double flops = best(TURNS, () -> parallel.forEach(threads, t -> multiplyAndAdd(sinks[t])));
            MemorySegment source = arena.allocate(COPIED, 64).fill((byte) 1);
            MemorySegment target = arena.allocate(COPIED, 64).fill((byte) 2);
            long part = COPIED / threads / STREAMS / LONGS.vectorByteSize() * STREAMS * LONGS.vectorByteSize();
            double copied = best(
                    MEMORY_TURNS,
                    () -> parallel.forEach(threads, t -> MemorySegment.copy(source, t * part, target, t * part, part)));
            long[] sums = new long[threads];
            double read = Math.min(
                    best(MEMORY_TURNS, () -> parallel.forEach(threads, t -> sums[t] += sum(source, t * part, part))),
                    best(
                            MEMORY_TURNS,
                            () -> parallel.forEach(threads, t -> sums[t] += sumOfStreams(source, t * part, part))));
            return new Roofs(
                    2e-9 * CHAINS * STEPS * SPECIES.length() * threads / flops,
                    dots(DotLoop.bf16(), parallel),
                    dots(DotLoop.int8(), parallel),
                    2e-9 * part * threads / copied,
                    1e-9 * part * threads / read);
        }
    }

    /// The greater of each.
    Roofs orBetter(Roofs other) {
        return new Roofs(
                Math.max(f32, other.f32),
                Math.max(bf16, other.bf16),
                Math.max(int8, other.int8),
                Math.max(copy, other.copy),
                Math.max(read, other.read));
    }

    /// For a reader.
    String inWords() {
        return String.format(
                Locale.ROOT,
                "f32 %.0f GFLOP/s, bf16 %.0f GFLOP/s, int8 %.0f Gop/s, copy %.1f GB/s, read %.1f GB/s",
                f32,
                bf16,
                int8,
                copy,
                read);
    }

    private static double dots(@Nullable DotLoop loop, Parallel parallel) {
        if (loop == null) {
            return 0;
        }
        int threads = parallel.threads();
        return 1e-9
                * loop.operations()
                * STEPS
                * threads
                / best(TURNS, () -> parallel.forEach(threads, t -> loop.run(STEPS)));
    }

    private static long sum(MemorySegment memory, long from, long bytes) {
        LongVector sum = LongVector.zero(LONGS);
        for (long at = from; at < from + bytes; at += LONGS.vectorByteSize()) {
            sum = sum.add(LongVector.fromMemorySegment(LONGS, memory, at, ByteOrder.nativeOrder()));
        }
        return sum.reduceLanes(VectorOperators.ADD);
    }

    /// Four places at once: which of the two forms is faster depends on what fetches memory ahead.
    private static long sumOfStreams(MemorySegment memory, long from, long bytes) {
        ByteOrder order = ByteOrder.nativeOrder();
        long part = bytes / STREAMS;
        LongVector a = LongVector.zero(LONGS);
        LongVector b = a;
        LongVector c = a;
        LongVector d = a;
        for (long at = from; at < from + part; at += LONGS.vectorByteSize()) {
            a = a.add(LongVector.fromMemorySegment(LONGS, memory, at, order));
            b = b.add(LongVector.fromMemorySegment(LONGS, memory, at + part, order));
            c = c.add(LongVector.fromMemorySegment(LONGS, memory, at + 2 * part, order));
            d = d.add(LongVector.fromMemorySegment(LONGS, memory, at + 3 * part, order));
        }
        return a.add(b).add(c).add(d).reduceLanes(VectorOperators.ADD);
    }

    private static double best(int turns, Runnable body) {
        return IntStream.range(0, turns)
                .mapToDouble(i -> {
                    long start = System.nanoTime();
                    body.run();
                    return (System.nanoTime() - start) * 1e-9;
                })
                .min()
                .orElseThrow();
    }

    /// Twelve independent chains, enough to hide the latency of two units.
    private static void multiplyAndAdd(float[] sink) {
        FloatVector factor = FloatVector.broadcast(SPECIES, 0.999f);
        FloatVector term = FloatVector.broadcast(SPECIES, 0.001f);
        FloatVector a0 = term;
        FloatVector a1 = term;
        FloatVector a2 = term;
        FloatVector a3 = term;
        FloatVector a4 = term;
        FloatVector a5 = term;
        FloatVector a6 = term;
        FloatVector a7 = term;
        FloatVector a8 = term;
        FloatVector a9 = term;
        FloatVector a10 = term;
        FloatVector a11 = term;
        for (int i = 0; i < STEPS; i++) {
            a0 = a0.fma(factor, term);
            a1 = a1.fma(factor, term);
            a2 = a2.fma(factor, term);
            a3 = a3.fma(factor, term);
            a4 = a4.fma(factor, term);
            a5 = a5.fma(factor, term);
            a6 = a6.fma(factor, term);
            a7 = a7.fma(factor, term);
            a8 = a8.fma(factor, term);
            a9 = a9.fma(factor, term);
            a10 = a10.fma(factor, term);
            a11 = a11.fma(factor, term);
        }
        a0.add(a1)
                .add(a2)
                .add(a3)
                .add(a4)
                .add(a5)
                .add(a6)
                .add(a7)
                .add(a8)
                .add(a9)
                .add(a10)
                .add(a11)
                .intoArray(sink, 0);
    }
}
