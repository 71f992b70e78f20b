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
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The contestants of one contest while they are gathered, and the memory of their operands.
final class Field implements AutoCloseable {
    private final Session session;
    private final Arena arena = Arena.ofShared();
    private final Inputs inputs = new Inputs(arena);
    private final List<Contestant> ours = new ArrayList<>();
    private final List<Contestant> theirs = new ArrayList<>();
    private final List<Runnable> atEnd = new ArrayList<>();

    /// Something that libtorch computes.
    interface Program {
        /// Makes a tensor.
        Torch.Value run(Torch torch);
    }

    Field(Session session) {
        this.session = session;
    }

    Arena arena() {
        return arena;
    }

    NdArray random(DType type, int... dims) {
        return inputs.random(type, dims);
    }

    NdArray zeros(DType type, int... dims) {
        return inputs.zeros(type, dims);
    }

    /// Does something when the contest is over.
    void onClose(Runnable action) {
        atEnd.add(action);
    }

    /// A dense array of the same numbers in another type.
    NdArray converted(NdArray x, DType type) {
        NdArray y = inputs.zeros(type, x.shape().dims());
        session.converter().copy(x, y);
        return y;
    }

    /// A dense array of the same numbers in memory of its own.
    NdArray copied(NdArray x) {
        NdArray y = inputs.zeros(x.dtype(), x.shape().dims());
        y.memory().copyFrom(x.memory());
        return y;
    }

    /// The same memory with other extents.
    static NdArray reshaped(NdArray x, int... dims) {
        return NdArray.of(x.memory(), x.dtype(), Shape.of(dims));
    }

    /// Adds each of our providers; one that cannot do this is left out and says so.
    void ours(Function<Kernels, Contestant> make) {
        session.providers().forEach(k -> ours(k, make));
    }

    /// Adds one of our providers; one that cannot do this is left out and says so.
    void ours(Kernels kernels, Function<Kernels, Contestant> make) {
        try {
            ours.add(make.apply(kernels));
        } catch (UnsupportedOperationException e) {
            session.log().println(kernels.name() + ": " + e.getMessage());
        }
    }

    /// Adds something of ours to compare ours with.
    void own(Contestant contestant) {
        theirs.add(contestant);
    }

    /// Adds libtorch if it is here.
    void torch(Function<Torch, Contestant> make) {
        peer(session.peers().torch(), make);
    }

    /// Adds oneDNN if it is here.
    void oneDnn(Function<OneDnn, Contestant> make) {
        peer(session.peers().oneDnn(), make);
    }

    /// Adds OpenBLAS if it is here.
    void openBlas(Function<OpenBlas, Contestant> make) {
        peer(session.peers().openBlas(), make);
    }

    /// Adds ONNX Runtime if it is here.
    void onnxRuntime(Function<OnnxRuntime, Contestant> make) {
        peer(session.peers().onnxRuntime(), make);
    }

    private <P> void peer(@Nullable P peer, Function<P, Contestant> make) {
        if (peer != null) {
            try {
                theirs.add(make.apply(peer));
            } catch (PeerUnavailableException e) {
                session.log().println(e.getMessage());
            }
        }
    }

    /// libtorch with an op that makes its own result: every call releases what it made, and the last one is looked at
    /// for the comparison of the results.
    ///
    /// @param make computes a dense f32 tensor of the extents of `like`
    static Contestant torchMaking(Torch torch, NdArray like, Program make) {
        return new Contestant("libtorch", () -> torch.scope(() -> make.run(torch)), () -> {
            torch.scope(() -> like.memory().copyFrom(torch.data(make.run(torch))));
            return like;
        });
    }

    /// Measures, with what has been gathered.
    void measure(Session.Contest contest) {
        session.measure(contest, ours, theirs);
    }

    /// The same call again and again with equal operands that lie at different places, so that no cache holds them.
    static Runnable inTurn(List<? extends Runnable> calls) {
        if (calls.size() == 1) {
            return calls.getFirst();
        }
        int[] next = {0};
        return () -> calls.get(next[0]++ % calls.size()).run();
    }

    @Override
    public void close() {
        ours.forEach(c -> c.close().run());
        theirs.forEach(c -> c.close().run());
        atEnd.forEach(Runnable::run);
        arena.close();
    }
}
