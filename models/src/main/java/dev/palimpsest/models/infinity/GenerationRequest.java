package dev.palimpsest.models.infinity;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.tensor.Tensor;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// What an [InfinityGenerator] is to make. Immutable.
///
/// @param text what the pictures should show, a text for each
/// @param negative what they should not show, as many texts, or null for the text that stands for none; used where
///     there is guidance
/// @param biases whether biases of queries and values are used
/// @param layout scales of all pictures
/// @param sampling how bits are drawn
/// @param draw who draws them
/// @param forcedBits bits of the first scales that are taken in place of the drawn ones, `(B, 1, h, w, bits)`
/// @param steering changes the codes of every scale
/// @param listener told about every scale
/// @param cancellation looked at before every block
public record GenerationRequest(
        TextFeatures text,
        @Nullable TextFeatures negative,
        BiasMode biases,
        PictureLayout layout,
        BitSampling sampling,
        BitDraw draw,
        List<Tensor> forcedBits,
        Steering steering,
        Consumer<Step> listener,
        Cancellation cancellation) {
    /// Copies the list and checks that texts and forced bits fit.
    ///
    /// @throws IllegalArgumentException if there are not as many negative texts as texts, or more forced bits than
    ///     scales
    public GenerationRequest {
        forcedBits = List.copyOf(forcedBits);
        if (negative != null && negative.lengths().length != text.lengths().length) {
            throw new IllegalArgumentException("infinity: " + negative.lengths().length + " negative texts for "
                    + text.lengths().length + " texts; give one for each, or none at all");
        }
        if (forcedBits.size() > layout.schedule().size()) {
            throw new IllegalArgumentException("infinity: bits are forced for " + forcedBits.size()
                    + " scales, but there are " + layout.schedule().size());
        }
    }

    /// A request with the original's defaults.
    public static GenerationRequest of(TextFeatures text, PictureLayout layout, BitDraw draw) {
        return new GenerationRequest(
                text,
                null,
                BiasMode.ORIGINAL,
                layout,
                BitSampling.defaults(),
                draw,
                List.of(),
                Steering.NONE,
                step -> {},
                new Cancellation());
    }

    /// Changes what the bits of a scale say before it is added to the picture, for editing.
    @FunctionalInterface
    public interface Steering {
        /// Changes nothing.
        Steering NONE = (scale, codes) -> codes;

        /// Called once for each scale.
        ///
        /// @param scale index of the scale
        /// @param codes what the bits say, brought to the size of the latent, `(B, channels, 1, H, W)`
        /// @return what is added in place of it, of the same shape
        Tensor codes(int scale, Tensor codes);
    }

    /// A scale that is done. Tensors live until the listener returns; [dev.palimpsest.tensor.Scope#keep] holds them
    /// longer.
    ///
    /// @param scale index of the scale
    /// @param scores guided scores of both values of every bit, `(B, h w, bits, 2)`
    /// @param probabilities those of being drawn, `(B, h w, bits, 2)`
    /// @param drawn the drawn bits, also where others are forced, `(B, h w, bits)`, u8
    /// @param sum the picture's latent so far, `(B, channels, H, W)`: decoding it gives a preview
    /// @param nextInput what the next scale starts from, `(B, h' w', bits)`, null after the last
    public record Step(
            int scale,
            Tensor scores,
            Tensor probabilities,
            Tensor drawn,
            Tensor sum,
            @Nullable Tensor nextInput) {}

    /// This request with [#negative] texts.
    public GenerationRequest withNegative(@Nullable TextFeatures negative) {
        return new GenerationRequest(
                text, negative, biases, layout, sampling, draw, forcedBits, steering, listener, cancellation);
    }

    /// This request with another use of the [#biases].
    public GenerationRequest withBiases(BiasMode biases) {
        return new GenerationRequest(
                text, negative, biases, layout, sampling, draw, forcedBits, steering, listener, cancellation);
    }

    /// This request with other [#sampling].
    public GenerationRequest withSampling(BitSampling sampling) {
        return new GenerationRequest(
                text, negative, biases, layout, sampling, draw, forcedBits, steering, listener, cancellation);
    }

    /// This request with [#forcedBits].
    public GenerationRequest withForcedBits(List<Tensor> forcedBits) {
        return new GenerationRequest(
                text, negative, biases, layout, sampling, draw, forcedBits, steering, listener, cancellation);
    }

    /// This request with [#steering].
    public GenerationRequest withSteering(Steering steering) {
        return new GenerationRequest(
                text, negative, biases, layout, sampling, draw, forcedBits, steering, listener, cancellation);
    }

    /// This request with a [#listener].
    public GenerationRequest withListener(Consumer<Step> listener) {
        return new GenerationRequest(
                text, negative, biases, layout, sampling, draw, forcedBits, steering, listener, cancellation);
    }

    /// This request with a [#cancellation].
    public GenerationRequest withCancellation(Cancellation cancellation) {
        return new GenerationRequest(
                text, negative, biases, layout, sampling, draw, forcedBits, steering, listener, cancellation);
    }
}
