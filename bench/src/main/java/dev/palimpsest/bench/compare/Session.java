package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.compare.Timing.Effort;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import java.io.PrintStream;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/// Everything that the measurements with one number of threads share.
///
/// @param threads number of threads, ours and theirs
/// @param providers our kernels that work here
/// @param peers the libraries that are here
/// @param roofs what this machine can do with this many threads
/// @param quick whether time is short
/// @param random decides the order of turns
/// @param rows what was measured, this is added to
/// @param log what a person reads meanwhile
record Session(
        int threads,
        List<Kernels> providers,
        Peers peers,
        Roofs roofs,
        boolean quick,
        Random random,
        List<Row> rows,
        PrintStream log) {

    private static final double LONG = 0.7;
    private static final long GAP = 25;
    private static final long GAP_WITHOUT_WORKERS = 2;

    /// Contestants and what they compute.
    ///
    /// @param group what is measured: `gemm`, `conv`, ...
    /// @param shape where it occurs and its extents
    /// @param dtype element types
    /// @param work units of work in a call
    /// @param unit what is counted per second, more being better
    /// @param roof most units per second that the machine can do, 0 if unknown
    /// @param tolerance largest relative distance of two results, in the L2 norm
    /// @param note what a reader must know, empty if nothing
    record Contest(
            String group,
            String shape,
            String dtype,
            double work,
            String unit,
            double roof,
            double tolerance,
            String note) {}

    /// Kernels that convert operands.
    Kernels converter() {
        return providers.isEmpty() ? new ScalarKernels() : providers.getFirst();
    }

    /// Calls that take long are compiled after the first one, and a few of them say as much as many short ones.
    ///
    /// @param slowest seconds of the longest first call
    private Effort effort(double slowest) {
        if (slowest > LONG) {
            return quick ? new Effort(0, 0, 2) : new Effort(0, 0, 5);
        }
        return quick ? new Effort(0.3, 0.04, 4) : new Effort(1, 0.2, 8);
    }

    /// Checks that everybody computes the same, measures, and adds a row for each pair of ours and theirs.
    void measure(Contest contest, List<Contestant> ours, List<Contestant> theirs) {
        if (ours.isEmpty()) {
            return;
        }
        List<Contestant> all = new ArrayList<>(ours);
        all.addAll(theirs);
        List<float[]> results = new ArrayList<>();
        double slowest = 0;
        for (Contestant c : all) {
            c.prepare().run();
            long start = System.nanoTime();
            c.call().run();
            slowest = Math.max(slowest, (System.nanoTime() - start) * 1e-9);
            results.add(floats(c.result().get()));
        }
        List<Timing> times = Timing.measure(all, effort(slowest), threads == 1 ? GAP_WITHOUT_WORKERS : GAP, random);
        for (int i = 0; i < ours.size(); i++) {
            if (theirs.isEmpty()) {
                add(contest, ours.get(i).name(), times.get(i), null, null, 0);
            }
            for (int j = ours.size(); j < all.size(); j++) {
                double distance = distance(results.get(i), results.get(j));
                add(contest, ours.get(i).name(), times.get(i), all.get(j).name(), times.get(j), distance);
            }
        }
    }

    private void add(
            Contest c, String provider, Timing ours, @Nullable String peer, @Nullable Timing theirs, double distance) {
        boolean agrees = distance <= c.tolerance();
        double speed = c.work() / ours.best();
        Row row = new Row(
                c.group(),
                c.shape(),
                c.dtype(),
                threads,
                provider,
                peer,
                speed,
                theirs == null ? 0 : c.work() / theirs.best(),
                c.work() / ours.median(),
                theirs == null ? 0 : c.work() / theirs.median(),
                c.unit(),
                theirs == null ? 0 : theirs.best() / ours.best(),
                c.roof() == 0 ? 0 : speed / c.roof(),
                ours.spread(),
                distance,
                agrees ? c.note() : "results differ by more than " + c.tolerance() + "; " + c.note());
        rows.add(row);
        log.printf(
                Locale.ROOT,
                "%-12s %-44s %-10s T=%d %-7s %9.1f  %-14s %9.1f %-8s ratio %5.2f  peak %4.0f%%  spread %3.0f%%  %s%n",
                row.group(),
                row.shape(),
                row.dtype(),
                threads,
                provider,
                row.ours(),
                peer == null ? "" : peer,
                row.theirs(),
                row.unit(),
                row.ratio(),
                100 * row.peakShare(),
                100 * row.spread(),
                row.note());
    }

    private static float[] floats(NdArray x) {
        return x.memory().toArray(ValueLayout.JAVA_FLOAT);
    }

    private static double distance(float[] ours, float[] theirs) {
        if (ours.length != theirs.length) {
            return Double.POSITIVE_INFINITY;
        }
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < ours.length; i++) {
            double d = (double) ours[i] - theirs[i];
            difference += d * d;
            norm += (double) theirs[i] * theirs[i];
        }
        return Math.sqrt(difference / norm);
    }
}
