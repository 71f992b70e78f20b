package dev.palimpsest.models.diffusion;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.List;

/// The two ends of a diffusion path.
///
/// @param x0 the clean sample
/// @param xT the noise
public record Endpoints(Tensor x0, Tensor xT) implements Scope.Holder {
    @Override
    public Iterable<Tensor> tensors() {
        return List.of(x0, xT);
    }
}
