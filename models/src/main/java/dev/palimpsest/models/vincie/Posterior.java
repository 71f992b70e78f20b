package dev.palimpsest.models.vincie;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.RandomSource;
import java.util.List;

/// What an encoder says about a latent: independent normal distributions, one for each number (Kingma & Welling 2014,
/// arXiv 1312.6114).
///
/// @param mean means, `(N, C, T, h, w)`
/// @param logvar natural logarithms of the variances, `(N, C, T, h, w)`, from -30 to 20
public record Posterior(Tensor mean, Tensor logvar) implements Scope.Holder {
    private static final double LEAST = -30;
    private static final double LARGEST = 20;

    /// Splits what the encoder's last convolution gives.
    ///
    /// @param moments `(N, 2C, T, h, w)`, means first
    static Posterior of(Tensor moments) {
        int c = moments.dim(1) / 2;
        return Scope.run(() ->
                new Posterior(moments.slice(1, 0, c), moments.slice(1, c, 2 * c).clamp(LEAST, LARGEST)));
    }

    /// The likeliest latent: the mean.
    public Tensor mode() {
        return mean;
    }

    /// Standard deviations, `(N, C, T, h, w)`.
    public Tensor std() {
        return Scope.run(() -> logvar.mul(0.5).exp());
    }

    /// A latent drawn with given noise, `mean + std * eps`.
    ///
    /// @param eps standard normal numbers of the mean's shape
    /// @throws IllegalArgumentException if it has another shape
    public Tensor sample(Tensor eps) {
        if (!eps.shape().equals(mean.shape())) {
            throw new IllegalArgumentException(
                    "posterior sample: noise " + eps.shape() + " does not fit the means " + mean.shape());
        }
        return Scope.run(() -> mean.add(std().mul(eps)));
    }

    /// A latent drawn at random. The noise is drawn in row-major order of `(N, C, T, h, w)`.
    public Tensor sample(RandomSource random) {
        float[] noise = new float[Math.toIntExact(mean.elements())];
        random.randn(noise);
        return Scope.run(() -> sample(Tensor.of(noise, mean.shape().dims())));
    }

    @Override
    public Iterable<Tensor> tensors() {
        return List.of(mean, logvar);
    }
}
