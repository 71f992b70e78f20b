package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.infinity.GenerationRequest.Steering;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.List;

/// What a picture's own bits say at every scale, brought to the size of its latent; with them a generation is steered
/// towards the picture.
///
/// @param codes for each scale `(1, channels, 1, H, W)`
public record SourceCodes(List<Tensor> codes) implements Scope.Holder {
    /// Copies the list.
    public SourceCodes {
        codes = List.copyOf(codes);
    }

    /// The codes of bits.
    ///
    /// @param bits for each scale `(1, 1, h, w, channels)`, see [MultiScaleBsq.Quantised]
    /// @param full size of the latent
    public static SourceCodes of(MultiScaleBsq quantiser, List<Tensor> bits, Scale full) {
        return new SourceCodes(bits.stream()
                .map(b -> Scope.run(() -> MultiScaleBsq.interpolated(quantiser.codes(b), full)))
                .toList());
    }

    /// Takes the picture's codes in place of all generated ones, so that every scale sees what the picture has before
    /// it: for looking at the attention, not for editing.
    public Steering replacing() {
        return (scale, generated) -> code(scale, generated);
    }

    /// Mixes the picture's codes S with generated ones T, `G S + (1 - G) T`, at every scale (arXiv 2510.20217,
    /// smoothing).
    ///
    /// @param weights G, the share of the picture at each position, `(H, W)`, see [Smoothing]
    public Steering blending(Tensor weights) {
        return (scale, generated) -> Scope.run(() -> {
            Tensor source = code(scale, generated); // (1, channels, 1, H, W)
            if (weights.rank() != 2 || weights.dim(0) != source.dim(3) || weights.dim(1) != source.dim(4)) {
                throw new IllegalArgumentException("blending: weights " + weights.shape()
                        + " do not have the size of the latent " + source.shape());
            }
            Tensor others = weights.mul(-1.0).add(1); // (H, W)
            return source.mul(weights).add(generated.mul(others));
        });
    }

    private Tensor code(int scale, Tensor generated) {
        if (scale >= codes.size() || !codes.get(scale).shape().equals(generated.shape())) {
            throw new IllegalArgumentException("source codes: there are " + codes.size() + " scales of "
                    + (codes.isEmpty() ? "no size" : codes.getFirst().shape().toString())
                    + ", but scale " + scale + " is generated as " + generated.shape());
        }
        return codes.get(scale);
    }

    @Override
    public Iterable<Tensor> tensors() {
        return codes;
    }
}
