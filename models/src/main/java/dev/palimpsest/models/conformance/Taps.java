package dev.palimpsest.models.conformance;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Predicate;

/// Keeps the outputs of some modules while a network runs, to be looked at afterwards.
final class Taps implements Observer {
    private final Scope scope = Scope.current();
    private final Predicate<String> wanted;
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();

    /// Taps at the modules whose paths are wanted; what they give lives as long as the scope that is current now.
    Taps(Predicate<String> wanted) {
        this.wanted = wanted;
    }

    @Override
    public Tensor output(String path, Tensor output) {
        if (wanted.test(path)) {
            tensors.put(path, scope.keep(output.copy()));
        }
        return output;
    }

    /// What was seen, by path; of a module that ran several times, its last output.
    Map<String, Tensor> tensors() {
        return Collections.unmodifiableMap(tensors);
    }
}
