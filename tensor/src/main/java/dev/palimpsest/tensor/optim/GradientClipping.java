package dev.palimpsest.tensor.optim;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;

/// Keeps gradients from growing beyond a bound (Pascanu et al. 2013, arXiv 1211.5063).
public final class GradientClipping {
    private GradientClipping() {}

    /// The Euclidean norm of all gradients taken as one long vector.
    public static double globalNorm(Gradients gradients) {
        double squares = 0;
        for (Tensor g : gradients.tensors()) {
            squares += Scope.run(() -> g.to(DType.F64).square().sum().item());
        }
        return Math.sqrt(squares);
    }

    /// Scales all gradients in place by the same factor `min(1, max / (norm + 1e-6))`, so that their global norm does
    /// not exceed `max`.
    ///
    /// @return the global norm before
    /// @throws IllegalArgumentException if `max` is not positive
    public static double byGlobalNorm(Gradients gradients, double max) {
        if (!(max > 0)) {
            throw new IllegalArgumentException("clipping: the largest norm " + max + " is not positive");
        }
        double norm = globalNorm(gradients);
        double factor = max / (norm + 1e-6);
        if (factor < 1) {
            for (Tensor g : gradients.tensors()) {
                Scope.run(() -> g.mulInPlace(Tensor.full(g.dtype(), Shape.scalar(), factor)));
            }
        }
        return norm;
    }
}
