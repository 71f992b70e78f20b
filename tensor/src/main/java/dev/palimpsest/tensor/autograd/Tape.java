package dev.palimpsest.tensor.autograd;

import dev.palimpsest.tensor.Backward;
import dev.palimpsest.tensor.Op;
import dev.palimpsest.tensor.Recorder;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Parameter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Writes down the ops that lead from watched tensors to a loss, and plays them backward to get the derivatives.
///
/// ```java
/// try (Tape tape = new Tape()) {
///     tape.watch(prompt);                                   // what is to be learned
///     Tensor loss = tape.record(() -> model.loss(prompt));  // forward
///     Gradients gradients = tape.backward(loss);            // reverse
///     optimizer.step(gradients, rate);
/// }
/// ```
///
/// This is reverse-mode automatic differentiation (Linnainmaa 1970; Griewank & Walther 2008, chapter 3) of a
/// computation that is recorded while it runs. Only ops with an input that depends on a watched tensor are recorded,
/// so weights that are not watched cost neither memory nor time. What [Op#gradient] will read lives in the tape's own
/// scope, however early the scope ends in which it was made, and is released as the backward pass goes by.
///
/// A tape is used once, by one thread: [#record] (any number of times), then one [#backward].
public final class Tape implements AutoCloseable {
    private final Scope scope = Scope.open();
    private final Retained memory = new Retained(scope);
    private final Set<Tensor> watched = new LinkedHashSet<>();
    private final Set<Tensor> tracked = new HashSet<>();
    private final List<Step> steps = new ArrayList<>();
    private final Head head = new Head();
    private boolean played;

    /// One recorded op.
    ///
    /// @param wanted for each input whether it depends on a watched tensor
    /// @param kept the inputs and the output whose memory the gradient reads
    record Step(Op op, @Nullable Tensor[] inputs, boolean[] wanted, Tensor output, List<Tensor> kept) {}

    /// An empty tape. Its memory counts to the current scope, if there is one.
    public Tape() {}

    /// Asks for the derivative by a tensor. Derivatives are f32, or f64 for a tensor of f64.
    ///
    /// @throws IllegalArgumentException if its type is not a floating one
    public void watch(Tensor tensor) {
        checkUnused();
        if (!tensor.dtype().isFloating()) {
            throw new IllegalArgumentException(
                    "watch: there is no derivative by " + tensor + ", its type is not a floating one");
        }
        if (watched.add(tensor)) {
            tracked.add(tensor);
            memory.retain(tensor);
        }
    }

    /// Asks for the derivative by a parameter.
    public void watch(Parameter parameter) {
        watch(parameter.value());
    }

    /// Asks for the derivatives by all these parameters.
    public void watchAll(Collection<Parameter> parameters) {
        parameters.forEach(this::watch);
    }

    /// Whether a tensor is watched or was computed, on this tape, from one that is.
    public boolean tracks(Tensor tensor) {
        return tracked.contains(tensor);
    }

    /// Bytes that the tape holds at the moment.
    public long liveBytes() {
        return scope.liveBytes();
    }

    /// Runs `body` and records it. What it returns lives as long as the tape; its other tensors end with the call,
    /// except for those that the backward pass will read.
    public <T extends @Nullable Object, X extends Throwable> T record(Scope.Body<T, X> body) throws X {
        checkUnused();
        T result = Recorder.recording(head, () -> scope.call(body));
        Scope.forEachTensor(result, memory::retain);
        return result;
    }

    /// The derivatives of a recorded number by all watched tensors; they belong to the current scope. Releases what
    /// was recorded.
    ///
    /// @throws IllegalArgumentException if the loss has more than one element, or does not depend on a watched tensor
    /// @throws IllegalStateException if something is being recorded, or the tape was played already
    public Gradients backward(Tensor loss) {
        if (loss.elements() != 1) {
            throw new IllegalArgumentException("backward: the loss " + loss
                    + " has more or fewer than one element; sum it, or give the derivative by each element");
        }
        return Scope.run(() -> backward(loss, Tensor.full(loss.dtype(), loss.shape(), 1)));
    }

    /// The derivatives of `sum(output * cotangent)` by all watched tensors; they belong to the current scope. Releases
    /// what was recorded.
    ///
    /// @param cotangent of the shape of `output`: the derivative by it of what comes behind
    /// @throws IllegalArgumentException if the shapes differ, or the output does not depend on a watched tensor
    /// @throws IllegalStateException if something is being recorded, or the tape was played already
    public Gradients backward(Tensor output, Tensor cotangent) {
        checkUnused();
        if (Recorder.current() != null) {
            throw new IllegalStateException(
                    "backward: cannot run inside record(...), where it would be recorded itself");
        }
        if (!tracks(output)) {
            throw new IllegalArgumentException(
                    "backward: " + output + " does not depend on any watched tensor on this tape");
        }
        if (!output.shape().equals(cotangent.shape())) {
            throw new IllegalArgumentException(
                    "backward: the output " + output.shape() + " and its cotangent " + cotangent.shape() + " differ");
        }
        played = true;
        Scope caller = Scope.current();
        try (Scope working = Scope.open()) {
            Playback playback = new Playback(working, watched);
            working.call(() -> {
                playback.start(output, cotangent);
                return null;
            });
            for (Step step : steps.reversed()) {
                working.call(() -> {
                    playback.play(step);
                    return null;
                });
                step.kept.forEach(memory::release);
            }
            steps.clear();
            return playback.finish(caller);
        }
    }

    private void checkUnused() {
        if (played) {
            throw new IllegalStateException("the tape was played back already; record on a new one");
        }
    }

    /// Releases everything that the tape holds.
    @Override
    public void close() {
        steps.clear();
        tracked.clear();
        scope.close();
    }

    /// What stands at the ops while this tape records.
    private final class Head implements Recorder {
        /// Whether ops run inside another op and are its business alone.
        private boolean quiet;
        /// What a forgetting computation reads from outside, while one runs.
        private @Nullable Captured captured;

        @Override
        public Tensor run(Op op, @Nullable Tensor[] inputs) {
            if (quiet) {
                return op.forward(inputs);
            }
            if (captured != null) {
                captured.read(inputs);
                return quietly(op, inputs);
            }
            boolean[] wanted = new boolean[inputs.length];
            boolean any = false;
            for (int i = 0; i < inputs.length; i++) {
                Tensor t = inputs[i];
                wanted[i] = t != null && tracks(t);
                any |= wanted[i];
            }
            if (!any) {
                return quietly(op, inputs);
            }
            Tensor plain = Scope.run(() -> op.plain(inputs));
            if (plain != null) {
                return plain;
            }
            Tensor output = quietly(op, inputs);
            if (output.dtype().isFloating()) {
                List<Tensor> kept = new ArrayList<>();
                for (int i = 0; i < inputs.length; i++) {
                    Tensor t = inputs[i];
                    if (t != null && op.needs(i, wanted)) {
                        kept.add(t);
                    }
                }
                if (op.needsOutput(wanted)) {
                    kept.add(output);
                }
                write(new Step(op, inputs, wanted, output, kept));
            }
            return output;
        }

        private void write(Step step) {
            step.kept.forEach(memory::retain);
            steps.add(step);
            tracked.add(step.output);
        }

        private Tensor quietly(Op op, @Nullable Tensor[] inputs) {
            quiet = true;
            try {
                return op.forward(inputs);
            } finally {
                quiet = false;
            }
        }

        @Override
        public Tensor runForgetting(Scope.Body<Tensor, RuntimeException> body) {
            if (quiet || captured != null) {
                return Scope.run(body);
            }
            return Scope.run(() -> {
                Captured reads = new Captured(Scope.current());
                captured = reads;
                Tensor output;
                try {
                    output = body.call();
                } finally {
                    captured = null;
                }
                Tensor[] inputs = reads.tensors();
                boolean[] wanted = new boolean[inputs.length];
                boolean any = false;
                for (int i = 0; i < inputs.length; i++) {
                    wanted[i] = tracks(inputs[i]);
                    any |= wanted[i];
                }
                if (any && !tracks(output)) {
                    write(new Step(new Replay(body), inputs, wanted, output, List.of(inputs)));
                }
                return output;
            });
        }

        @Override
        public void writing(String what, Tensor target, @Nullable Tensor source) {
            if (quiet) {
                return;
            }
            if (tracks(target) || memory.holds(target)) {
                throw new IllegalStateException(
                        what + ": " + target
                                + " takes part in what the tape records and must keep its values; compute a new tensor instead");
            }
            if (source != null && tracks(source)) {
                throw new IllegalStateException(what + ": " + source
                        + " depends on a watched tensor, and overwriting another with it would lose its gradient; "
                        + "compute a new tensor instead");
            }
        }
    }

    /// The tensors that a computation reads but did not make.
    private static final class Captured {
        private final Scope inside;
        private final Set<Tensor> reads = new LinkedHashSet<>();

        Captured(Scope inside) {
            this.inside = inside;
        }

        void read(@Nullable Tensor[] inputs) {
            for (Tensor t : inputs) {
                if (t != null && !inside.owns(t)) {
                    reads.add(t);
                }
            }
        }

        Tensor[] tensors() {
            return reads.toArray(Tensor[]::new);
        }
    }

    /// A computation of which only the inputs and the result were kept. Its gradient records it again.
    private record Replay(Scope.Body<Tensor, RuntimeException> body) implements Op {
        @Override
        public String name() {
            return "checkpointed";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            return body.call();
        }

        @Override
        public void gradient(Backward b) {
            try (Tape tape = new Tape()) {
                for (int i = 0; i < b.inputs(); i++) {
                    if (b.wants(i)) {
                        tape.watch(b.input(i));
                    }
                }
                Tensor again = tape.record(body);
                if (!tape.tracks(again)) {
                    for (int i = 0; i < b.inputs(); i++) {
                        b.zero(i);
                    }
                    return;
                }
                Gradients gradients = tape.backward(again, b.gradient());
                for (int i = 0; i < b.inputs(); i++) {
                    Tensor input = b.input(i);
                    b.to(i, dy -> gradients.of(input));
                }
            }
        }
    }
}
