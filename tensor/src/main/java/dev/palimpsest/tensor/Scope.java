package dev.palimpsest.tensor;

import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Owns the memory of the tensors that are made while it is current, and gives it back all at once when it ends.
///
/// ```java
/// try (Scope scope = Scope.open()) {
///     Tensor y = scope.call(() -> {
///         Tensor h = x.matmul(w);                                 // released at the end of the call ...
///         return Scope.run(() -> h.mul(h).add(1.0).silu());      // ... like the two temporaries of this one, earlier
///     });                                                         // y lives until the scope is closed
/// }
/// ```
///
/// What [#run] returns escapes into the enclosing scope: a tensor, or tensors inside arrays, collections, maps,
/// optionals and [Holder]s. Everything else that was made inside goes back to a pool. The current scope travels in a
/// [ScopedValue]; a scope belongs to the thread that opened it. Touching a tensor after its scope ended is an
/// [IllegalStateException] that names the op that made it.
///
/// Every scope counts the bytes that live in it and in the scopes inside it, and their highest value, so that a memory
/// budget can be asserted.
public final class Scope implements AutoCloseable {
    /// A value that carries tensors out of a scope.
    public interface Holder {
        /// All tensors that must outlive the scope.
        Iterable<Tensor> tensors();
    }

    /// Work that makes a value and may throw.
    ///
    /// @param <T> type of the value
    /// @param <X> type of the exception
    @FunctionalInterface
    public interface Body<T extends @Nullable Object, X extends Throwable> extends ScopedValue.CallableOp<T, X> {}

    static final MemoryPool POOL = new MemoryPool(Long.getLong("palimpsest.pool.idleBytes", 256L << 20));

    private static final ScopedValue<Scope> CURRENT = ScopedValue.newInstance();

    private final @Nullable Scope parent;
    private final Thread thread = Thread.currentThread();
    private final Set<Storage> owned = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean closed;
    private long liveBytes;
    private long peakBytes;

    private Scope(@Nullable Scope parent) {
        this.parent = parent;
    }

    /// A scope that lives until it is closed, with the current one, if any, around it. Make tensors in it with
    /// [#call].
    public static Scope open() {
        return new Scope(CURRENT.isBound() ? CURRENT.get() : null);
    }

    /// Runs `body` in a scope of its own; its result escapes into the enclosing scope.
    ///
    /// @throws IllegalStateException if the result holds tensors and there is no enclosing scope to keep them
    public static <T extends @Nullable Object, X extends Throwable> T run(Body<T, X> body) throws X {
        try (Scope scope = open()) {
            T result = ScopedValue.where(CURRENT, scope).call(body);
            forEachTensor(result, scope::escape);
            return result;
        }
    }

    /// Runs `body` with this scope as the enclosing one: what it returns lives as long as this scope, its temporaries
    /// end with the call.
    public <T extends @Nullable Object, X extends Throwable> T call(Body<T, X> body) throws X {
        checkUsable();
        return ScopedValue.where(CURRENT, this).call(() -> run(body));
    }

    /// The scope in which tensors are being made.
    ///
    /// @throws IllegalStateException if there is none
    public static Scope current() {
        try {
            Scope scope = CURRENT.get();
            scope.checkUsable();
            return scope;
        } catch (NoSuchElementException e) {
            throw new IllegalStateException(
                    "no scope is open: make tensors inside Scope.run(() -> ...) or scope.call(() -> ...)", e);
        }
    }

    /// Bytes of the tensors that live in this scope and the scopes inside it.
    public long liveBytes() {
        return liveBytes;
    }

    /// Highest value of [#liveBytes] so far.
    public long peakBytes() {
        return peakBytes;
    }

    /// Native bytes of all tensors that live at the moment, over all scopes and threads.
    public static long usedBytes() {
        return POOL.usedBytes();
    }

    /// Native bytes that the engine's pool holds for tensors at the moment, in use or idle, over all scopes.
    public static long reservedBytes() {
        return POOL.reservedBytes();
    }

    /// Lets a tensor live as long as this scope, although it was made in a scope inside this one; returns it. An
    /// observer holds on to an intermediate value this way. Has no effect on tensors that live longer anyway.
    public Tensor keep(Tensor tensor) {
        Storage storage = tensor.storage();
        Scope from = storage.owner();
        if (from != null && from.isInside(this)) {
            from.disown(storage);
            adopt(storage);
        }
        return tensor;
    }

    /// Releases the memory of a tensor of this scope, and of all its views, before the scope ends. Has no effect on
    /// tensors that belong elsewhere.
    public void release(Tensor tensor) {
        Storage storage = tensor.storage();
        if (storage.owner() == this) {
            disown(storage);
            storage.release();
        }
    }

    /// Whether the tensor's memory ends with this scope or one inside it.
    public boolean owns(Tensor tensor) {
        Scope owner = tensor.storage().owner();
        return owner == this || (owner != null && owner.isInside(this));
    }

    /// Shows every tensor in a value of the kinds that can leave a scope: a tensor, or tensors inside arrays,
    /// collections, maps, optionals and [Holder]s.
    public static void forEachTensor(@Nullable Object value, Consumer<Tensor> action) {
        switch (value) {
            case null -> {}
            case Tensor t -> action.accept(t);
            case Object[] array -> {
                for (Object o : array) {
                    forEachTensor(o, action);
                }
            }
            case Holder holder -> holder.tensors().forEach(action);
            case Collection<?> values -> values.forEach(o -> forEachTensor(o, action));
            case Map<?, ?> map -> map.values().forEach(o -> forEachTensor(o, action));
            case Optional<?> optional -> optional.ifPresent(o -> forEachTensor(o, action));
            default -> {}
        }
    }

    private boolean isInside(Scope other) {
        for (Scope s = parent; s != null; s = s.parent) {
            if (s == other) {
                return true;
            }
        }
        return false;
    }

    void adopt(Storage storage) {
        owned.add(storage);
        storage.owner(this);
        for (Scope s = this; s != null; s = s.parent) {
            s.liveBytes += storage.bytes();
            s.peakBytes = Math.max(s.peakBytes, s.liveBytes);
        }
    }

    private void disown(Storage storage) {
        owned.remove(storage);
        for (Scope s = this; s != null; s = s.parent) {
            s.liveBytes -= storage.bytes();
        }
    }

    private void escape(Tensor t) {
        if (t.storage().owner() == this) {
            if (parent == null) {
                throw new IllegalStateException("a tensor made by " + t.origin()
                        + " cannot leave the outermost scope; use Scope.open() and scope.call(...) to keep it");
            }
            parent.keep(t);
        }
    }

    private void checkUsable() {
        if (closed) {
            throw new IllegalStateException("the scope is closed");
        }
        if (thread != Thread.currentThread()) {
            throw new IllegalStateException("a scope belongs to the thread that opened it, " + thread.getName());
        }
    }

    /// Releases every tensor of this scope. Closing twice is harmless. Any thread may close a scope that nobody is
    /// using, so that whoever owns a model can also be the one to close it.
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        for (Storage storage : owned) {
            for (Scope s = this; s != null; s = s.parent) {
                s.liveBytes -= storage.bytes();
            }
            storage.release();
        }
        owned.clear();
    }
}
