package dev.palimpsest.tensor.nn;

import dev.palimpsest.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// Sees the output of every [Module] as it is made, by path, and may put another one in its place.
///
/// ```java
/// Observer halve = (path, out) -> path.equals("blocks.3.attn") ? out.mul(0.5) : out;
/// Tensor y = Observer.observing(halve, () -> model.forward(x));
/// ```
@FunctionalInterface
public interface Observer {
    /// Called with the output of the module at `path`; the result goes on through the network. Return `output` to
    /// leave it as it is. The tensor lives only as long as the scope it was made in;
    /// [dev.palimpsest.tensor.Scope#keep] of an outer scope holds it longer.
    Tensor output(String path, Tensor output);

    /// Runs `body` under an observer. Observers do not nest: an inner one replaces the outer one.
    static <T, X extends Throwable> T observing(Observer observer, ScopedValue.CallableOp<T, X> body) throws X {
        return ScopedValue.where(Current.OBSERVER, observer).call(body);
    }

    /// The observer in force on this thread, or null.
    static @Nullable Observer current() {
        return Current.OBSERVER.isBound() ? Current.OBSERVER.get() : null;
    }

    /// Holds the binding.
    final class Current {
        private static final ScopedValue<Observer> OBSERVER = ScopedValue.newInstance();

        private Current() {}
    }
}
