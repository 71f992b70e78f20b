package dev.palimpsest.bench.compare;

import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.KernelSelection.Tier;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.Parallel;
import java.util.List;

/// Our kernels with one number of threads, and what the machine can do with as many.
final class Team implements AutoCloseable {
    private final Parallel parallel;
    private final List<Kernels> providers;
    private Roofs roofs;

    /// Starts the threads.
    ///
    /// @param names of the providers; those that do not work here are left out
    Team(int threads, List<String> names) {
        parallel = new Parallel(threads);
        providers = KernelProviders.tiers().stream()
                .filter(Tier::available)
                .map(Tier::name)
                .filter(names::contains)
                .map(name -> KernelProviders.create(name, parallel))
                .toList();
        roofs = Roofs.measure(parallel);
    }

    /// Number of threads.
    int threads() {
        return parallel.threads();
    }

    /// Kernels, the portable ones first.
    List<Kernels> providers() {
        return providers;
    }

    /// The best that was seen so far.
    Roofs roofs() {
        return roofs;
    }

    /// Measures the roofs once more. A machine that others use, too, shows only at times what it can do, memory above
    /// all.
    void measureRoofs() {
        roofs = roofs.orBetter(Roofs.measure(parallel));
    }

    @Override
    public void close() {
        parallel.close();
    }
}
