package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.Inputs;
import dev.palimpsest.bench.MatmulShape;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.util.function.LongSupplier;

/// Our products and those of OpenBLAS in turn, in one process, best of many: for machines that are too busy for
/// averages.
///
/// One thread is timed by the processor time that it used, so that other processes disturb little; more threads by the
/// clock.
public final class MatmulComparison {
    private static final Duration TURN = Duration.ofMillis(300);
    private static final int TURNS = 8;

    private MatmulComparison() {}

    /// Prints a line for each shape.
    ///
    /// @param args the number of threads, 1 if there is none
    public static void main(String[] args) {
        int threads = args.length == 0 ? 1 : Integer.parseInt(args[0]);
        ThreadMXBean bean = ManagementFactory.getThreadMXBean();
        LongSupplier clock = threads == 1 ? bean::getCurrentThreadCpuTime : System::nanoTime;
        OpenBlas openBlas = new OpenBlas();
        openBlas.threads(threads);
        System.out.printf("GFLOP/s, best, %d thread(s); OpenBLAS kernels for %s%n", threads, openBlas.core());
        try (Parallel parallel = new Parallel(threads)) {
            Kernels kernels = KernelProviders.create("vector", parallel);
            for (MatmulShape shape : MatmulShape.values()) {
                try (Arena arena = Arena.ofShared()) {
                    Inputs inputs = new Inputs(arena);
                    NdArray a = inputs.random(DType.F32, shape.m(), shape.k());
                    NdArray weight = inputs.random(shape.weightType(), shape.n(), shape.k());
                    NdArray wide = inputs.random(DType.F32, shape.n(), shape.k());
                    NdArray out = inputs.random(DType.F32, shape.m(), shape.n());
                    NdArray matrix = weight.transpose(0, 1);
                    double ours = Double.POSITIVE_INFINITY;
                    double theirs = Double.POSITIVE_INFINITY;
                    for (int turn = 0; turn < TURNS; turn++) {
                        ours = Math.min(ours, best(clock, () -> kernels.matmul(a, matrix, out, Epilogue.NONE)));
                        theirs = Math.min(theirs, best(clock, () -> openBlas.linear(a, wide, out)));
                    }
                    System.out.printf(
                            "%-26s ours %7.1f  OpenBLAS (f32) %7.1f  ratio %.2f%n",
                            shape, shape.gflop() / ours, shape.gflop() / theirs, theirs / ours);
                }
            }
        }
    }

    private static double best(LongSupplier clock, Runnable body) {
        double best = Double.POSITIVE_INFINITY;
        long end = clock.getAsLong() + TURN.toNanos();
        long start;
        while ((start = clock.getAsLong()) < end) {
            body.run();
            best = Math.min(best, (clock.getAsLong() - start) * 1e-9);
        }
        return best;
    }
}
