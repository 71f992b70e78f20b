package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.compare.Timing.Effort;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import java.io.PrintStream;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/// Everything that measurements share.
///
/// @param teams our kernels with each number of threads
/// @param peers the libraries that are here
/// @param quick whether time is short
/// @param random decides the order of turns
/// @param rows what was measured, this is added to
/// @param log what a person reads meanwhile
record Session(List<Team> teams, Peers peers, boolean quick, Random random, List<Row> rows, PrintStream log) {
    private static final Effort THOROUGH = new Effort(0.2, 8, 24, 4, 20);
    private static final Effort QUICK = new Effort(0.04, 4, 12, 0.8, 2.5);
    private static final double COMPILING = 3;
    private static final long GAP = 25;
    private static final long GAP_WITHOUT_WORKERS = 2;

    /// Kernels that convert operands.
    Kernels converter() {
        List<Kernels> providers = largestTeam().providers();
        return providers.isEmpty() ? new ScalarKernels() : providers.getFirst();
    }

    /// The one with the greatest number of threads.
    Team largestTeam() {
        return Collections.max(teams, Comparator.comparingInt(Team::threads));
    }

    /// Measures.
    ///
    /// @param first seconds of a call that each of them made before
    List<Timing> measure(Team team, List<Contestant> contestants, List<Double> first) {
        JitCompiler compiler = new JitCompiler();
        return Timing.measure(
                contestants,
                first,
                quick ? QUICK : THOROUGH,
                team.threads() == 1 ? GAP_WITHOUT_WORKERS : GAP,
                random,
                () -> compiler.await(COMPILING));
    }

    /// Adds a row, and prints it.
    void add(Row row, Roofs roofs) {
        rows.add(row);
        log.printf(
                Locale.ROOT,
                "%-12s %-44s %-10s T=%d %-7s %9.1f  %-14s %9.1f %-8s ratio %5.2f  peak %4.0f%%  spread %3.0f%%  %s%n",
                row.contest().group(),
                row.contest().shape(),
                row.contest().dtype(),
                row.threads(),
                row.provider(),
                row.ours(),
                row.peer() == null ? "" : row.peer(),
                row.theirs(),
                row.contest().unit(),
                row.ratio(),
                100 * row.peakShare(roofs),
                100 * row.spread(),
                row.remark());
    }
}
