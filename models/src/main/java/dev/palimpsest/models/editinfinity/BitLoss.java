package dev.palimpsest.models.editinfinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Unary;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;

/// How far a transformer's scores are from the bits of a picture: the cross entropy of every bit, weighted by scale
/// (arXiv 2510.20217, inversion loss).
///
/// With the cross entropy `ce` of a bit, the mean over the bits of a token, and token weights `w` that sum to 1,
///
/// ```
/// loss = mean over samples of (sum over tokens of w * ce) + klWeight * (sum over all tokens and bits of ce) / samples
/// ```
///
/// @param scaleWeights whether a token of a scale with area a weighs `1 / sqrt(a)`, so that small scales, which have
///     few tokens, count more than by their number; otherwise all tokens weigh the same
/// @param summed whether the bits of a token are summed instead of averaged
/// @param klWeight weight of the divergence of the predicted from the true distribution, which for known bits is their
///     cross entropy
public record BitLoss(boolean scaleWeights, boolean summed, double klWeight) {
    /// For the learned prompt: weights by scale, no divergence.
    public static final BitLoss PROMPT = new BitLoss(true, false, 0);

    /// For low-rank adapters: weights by scale, and the divergence with the weight 2e-7.
    public static final BitLoss ADAPTERS = new BitLoss(true, false, 2e-7);

    /// Checks the weight.
    public BitLoss {
        if (!(klWeight >= 0 && Double.isFinite(klWeight))) {
            throw new IllegalArgumentException(
                    "bit loss: the weight " + klWeight + " of the divergence is not at least 0");
        }
    }

    /// This loss with another weight of the divergence.
    public BitLoss withKlWeight(double weight) {
        return new BitLoss(scaleWeights, summed, weight);
    }

    /// The loss.
    ///
    /// @param logits for each bit the score of 0 and that of 1, `(B, L, 2 d)`
    /// @param bits `(B, L, d)`, u8
    /// @param schedule the scales of the tokens. If it has fewer tokens than there are, the first ones count alone
    /// @return a scalar
    /// @throws IllegalArgumentException if the shapes do not fit
    public Tensor of(Tensor logits, Tensor bits, ScaleSchedule schedule) {
        int length = schedule.length();
        if (logits.rank() != 3
                || bits.rank() != 3
                || logits.dim(0) != bits.dim(0)
                || logits.dim(1) != bits.dim(1)
                || logits.dim(2) != 2 * bits.dim(2)
                || logits.dim(1) < length) {
            throw new IllegalArgumentException("bit loss: scores " + logits.shape() + " and bits " + bits.shape()
                    + " need the axes (B, L, 2 d) and (B, L, d) with at least " + length + " tokens");
        }
        return Scope.run(() -> {
            Tensor ce = crossEntropy(logits.slice(1, 0, length), bits.slice(1, 0, length)); // (B, L, d)
            Tensor tokens = summed ? ce.sum(2) : ce.mean(2); // (B, L, 1)
            Tensor weighted = tokens.mul(tokenWeights(schedule)).sum(); // (1, 1, 1)
            Tensor loss = klWeight == 0 ? weighted : weighted.add(ce.sum().mul(klWeight));
            return loss.reshape().div((double) bits.dim(0));
        });
    }

    /// The negative logarithm of the probability of each bit.
    ///
    /// @param logits for each bit the score of 0 and that of 1, `(..., 2 d)`
    /// @param bits `(..., d)`, u8
    /// @return `(..., d)`
    public static Tensor crossEntropy(Tensor logits, Tensor bits) {
        return Scope.run(() -> {
            int last = bits.rank();
            Tensor pairs = logits.reshape(bits.shape().unsqueeze(last).with(last, 2)); // (..., d, 2)
            Tensor lead = pairs.select(last, 1).sub(pairs.select(last, 0)); // (..., d), of 1 over 0
            Tensor wrong = bits.to(DType.F32).mul(-2.0).add(1).mul(lead); // of the wrong value over the right one
            // log(1 + e^x), in a form that neither overflows nor has a wrong slope at 0
            Tensor size = wrong.apply(Unary.ABS);
            return wrong.add(size).mul(0.5).add(size.neg().exp().add(1).log());
        });
    }

    /// Weights of all tokens, `(L, 1)`.
    private Tensor tokenWeights(ScaleSchedule schedule) {
        double total = 0;
        for (ScaleSchedule.Scale s : schedule.scales()) {
            total += s.area() * weight(s);
        }
        float[] weights = new float[schedule.length()];
        int at = 0;
        for (ScaleSchedule.Scale s : schedule.scales()) {
            for (int i = 0; i < s.area(); i++) {
                weights[at++] = (float) (weight(s) / total);
            }
        }
        return Tensor.of(weights, weights.length, 1);
    }

    private double weight(ScaleSchedule.Scale scale) {
        return scaleWeights ? 1 / Math.sqrt(scale.area()) : 1;
    }
}
