package dev.palimpsest.tensor.autograd;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.IdentityHashMap;

/// Counts who still needs the memory of tensors and releases it when nobody does. Views share one count.
final class Retained {
    private final Scope scope;
    private final IdentityHashMap<MemorySegment, Integer> counts = new IdentityHashMap<>();

    /// @param scope where the tensors live in the meantime, unless they live longer anyway
    Retained(Scope scope) {
        this.scope = scope;
    }

    void retain(Tensor t) {
        scope.keep(t);
        counts.merge(memory(t), 1, Integer::sum);
    }

    void release(Tensor t) {
        if (counts.merge(memory(t), -1, Integer::sum) == 0) {
            counts.remove(memory(t));
            scope.release(t);
        }
    }

    /// Whether somebody needs the memory of this tensor.
    boolean holds(Tensor t) {
        return counts.containsKey(memory(t));
    }

    /// Whether this tensor is the only use of memory that would end with the scope.
    boolean isExclusive(Tensor t) {
        return scope.owns(t) && counts.getOrDefault(memory(t), 0) == 1 && t.isContiguous();
    }

    private static MemorySegment memory(Tensor t) {
        return t.array().memory();
    }
}
