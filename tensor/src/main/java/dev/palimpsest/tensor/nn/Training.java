package dev.palimpsest.tensor.nn;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.random.RandomSource;
import org.jspecify.annotations.Nullable;

/// Says whether layers that behave differently in training, such as [Dropout], are being trained, and where their
/// random numbers come from.
///
/// ```java
/// Tensor loss = Training.run(random, () -> tape.record(() -> model.loss(x)));
/// ```
public final class Training {
    private static final ScopedValue<RandomSource> RANDOM = ScopedValue.newInstance();

    private Training() {}

    /// Runs `body` as training, with random numbers from this source.
    public static <T extends @Nullable Object, X extends Throwable> T run(RandomSource random, Scope.Body<T, X> body)
            throws X {
        return ScopedValue.where(RANDOM, random).call(body);
    }

    /// The source of random numbers if this thread is training, else null.
    public static @Nullable RandomSource random() {
        return RANDOM.isBound() ? RANDOM.get() : null;
    }
}
