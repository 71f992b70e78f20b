package dev.palimpsest.bench.compare;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;

/// Times of single calls of one contestant, in seconds.
///
/// @param best shortest
/// @param median of all
/// @param spread the difference of the third and first quartile over the median
record Timing(double best, double median, double spread) {

    private static Timing of(List<Double> seconds) {
        List<Double> sorted = new ArrayList<>(seconds);
        Collections.sort(sorted);
        double median = at(sorted, 0.5);
        return new Timing(sorted.getFirst(), median, (at(sorted, 0.75) - at(sorted, 0.25)) / median);
    }

    private static double at(List<Double> sorted, double share) {
        return sorted.get((int) Math.round(share * (sorted.size() - 1)));
    }

    /// How long to measure.
    ///
    /// @param warmUp seconds of calls that do not count, for each contestant; at least one call unless 0
    /// @param turn seconds of a turn; at least one call
    /// @param rounds turns of each contestant
    record Effort(double warmUp, double turn, int rounds) {}

    /// Lets all contestants take turns.
    ///
    /// @param pause milliseconds before each turn
    static List<Timing> measure(List<Contestant> contestants, Effort effort, long pause, Random random) {
        for (Contestant c : contestants) {
            rest(pause);
            long end = System.nanoTime() + nanos(effort.warmUp());
            while (System.nanoTime() < end) {
                c.prepare().run();
                c.call().run();
            }
        }
        List<List<Double>> times = new ArrayList<>();
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < contestants.size(); i++) {
            times.add(new ArrayList<>());
            order.add(i);
        }
        for (int round = 0; round < effort.rounds(); round++) {
            Collections.shuffle(order, random);
            for (int i : order) {
                rest(pause);
                Contestant c = contestants.get(i);
                long end = System.nanoTime() + nanos(effort.turn());
                long now;
                do {
                    c.prepare().run();
                    long start = System.nanoTime();
                    c.call().run();
                    now = System.nanoTime();
                    times.get(i).add((now - start) * 1e-9);
                } while (now < end);
            }
        }
        return times.stream().map(Timing::of).toList();
    }

    private static long nanos(double seconds) {
        return (long) (seconds * 1e9);
    }

    private static void rest(long millis) {
        long end = System.nanoTime() + millis * 1_000_000;
        while (System.nanoTime() < end) {
            LockSupport.parkNanos(end - System.nanoTime());
        }
    }
}
