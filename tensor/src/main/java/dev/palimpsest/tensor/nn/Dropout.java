package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.RandomSource;
import java.util.Arrays;

/// Leaves out a random share of the numbers while training, and makes up for it by enlarging the others by `1 / (1 -
/// probability)`, so that the expected value stays.
///
/// [#elements] leaves out single elements (Srivastava et al. 2014, JMLR 15), [#samples] whole samples of a batch,
/// which on a residual branch is stochastic depth (Huang et al. 2016, arXiv 1603.09382). What stays is decided by one
/// uniform number each, `u < 1 - probability`.
public final class Dropout {
    private final double probability;
    private final boolean wholeSamples;

    private Dropout(double probability, boolean wholeSamples) {
        if (!(probability >= 0 && probability < 1)) {
            throw new IllegalArgumentException("dropout: the probability " + probability + " is not in [0, 1)");
        }
        this.probability = probability;
        this.wholeSamples = wholeSamples;
    }

    /// Leaves out elements, each with this probability.
    ///
    /// @throws IllegalArgumentException if the probability is not in `[0, 1)`
    public static Dropout elements(double probability) {
        return new Dropout(probability, false);
    }

    /// Leaves out whole samples, which are counted by the first axis, each with this probability.
    ///
    /// @throws IllegalArgumentException if the probability is not in `[0, 1)`
    public static Dropout samples(double probability) {
        return new Dropout(probability, true);
    }

    /// Applies the layer, with the numbers of [Training#random]. Draws nothing if the probability is 0. Outside of
    /// training `x` comes back as it is.
    public Tensor forward(Tensor x) {
        RandomSource random = Training.random();
        if (random == null || probability == 0) {
            return x;
        }
        int[] extents = x.shape().dims();
        if (wholeSamples) {
            Arrays.fill(extents, 1, extents.length, 1);
        }
        Tensor uniform = Tensor.empty(DType.F32, Shape.of(extents)); // like x, or (samples, 1, ...)
        random.rand(uniform.array().memory().asSlice(uniform.array().byteOffset(), 4 * uniform.elements()));
        Tensor stays = uniform.lt(Tensor.scalar(1 - probability)); // like x, or (samples, 1, ...)
        Tensor zero = Tensor.full(x.dtype(), Shape.scalar(), 0);
        return stays.where(x.mul(1 / (1 - probability)), zero);
    }
}
