package dev.palimpsest.tensor.optim;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;
import java.util.ArrayList;
import java.util.List;

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2).
///
/// One step with rate r, decay w and the gradient g, at the t-th update:
///
/// ```
/// p = p (1 - r w)
/// m = beta1 m + (1 - beta1) g
/// v = beta2 v + (1 - beta2) g^2
/// p = p - r / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
/// ```
///
/// The moments m and v belong to the scope that is current when the optimiser is made.
public final class AdamW {
    /// What stays the same from step to step.
    ///
    /// @param beta1 how much of the first moment stays
    /// @param beta2 how much of the second moment stays
    /// @param eps added to the root of the second moment
    /// @param weightDecay how fast parameters shrink on their own, relative to the learning rate
    public record Settings(double beta1, double beta2, double eps, double weightDecay) {
        /// `(0.9, 0.999)`, 1e-8, 0.01: the customary values.
        public static final Settings DEFAULTS = new Settings(0.9, 0.999, 1e-8, 0.01);

        /// Checks the ranges.
        public Settings {
            if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1 && eps >= 0 && weightDecay >= 0)) {
                throw new IllegalArgumentException("adamw: betas must lie in [0, 1), eps and weight decay must not be "
                        + "negative, but are " + beta1 + ", " + beta2 + ", " + eps + " and " + weightDecay);
            }
        }

        /// These settings with other betas.
        public Settings withBetas(double first, double second) {
            return new Settings(first, second, eps, weightDecay);
        }

        /// These settings with another eps.
        public Settings withEps(double eps) {
            return new Settings(beta1, beta2, eps, weightDecay);
        }

        /// These settings with another weight decay.
        public Settings withWeightDecay(double weightDecay) {
            return new Settings(beta1, beta2, eps, weightDecay);
        }
    }

    private final List<Tensor> parameters;
    private final Settings settings;
    private final List<Tensor> firstMoments = new ArrayList<>();
    private final List<Tensor> secondMoments = new ArrayList<>();
    private long updates;

    /// An optimiser of these tensors, which it overwrites with every step.
    ///
    /// @throws IllegalArgumentException if one of them is not f32
    public AdamW(List<Tensor> parameters, Settings settings) {
        this.parameters = List.copyOf(parameters);
        this.settings = settings;
        for (Tensor p : parameters) {
            if (p.dtype() != DType.F32) {
                throw new IllegalArgumentException("adamw: the parameter " + p
                        + " is not f32; small steps would be lost in a narrower type, train an f32 copy");
            }
            firstMoments.add(Tensor.full(DType.F32, p.shape(), 0));
            secondMoments.add(Tensor.full(DType.F32, p.shape(), 0));
        }
    }

    /// One update of every parameter.
    ///
    /// @param gradients of all parameters
    /// @param rate learning rate
    public void step(Gradients gradients, double rate) {
        updates++;
        for (int i = 0; i < parameters.size(); i++) {
            Tensor p = parameters.get(i);
            update(p, gradients.of(p), firstMoments.get(i), secondMoments.get(i), rate);
        }
    }

    private void update(Tensor p, Tensor gradient, Tensor m, Tensor v, double rate) {
        double first = rate / (1 - Math.pow(settings.beta1, (double) updates));
        double second = Math.sqrt(1 - Math.pow(settings.beta2, (double) updates));
        Scope.run(() -> {
            p.mulInPlace(Tensor.scalar(1 - rate * settings.weightDecay));
            m.mulInPlace(Tensor.scalar(settings.beta1)).addInPlace(gradient.mul(1 - settings.beta1));
            v.mulInPlace(Tensor.scalar(settings.beta2))
                    .addInPlace(gradient.square().mul(1 - settings.beta2));
            Tensor root = v.sqrt().div(second).add(settings.eps);
            return p.addInPlace(m.div(root).mul(-first));
        });
    }

    /// How many updates were made.
    public long updates() {
        return updates;
    }

    /// The first moments m in the order of the parameters, as they are now; for saving.
    public List<Tensor> firstMoments() {
        return List.copyOf(firstMoments);
    }

    /// The second moments v in the order of the parameters, as they are now; for saving.
    public List<Tensor> secondMoments() {
        return List.copyOf(secondMoments);
    }

    /// Continues from a saved state.
    ///
    /// @param updates how many updates had been made
    /// @throws IllegalArgumentException if the counts or shapes do not fit the parameters; nothing is changed then
    public void restore(long updates, List<Tensor> firstMoments, List<Tensor> secondMoments) {
        if (updates < 0) {
            throw new IllegalArgumentException("adamw: " + updates + " updates cannot have been made");
        }
        checkFits("first", firstMoments);
        checkFits("second", secondMoments);
        this.updates = updates;
        for (int i = 0; i < parameters.size(); i++) {
            this.firstMoments.get(i).copyInPlace(firstMoments.get(i));
            this.secondMoments.get(i).copyInPlace(secondMoments.get(i));
        }
    }

    private void checkFits(String which, List<Tensor> moments) {
        if (moments.size() != parameters.size()) {
            throw new IllegalArgumentException("adamw: " + moments.size() + " " + which + " moments do not fit "
                    + parameters.size() + " parameters");
        }
        for (int i = 0; i < moments.size(); i++) {
            if (!moments.get(i).shape().equals(parameters.get(i).shape())) {
                throw new IllegalArgumentException("adamw: the " + which + " moment " + moments.get(i)
                        + " does not fit its parameter " + parameters.get(i));
            }
        }
    }
}
