package dev.palimpsest.models.infinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.infinity.GenerationRequest.Step;
import dev.palimpsest.models.infinity.InfinityTransformer.InnerGuidance;
import dev.palimpsest.models.infinity.InfinityTransformer.TextCondition;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Makes latents of pictures from text: at each scale the transformer scores all bits, they are drawn, and what they
/// say is added to the picture, from which the next scale starts (Han et al. 2024, arXiv 2412.04431, algorithm 2).
public final class InfinityGenerator {
    private final InfinityTransformer model;
    private final MultiScaleBsq quantiser;

    /// A generator with this transformer.
    public InfinityGenerator(InfinityTransformer model) {
        this.model = model;
        this.quantiser = new MultiScaleBsq(model.config().latentChannels());
    }

    /// Makes the latents.
    ///
    /// @return `(B, channels, H, W)`, what the autoencoder decodes
    /// @throws IllegalArgumentException if the request does not fit the model
    /// @throws java.util.concurrent.CancellationException if the request's cancellation was used
    public Tensor generate(GenerationRequest request) {
        PictureLayout layout = request.layout();
        int scales = layout.schedule().size();
        request.sampling().requireScales(scales);
        return Scope.run(() -> {
            TextCondition text = model.condition(texts(request), request.biases());
            int samples = request.text().lengths().length;
            Scale full = latentScale(layout.schedule().last());
            try (ScaleCache cache = new ScaleCache(model.config(), layout, text.samples())) {
                State state =
                        new State(Tensor.zeros(samples, quantiser.channels(), 1, full.height(), full.width()), null);
                for (int k = 0; k < scales; k++) {
                    int scale = k;
                    State before = state;
                    state = Scope.run(() -> step(scale, before, request, text, cache));
                }
                return state.sum.squeeze(2);
            }
        });
    }

    /// The texts, followed by those to keep away from if any scale is guided.
    private TextFeatures texts(GenerationRequest request) {
        TextFeatures text = request.text();
        if (!request.sampling().isGuided(request.layout().schedule().size())) {
            return text;
        }
        TextFeatures negative = request.negative();
        TextFeatures other = negative == null ? model.unconditional(text.lengths()) : negative;
        int[] lengths = IntStream.concat(Arrays.stream(text.lengths()), Arrays.stream(other.lengths()))
                .toArray();
        return new TextFeatures(Tensor.concat(List.of(text.rows(), other.rows()), 0), lengths);
    }

    /// Between two scales.
    ///
    /// @param sum what has been said so far, `(B, channels, 1, H, W)`
    /// @param input what the next scale starts from, `(B, h w, bits)`; null at both ends
    private record State(Tensor sum, @Nullable Tensor input) implements Scope.Holder {
        @Override
        public Iterable<Tensor> tensors() {
            return input == null ? List.of(sum) : List.of(sum, input);
        }
    }

    private State step(int k, State before, GenerationRequest request, TextCondition text, ScaleCache cache) {
        ScaleSchedule schedule = request.layout().schedule();
        Tensor scores = scores(k, before.input, request, needed(k, request, text), cache); // (B, h w, bits, 2)
        float[] probabilities = request.sampling().probabilities(scores.toFloatArray());
        Tensor drawn = drawn(request.draw().draw(k, probabilities), scores); // (B, h w, bits)
        Tensor bits = k < request.forcedBits().size()
                ? forced(request.forcedBits().get(k), drawn, schedule.get(k))
                : drawn; // (B, h w, bits)
        Tensor said = MultiScaleBsq.interpolated(
                codes(bits, schedule.get(k)), latentScale(schedule.last())); // (B, channels, 1, H, W)
        Tensor sum = before.sum.add(request.steering().codes(k, said)); // (B, channels, 1, H, W)
        Tensor input = k + 1 < schedule.size() ? input(sum, schedule.get(k + 1)) : null; // (B, h' w', bits)
        request.listener()
                .accept(new Step(
                        k, scores, Tensor.of(probabilities, scores.shape().dims()), drawn, sum.squeeze(2), input));
        return new State(sum, input);
    }

    /// The texts that a scale and the later ones look at: those to keep away from only as long as there is guidance.
    private static TextCondition needed(int k, GenerationRequest request, TextCondition text) {
        int scales = request.layout().schedule().size();
        for (int i = k; i < scales; i++) {
            if (request.sampling().guidance(i) != 1) {
                return text;
            }
        }
        return text.first(request.text().lengths().length);
    }

    /// Guided scores of both values of every bit of a scale, `(B, h w, bits, 2)`.
    private Tensor scores(
            int k, @Nullable Tensor input, GenerationRequest request, TextCondition text, ScaleCache cache) {
        BitSampling sampling = request.sampling();
        int samples = request.text().lengths().length;
        boolean doubled = text.samples() != samples;
        double weight = sampling.guidance(k);
        return Scope.run(() -> {
            Tensor x = model.firstToken(text); // (B or 2 B, 1, C)
            if (input != null) {
                Tensor tokens = model.tokens(input); // (B, h w, C)
                x = doubled ? Tensor.concat(List.of(tokens, tokens), 0) : tokens; // (B or 2 B, h w, C)
            }
            InnerGuidance inner = weight == 1 ? null : new InnerGuidance(weight, sampling.guidedBlocks(model.depth()));
            Tensor hidden = model.extend(cache, x, text, inner, request.cancellation()); // (B or 2 B, h w, C)
            double factor = 1 / sampling.temperature(k);
            Tensor scores; // (B, h w, 2 bits)
            if (weight != 1 && sampling.isOnScores()) {
                scores = InnerGuidance.combine(model.logits(hidden, text.sos()).mul(factor), weight);
            } else {
                scores = model.logits(hidden.slice(0, 0, samples), text.sos().slice(0, 0, samples))
                        .mul(factor);
            }
            return scores.reshape(samples, scores.dim(1), model.config().bits(), 2);
        });
    }

    private static Tensor drawn(int[] bits, Tensor scores) {
        return Scope.run(() ->
                Tensor.of(bits, scores.dim(0), scores.dim(1), scores.dim(2)).to(DType.U8));
    }

    private Tensor forced(Tensor bits, Tensor drawn, Scale scale) {
        int[] needed = {drawn.dim(0), 1, scale.height(), scale.width(), drawn.dim(2)};
        if (!bits.shape().equals(Shape.of(needed))) {
            throw new IllegalArgumentException("infinity: forced bits " + bits.shape() + " of the scale " + scale
                    + " do not have the shape " + Shape.of(needed));
        }
        return bits.reshape(drawn.shape());
    }

    /// What the bits of a scale say.
    ///
    /// @param bits `(B, h w, bits)`
    /// @return `(B, channels, 1, h, w)`, with two rows and columns for each of the scale's if tokens are patches
    private Tensor codes(Tensor bits, Scale scale) {
        Tensor latent = bits.reshape(bits.dim(0), scale.height(), scale.width(), bits.dim(2))
                .permute(0, 3, 1, 2); // (B, bits, h, w)
        if (model.config().spatialPatchify()) {
            latent = PixelShuffle.shuffle(latent, model.config().patch()); // (B, channels, 2 h, 2 w)
        }
        return quantiser.codes(latent.permute(0, 2, 3, 1).unsqueeze(1));
    }

    /// What a scale starts from.
    ///
    /// @param sum `(B, channels, 1, H, W)`
    /// @return `(B, h w, bits)`
    private Tensor input(Tensor sum, Scale scale) {
        return Scope.run(() -> {
            Tensor latent = MultiScaleBsq.interpolated(sum, latentScale(scale)).squeeze(2); // (B, channels, h, w)
            if (model.config().spatialPatchify()) {
                latent = PixelShuffle.unshuffle(latent, model.config().patch()); // (B, bits, h, w)
            }
            return latent.permute(0, 2, 3, 1)
                    .reshape(sum.dim(0), scale.area(), model.config().bits());
        });
    }

    private Scale latentScale(Scale tokens) {
        return tokens.times(model.config().patch());
    }
}
