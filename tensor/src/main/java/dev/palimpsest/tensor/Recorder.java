package dev.palimpsest.tensor;

import org.jspecify.annotations.Nullable;

/// Stands at the one place that every op passes and may write down what runs.
///
/// [dev.palimpsest.tensor.autograd.Tape] is the recorder of the engine. While none is bound, ops run as if this
/// interface did not exist.
public interface Recorder {
    /// Runs an op, usually with [Op#forward], and returns its result.
    Tensor run(Op op, @Nullable Tensor[] inputs);

    /// Runs a computation whose intermediate values are not to be kept but computed again when they are needed.
    Tensor runForgetting(Scope.Body<Tensor, RuntimeException> body);

    /// Called before a tensor is overwritten.
    ///
    /// @param what the method that is about to write
    /// @param target the tensor that changes
    /// @param source where the new values come from, if from a tensor
    /// @throws IllegalStateException if what was recorded would become wrong
    void writing(String what, Tensor target, @Nullable Tensor source);

    /// Runs `body` under a recorder. Recorders do not nest: an inner one replaces the outer one.
    static <T extends @Nullable Object, X extends Throwable> T recording(Recorder recorder, Scope.Body<T, X> body)
            throws X {
        return ScopedValue.where(Current.RECORDER, recorder).call(body);
    }

    /// The recorder in force on this thread, or null.
    static @Nullable Recorder current() {
        return Current.RECORDER.isBound() ? Current.RECORDER.get() : null;
    }

    /// Holds the binding.
    final class Current {
        private static final ScopedValue<Recorder> RECORDER = ScopedValue.newInstance();

        private Current() {}
    }
}
