package dev.palimpsest.bench.compare;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/// Times of single calls of one contestant, in seconds.
///
/// @param best shortest
/// @param median of the last turns
/// @param spread the difference of the third and first quartile of these over the median
record Timing(double best, double median, double spread) {
    private static final double FELL = 0.97;
    private static final int SETTLED = 2;

    /// How long to measure. The first turns of a contestant may be spent by the compiler or on cold memory: turns go on
    /// until there were two in which the best time did not fall and nothing was compiled, for ours and theirs alike.
    /// Calls that take long need fewer: a few of them say as much as many short ones.
    ///
    /// @param turn seconds of a turn; at least one call
    /// @param turns of each contestant at least, unless they take long
    /// @param most turns of a contestant whose time goes on falling
    /// @param enough seconds in all turns of a contestant after which a single one without a fall will do
    /// @param limit seconds in all turns of a contestant after which there is none, but for a second one after a fall
    record Effort(double turn, int turns, int most, double enough, double limit) {}

    /// Lets all contestants take turns, in another order each time.
    ///
    /// @param first seconds of a call that each of them made before, which counts
    /// @param pause milliseconds before each turn
    /// @param undisturbed asked after a turn, whether nothing was compiled meanwhile
    static List<Timing> measure(
            List<Contestant> contestants,
            List<Double> first,
            Effort effort,
            long pause,
            Random random,
            BooleanSupplier undisturbed) {
        List<Turns> all = new ArrayList<>();
        for (int i = 0; i < contestants.size(); i++) {
            all.add(new Turns(contestants.get(i), effort, first.get(i), undisturbed));
        }
        List<Turns> left = new ArrayList<>(all);
        while (!left.isEmpty()) {
            Collections.shuffle(left, random);
            for (Turns turns : left) {
                rest(pause);
                turns.take();
            }
            left.removeIf(Turns::isOver);
        }
        return all.stream().map(Turns::timing).toList();
    }

    private static void rest(long millis) {
        long end = System.nanoTime() + millis * 1_000_000;
        while (System.nanoTime() < end) {
            LockSupport.parkNanos(end - System.nanoTime());
        }
    }

    /// The turns of one contestant.
    private static final class Turns {
        private final Contestant contestant;
        private final Effort effort;
        private final BooleanSupplier undisturbed;
        private final List<List<Double>> taken = new ArrayList<>();
        private double best;
        private double spent;
        private int sinceItFell;

        Turns(Contestant contestant, Effort effort, double first, BooleanSupplier undisturbed) {
            this.contestant = contestant;
            this.effort = effort;
            this.undisturbed = undisturbed;
            this.best = first;
        }

        void take() {
            List<Double> seconds = new ArrayList<>();
            long end = System.nanoTime() + (long) (effort.turn() * 1e9);
            long now;
            do {
                long start = System.nanoTime();
                contestant.call().run();
                now = System.nanoTime();
                seconds.add((now - start) * 1e-9);
            } while (now < end);
            taken.add(seconds);
            spent += (now - end) * 1e-9 + effort.turn();
            double shortest = Collections.min(seconds);
            boolean settled = undisturbed.getAsBoolean() && shortest >= FELL * best;
            sinceItFell = settled ? sinceItFell + 1 : 0;
            best = Math.min(best, shortest);
        }

        boolean isOver() {
            return taken.size() >= effort.most()
                    || (spent >= effort.limit() && (sinceItFell >= 1 || taken.size() >= SETTLED))
                    || (spent >= effort.enough() && sinceItFell >= 1)
                    || (taken.size() >= effort.turns() && sinceItFell >= SETTLED);
        }

        Timing timing() {
            int from = Math.max(0, taken.size() - Math.max(1, effort.turns() - 1));
            List<Double> last = new ArrayList<>();
            taken.subList(from, taken.size()).forEach(last::addAll);
            Collections.sort(last);
            double median = at(last, 0.5);
            return new Timing(best, median, (at(last, 0.75) - at(last, 0.25)) / median);
        }

        private static double at(List<Double> sorted, double share) {
            return sorted.get((int) Math.round(share * (sorted.size() - 1)));
        }
    }
}
