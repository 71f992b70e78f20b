package dev.palimpsest.tensor.autograd;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Parameter;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/// The derivatives of a loss by the watched tensors. Each has its tensor's shape and memory of its own, so it may be
/// overwritten.
public final class Gradients implements Scope.Holder {
    private final Map<Tensor, Tensor> gradients;

    Gradients(Map<Tensor, Tensor> gradients) {
        this.gradients = new LinkedHashMap<>(gradients);
    }

    /// The derivative by a tensor; zeros if the loss does not depend on it.
    ///
    /// @throws IllegalArgumentException if the tensor was not watched
    public Tensor of(Tensor watched) {
        Tensor gradient = gradients.get(watched);
        if (gradient == null) {
            throw new IllegalArgumentException("there is no gradient of " + watched + ": the tape did not watch it");
        }
        return gradient;
    }

    /// The derivative by a parameter; zeros if the loss does not depend on it.
    ///
    /// @throws IllegalArgumentException if the parameter was not watched
    public Tensor of(Parameter watched) {
        return of(watched.value());
    }

    /// The derivatives by watched tensor, in the order in which they were watched. Tensors are told apart by identity.
    public Map<Tensor, Tensor> asMap() {
        return Collections.unmodifiableMap(gradients);
    }

    /// All derivatives.
    @Override
    public Iterable<Tensor> tensors() {
        return Collections.unmodifiableCollection(gradients.values());
    }
}
