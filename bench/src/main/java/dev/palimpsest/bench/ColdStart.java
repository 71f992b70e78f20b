package dev.palimpsest.bench;

import dev.palimpsest.bench.Shapes.Product;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Parallel;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/// The command `bench/cold-start`: how long a fresh JVM needs to its first matrix product and to full speed.
///
/// Times count from the start of the JVM. Making operands, which is not the kernels' work, is taken out.
public final class ColdStart {
    private static final Product SHAPE = Product.VINCIE_ATTENTION_OUT;
    private static final double SECONDS = 8;
    private static final double FULL = 0.95;
    private static final int WINDOW = 5;

    private ColdStart() {}

    /// One product.
    ///
    /// @param end seconds since the first one began
    /// @param seconds that it took
    private record Call(double end, double seconds) {}

    /// Measures and prints.
    ///
    /// @param args the provider, `vector` if there is none, and the number of threads, 1 if there is none
    public static void main(String[] args) {
        String provider = args.length > 0 ? args[0] : "vector";
        int threads = args.length > 1 ? Integer.parseInt(args[1]) : 1;
        long jvm = ManagementFactory.getRuntimeMXBean().getStartTime();
        double toMain = (System.currentTimeMillis() - jvm) * 1e-3;
        try (Arena arena = Arena.ofShared();
                Parallel parallel = new Parallel(threads)) {
            Inputs inputs = new Inputs(arena);
            NdArray a = inputs.random(DType.F32, SHAPE.m(), SHAPE.k());
            NdArray weight = inputs.random(DType.F32, SHAPE.n(), SHAPE.k()).transpose(0, 1);
            NdArray out = inputs.zeros(DType.F32, SHAPE.m(), SHAPE.n());
            long start = System.nanoTime();
            Kernels kernels = KernelProviders.create(provider, parallel);
            PackedMatrix packed = kernels.pack(weight, Arithmetic.F32, 0, arena);
            double toPacked = (System.nanoTime() - start) * 1e-9;
            List<Call> calls = new ArrayList<>();
            double now = toPacked;
            while (now < SECONDS) {
                kernels.matmul(a, packed, out, Epilogue.NONE);
                double end = (System.nanoTime() - start) * 1e-9;
                calls.add(new Call(end, end - now));
                now = end;
            }
            double full = median(calls.subList(calls.size() / 2, calls.size()));
            System.out.printf(
                    Locale.ROOT,
                    "%s, %d thread(s), %dx%dx%d: main after %.2f s; provider and packed weight %.2f s later; first product "
                            + "%.3f s (%.0f GFLOP/s), done %.2f s after the JVM started; full speed %.0f GFLOP/s, %.0f %% "
                            + "of it from %.2f s on%n",
                    provider,
                    threads,
                    SHAPE.m(),
                    SHAPE.n(),
                    SHAPE.k(),
                    toMain,
                    toPacked,
                    calls.getFirst().seconds(),
                    SHAPE.gflop() / calls.getFirst().seconds(),
                    toMain + calls.getFirst().end(),
                    SHAPE.gflop() / full,
                    100 * FULL,
                    toMain + fromThenOn(calls, full));
        }
    }

    /// When the median of the next calls first is at full speed.
    private static double fromThenOn(List<Call> calls, double full) {
        for (int i = 0; i + WINDOW <= calls.size(); i++) {
            if (median(calls.subList(i, i + WINDOW)) <= full / FULL) {
                return calls.get(i).end() - calls.get(i).seconds();
            }
        }
        return SECONDS;
    }

    private static double median(List<Call> calls) {
        List<Double> seconds = new ArrayList<>();
        calls.forEach(c -> seconds.add(c.seconds()));
        Collections.sort(seconds);
        return seconds.get(seconds.size() / 2);
    }
}
