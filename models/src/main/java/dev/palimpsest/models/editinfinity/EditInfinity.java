package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.BsqVae;
import dev.palimpsest.models.infinity.GenerationRequest;
import dev.palimpsest.models.infinity.InfinityGenerator;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.Pictures;
import dev.palimpsest.models.infinity.PromptText;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.infinity.T5Encoder;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.models.text.T5Tokenizer;
import dev.palimpsest.models.text.WordSpans;
import dev.palimpsest.models.text.WordSpans.Span;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.random.RandomSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Editing a picture with Infinity (arXiv 2510.20217), step by step; what is learned in between is the caller's to
/// keep.
///
/// ```java
/// EditInfinity edit = new EditInfinity(model, vae, encoder, tokenizer);
/// Source source = edit.source(picture, layout);
/// Tensor map = edit.attention(source, "a glass of red drink", "drink", request); // or a mask of the user's
/// edit.inversion(source, random).learnPrompt(prompt, edit.text("a glass of red drink", prompt), ...);
/// edit.inversion(source, random).learnAdapters(lora, edit.text("a glass of red drink", prompt), ...);
/// Tensor weights = Smoothing.ORIGINAL.weights(Mask.above(map, 0.5), 64, 64);
/// RgbImage edited = edit.rewrite(request.withSteering(source.codes().blending(weights)));
/// ```
///
/// Tensors belong to the current scope. Biases of queries and values are left out everywhere, as the original does.
public final class EditInfinity {
    private final InfinityTransformer model;
    private final BsqVae vae;
    private final T5Encoder encoder;
    private final T5Tokenizer tokenizer;

    /// An editor of these parts, which must fit each other.
    public EditInfinity(InfinityTransformer model, BsqVae vae, T5Encoder encoder, T5Tokenizer tokenizer) {
        this.model = model;
        this.vae = vae;
        this.encoder = encoder;
        this.tokenizer = tokenizer;
    }

    /// A picture to be edited.
    ///
    /// The original brings a picture to the model's size in two ways, which give different numbers where its shape is
    /// another: for learning it is cut, for its codes it is stretched.
    ///
    /// @param layout its scales
    /// @param features what the encoder says of the cut picture, `(1, channels, H, W)`
    /// @param bits of the stretched picture, for each scale `(1, 1, h, w, channels)`, u8
    /// @param codes what these bits say
    /// @param sum what they say together, `(1, channels, H, W)`: what of the picture survives
    public record Source(PictureLayout layout, Tensor features, List<Tensor> bits, SourceCodes codes, Tensor sum)
            implements Scope.Holder {
        /// Copies the list.
        public Source {
            bits = List.copyOf(bits);
        }

        @Override
        public Iterable<Tensor> tensors() {
            List<Tensor> all = new ArrayList<>(bits);
            all.addAll(codes.codes());
            all.add(features);
            all.add(sum);
            return all;
        }
    }

    /// Takes a picture's features and codes.
    public Source source(RgbImage picture, PictureLayout layout) {
        ScaleSchedule schedule = new ScaleSchedule(layout.schedule().scales().stream()
                .map(s -> s.times(model.config().patch()))
                .toList());
        Scale full = schedule.last();
        int height = full.height() * vae.config().patchSize();
        int width = full.width() * vae.config().patchSize();
        return Scope.run(() -> {
            Tensor features =
                    vae.encode(Pictures.covering(picture, height, width).unsqueeze(0));
            Tensor stretched =
                    vae.encode(Pictures.stretched(picture, height, width).unsqueeze(0));
            MultiScaleBsq.Quantised quantised = vae.quantiser().quantise(stretched, schedule);
            return new Source(
                    layout,
                    features,
                    quantised.bits(),
                    SourceCodes.of(vae.quantiser(), quantised.bits(), full),
                    quantised.sum());
        });
    }

    /// The features of a prompt as it stands.
    public TextFeatures text(String prompt, Cancellation cancellation) {
        return encoder.encode(List.of(tokenizer.encode(prompt)), cancellation);
    }

    /// The features of a prompt with the instruction that announces learned rows.
    ///
    /// @param learned the rows, or null to leave them out: for learning them
    public TextFeatures text(String prompt, @Nullable LearnedPrompt learned, Cancellation cancellation) {
        TextFeatures instructed = text(PromptText.withInstruction(prompt), cancellation);
        return learned == null ? instructed : learned.appendedTo(instructed);
    }

    /// Learning of a picture.
    ///
    /// @param random where wrong bits and everything that is left out come from
    public Inversion inversion(Source source, RandomSource random) {
        return new Inversion(model, source.layout, source.features, random);
    }

    /// Where the model looks in a picture when it reads some words of the text that describes it. It must look at the
    /// picture without having learned it, that is without adapters.
    ///
    /// @param prompt describes the picture; without instruction
    /// @param words one word or several of the prompt, as they stand there
    /// @param request how to generate, with guidance; its text, layout, biases and steering are replaced
    /// @return the size of the layout's frame, 64 x 64 for square pictures
    /// @throws IllegalArgumentException if the words are not in the prompt
    public Tensor attention(Source source, String prompt, String words, GenerationRequest request) {
        Span span = WordSpans.of(tokenizer, prompt)
                .find(words)
                .orElseThrow(() -> new IllegalArgumentException("attention: the words \"" + words
                        + "\" are not in the prompt \"" + prompt + "\"; give them as they stand there"));
        return Scope.run(() -> {
            TextFeatures text = text(prompt, request.cancellation());
            AttentionMap map = new AttentionMap(source.layout, text.rows().dim(0), span.start(), span.end());
            GenerationRequest looking = GenerationRequest.of(text, source.layout, request.draw())
                    .withNegative(request.negative())
                    .withSampling(request.sampling())
                    .withListener(request.listener())
                    .withCancellation(request.cancellation())
                    .withSteering(source.codes.replacing());
            Observer.observing(map, () -> latent(looking));
            return map.mean();
        });
    }

    /// Makes a picture, steered as the request says.
    ///
    /// @param request with the text of the edited picture and [SourceCodes#blending], or without steering to make it
    ///     anew
    public RgbImage rewrite(GenerationRequest request) {
        return Scope.run(() -> picture(latent(request)));
    }

    /// The picture of a latent.
    ///
    /// @param latent `(1, channels, H, W)`
    public RgbImage picture(Tensor latent) {
        return Scope.run(() -> ImageTransforms.toImage(vae.decode(latent).squeeze(0)));
    }

    private Tensor latent(GenerationRequest request) {
        return new InfinityGenerator(model).generate(request.withBiases(BiasMode.EDITINFINITY));
    }
}
