package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.Inputs;
import dev.palimpsest.bench.peers.OneDnn;
import dev.palimpsest.bench.peers.OnnxRuntime;
import dev.palimpsest.bench.peers.OpenBlas;
import dev.palimpsest.bench.peers.PeerUnavailableException;
import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Who takes part and what is compared with what, on operands that all share.
///
/// Contestants carry the label of what they compute, `f32` or `bf16`, and take turns with each other whatever their
/// label. They are made anew for each number of threads, for which libraries lay out their operands in other ways; the
/// operands stay.
final class Field implements AutoCloseable {
    private final Session session;
    private final Memory operands = new Memory();
    private final List<Entry> entries = new ArrayList<>();
    private final List<Comparison> comparisons = new ArrayList<>();
    private @Nullable Memory working;

    /// Something that libtorch computes.
    interface Program {
        /// Makes a tensor.
        Torch.Value run(Torch torch);
    }

    /// Arrays that are given back together, and what is to be done then.
    private static final class Memory implements AutoCloseable {
        final Arena arena = Arena.ofShared();
        final Inputs inputs = new Inputs(arena);
        final List<Runnable> atEnd = new ArrayList<>();

        @Override
        public void close() {
            atEnd.forEach(Runnable::run);
            arena.close();
        }
    }

    /// Makes the contestants of one label.
    ///
    /// @param ours whether they are providers of ours
    private record Entry(String label, boolean ours, Function<Team, List<Contestant>> make) {}

    /// A contest between those of ours with one label and others.
    ///
    /// @param name of the others if they are the same providers doing something else, else null
    private record Comparison(
            Contest contest,
            String ours,
            String others,
            @Nullable String name) {}

    /// A contestant after its turns.
    private record Outcome(Entry entry, String name, float[] result, Timing timing) {
        boolean has(String label, boolean ours) {
            return entry.label().equals(label) && entry.ours() == ours;
        }
    }

    Field(Session session) {
        this.session = session;
    }

    private Memory memory() {
        return working == null ? operands : working;
    }

    /// The arena of the operands; inside what makes a contestant, that of the contestants.
    Arena arena() {
        return memory().arena;
    }

    NdArray random(DType type, int... dims) {
        return memory().inputs.random(type, dims);
    }

    NdArray zeros(DType type, int... dims) {
        return memory().inputs.zeros(type, dims);
    }

    /// Does something before the memory is given back.
    void onClose(Runnable action) {
        memory().atEnd.add(action);
    }

    /// A dense array of the same numbers in another type.
    NdArray converted(NdArray x, DType type) {
        NdArray y = zeros(type, x.shape().dims());
        session.converter().copy(x, y);
        return y;
    }

    /// A dense array of the same numbers in memory of its own.
    NdArray copied(NdArray x) {
        NdArray y = zeros(x.dtype(), x.shape().dims());
        y.memory().copyFrom(x.memory());
        return y;
    }

    /// The same memory with other extents.
    static NdArray reshaped(NdArray x, int... dims) {
        return NdArray.of(x.memory(), x.dtype(), Shape.of(dims));
    }

    // ---- who takes part

    /// Adds each of our providers; one that cannot do this is left out and says so.
    void ours(String label, Function<Kernels, Contestant> make) {
        ours(label, make, team -> team.providers());
    }

    /// Adds our portable kernels alone when time is short, else each of our providers: for what the others hand on to
    /// these.
    void portable(String label, Function<Kernels, Contestant> make) {
        ours(label, make, team -> {
            List<Kernels> all = team.providers();
            return session.quick() && all.size() > 1 ? List.of(all.getFirst()) : all;
        });
    }

    /// Adds our best provider alone when time is short, else each of them: for narrow types, which the portable
    /// kernels compute in f32, and for what takes longest.
    void best(String label, Function<Kernels, Contestant> make) {
        ours(label, make, team -> {
            List<Kernels> all = team.providers();
            return session.quick() && all.size() > 1 ? List.of(all.getLast()) : all;
        });
    }

    private void ours(String label, Function<Kernels, Contestant> make, Function<Team, List<Kernels>> providers) {
        entries.add(new Entry(label, true, team -> {
            List<Contestant> made = new ArrayList<>();
            for (Kernels kernels : providers.apply(team)) {
                try {
                    made.add(make.apply(kernels));
                } catch (UnsupportedOperationException e) {
                    session.log().println(kernels.name() + ": " + e.getMessage());
                }
            }
            return made;
        }));
    }

    /// Adds libtorch if it is here.
    void torch(String label, Function<Torch, Contestant> make) {
        peer(label, session.peers().torch(), make);
    }

    /// Adds oneDNN if it is here.
    void oneDnn(String label, Function<OneDnn, Contestant> make) {
        peer(label, session.peers().oneDnn(), make);
    }

    /// Adds OpenBLAS if it is here.
    void openBlas(String label, Function<OpenBlas, Contestant> make) {
        peer(label, session.peers().openBlas(), make);
    }

    /// Adds ONNX Runtime if it is here.
    void onnxRuntime(String label, Function<OnnxRuntime, Contestant> make) {
        peer(label, session.peers().onnxRuntime(), make);
    }

    private <P> void peer(String label, @Nullable P peer, Function<P, Contestant> make) {
        if (peer != null) {
            entries.add(new Entry(label, false, team -> {
                try {
                    return List.of(make.apply(peer));
                } catch (PeerUnavailableException e) {
                    session.log().println(e.getMessage());
                    return List.of();
                }
            }));
        }
    }

    /// libtorch with an op that makes its own result: every call releases what it made.
    ///
    /// @param result where a result goes for comparison
    /// @param make computes a dense f32 tensor of the extents of `result`
    static Contestant torchMaking(Torch torch, NdArray result, Program make) {
        return new Contestant("libtorch", () -> torch.scope(() -> make.run(torch)), () -> {
            torch.scope(() -> result.memory().copyFrom(torch.data(make.run(torch))));
            return result;
        });
    }

    /// The same call again and again with equal operands that lie at different places, so that no cache holds them.
    static Runnable inTurn(List<? extends Runnable> calls) {
        if (calls.size() == 1) {
            return calls.getFirst();
        }
        int[] next = {0};
        return () -> calls.get(next[0]++ % calls.size()).run();
    }

    // ---- what is compared

    /// A row for each pair of one of ours and a library.
    ///
    /// @param label of both
    void compare(Contest contest, String label) {
        compare(contest, label, label);
    }

    /// A row for each pair of one of ours and a library; none if nobody has the label `ours`.
    void compare(Contest contest, String ours, String theirs) {
        comparisons.add(new Comparison(contest, ours, theirs, null));
    }

    /// A row for each provider beside itself doing something else.
    ///
    /// @param name how the other is called
    void compareOwn(Contest contest, String ours, String other, String name) {
        comparisons.add(new Comparison(contest, ours, other, name));
    }

    /// Checks that everybody computes the same, and measures with each number of threads.
    void measure() {
        session.teams().forEach(this::measure);
    }

    /// Checks that everybody computes the same, and measures.
    void measure(Team team) {
        session.peers().threads(team.threads());
        try (Memory memory = new Memory()) {
            working = memory;
            List<Entry> of = new ArrayList<>();
            List<Contestant> contestants = new ArrayList<>();
            for (Entry entry : entries) {
                for (Contestant made : entry.make().apply(team)) {
                    of.add(entry);
                    contestants.add(made);
                    memory.atEnd.add(made.close());
                }
            }
            List<float[]> results = new ArrayList<>();
            List<Double> first = new ArrayList<>();
            for (Contestant c : contestants) {
                long start = System.nanoTime();
                NdArray result = c.result().get();
                first.add((System.nanoTime() - start) * 1e-9);
                results.add(result.memory().toArray(ValueLayout.JAVA_FLOAT));
            }
            if (contestants.isEmpty()) {
                return;
            }
            List<Timing> timings = session.measure(team, contestants, first);
            List<Outcome> outcomes = new ArrayList<>();
            for (int i = 0; i < contestants.size(); i++) {
                outcomes.add(new Outcome(of.get(i), contestants.get(i).name(), results.get(i), timings.get(i)));
            }
            comparisons.forEach(c -> rows(c, outcomes, row -> session.add(row, team.roofs()), team.threads()));
        } finally {
            working = null;
        }
    }

    private static void rows(Comparison c, List<Outcome> outcomes, Consumer<Row> rows, int threads) {
        for (Outcome ours : outcomes) {
            if (!ours.has(c.ours(), true)) {
                continue;
            }
            List<Outcome> others = outcomes.stream()
                    .filter(o -> o.has(c.others(), c.name() != null))
                    .filter(o -> c.name() == null || o.name().equals(ours.name()))
                    .toList();
            for (Outcome other : others) {
                rows.accept(new Row(
                        c.contest(),
                        threads,
                        ours.name(),
                        Objects.requireNonNullElse(c.name(), other.name()),
                        ours.timing(),
                        other.timing(),
                        distance(ours.result(), other.result())));
            }
            if (others.isEmpty()) {
                rows.accept(new Row(c.contest(), threads, ours.name(), null, ours.timing(), null, 0));
            }
        }
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

    @Override
    public void close() {
        operands.close();
    }
}
