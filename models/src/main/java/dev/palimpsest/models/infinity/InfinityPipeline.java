package dev.palimpsest.models.infinity;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.text.T5Tokenizer;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/// The stations from text to picture as functions on tensors, in the order in which they are passed: [#encodeText],
/// [#generate], [#decode].
///
/// @param transformer predicts bits
/// @param vae between latents and pixels
/// @param tokenizer splits texts into tokens
/// @param textEncoder turns tokens into features
public record InfinityPipeline(
        InfinityTransformer transformer, BsqVae vae, T5Tokenizer tokenizer, T5Encoder textEncoder)
        implements Scope.Holder {
    /// Checks that the parts fit together.
    ///
    /// @throws IllegalArgumentException naming the two sizes that do not
    public InfinityPipeline {
        int predicted = transformer.config().latentChannels();
        if (predicted != vae.config().channels()) {
            throw new IllegalArgumentException("the transformer predicts " + predicted
                    + " bits of a latent position, but the autoencoder's latents have "
                    + vae.config().channels() + " channels; they belong to different models");
        }
        int width = textEncoder.config().width();
        if (transformer.config().textChannels() != width) {
            throw new IllegalArgumentException("the text encoder gives features of width " + width
                    + ", but the transformer takes "
                    + transformer.config().textChannels() + "; they belong to different models");
        }
        if (tokenizer.vocabularySize() > textEncoder.config().vocabulary()) {
            throw new IllegalArgumentException("the vocabulary has " + tokenizer.vocabularySize()
                    + " tokens with the special ones, but the text encoder knows only "
                    + textEncoder.config().vocabulary() + "; they belong to different models");
        }
    }

    @Override
    public Iterable<Tensor> tensors() {
        List<Tensor> all = new ArrayList<>();
        for (Scope.Holder part : List.of(transformer, vae, textEncoder)) {
            part.tensors().forEach(all::add);
        }
        return all;
    }

    /// Token ids of a text with the end mark, cut to what the transformer has been trained with.
    public int[] tokens(String text) {
        return tokenizer.encode(text, transformer.config().textMaxLength());
    }

    /// Features of a text.
    ///
    /// @return `(tokens, width)`
    public TextFeatures encodeText(String text, Cancellation cancellation) {
        return textEncoder.encode(List.of(tokens(text)), cancellation);
    }

    /// Makes latents from text.
    ///
    /// @return `(B, channels, h, w)`
    public Tensor generate(GenerationRequest request) {
        return new InfinityGenerator(transformer).generate(request);
    }

    /// The picture of a latent.
    ///
    /// @param latents `(1, channels, h, w)`
    public RgbImage decode(Tensor latents) {
        return Scope.run(() -> ImageTransforms.toImage(vae.decode(latents).squeeze(0)));
    }
}
