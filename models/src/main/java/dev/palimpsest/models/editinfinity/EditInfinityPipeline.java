package dev.palimpsest.models.editinfinity;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.GenerationRequest;
import dev.palimpsest.models.infinity.InfinityPipeline;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.Pictures;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.models.text.WordSpans;
import dev.palimpsest.models.text.WordSpans.Span;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.random.RandomSource;
import java.util.ArrayList;
import java.util.List;

/// The stations from a picture to the edited one as functions on tensors, in the order in which they are passed:
/// [#features] and [#bits], [#text], [#trainer], [#attention], [#latent], [#picture].
///
/// ```java
/// Source source = pipeline.source(pipeline.bits(picture, layout), layout);
/// Tensor map = pipeline.attention(source, "a glass of red drink", "drink", request); // or a mask of the user's
/// pipeline.trainer(pipeline.features(picture, layout), layout, biases, random).learnPrompt(prompt, ...);
/// Tensor weights = Smoothing.ORIGINAL.weights(Mask.above(map, 0.5), 64, 64);
/// RgbImage edited = pipeline.picture(pipeline.latent(request.withSteering(source.codes().blending(weights))));
/// ```
///
/// Tensors belong to the current scope.
///
/// @param infinity the model's parts
public record EditInfinityPipeline(InfinityPipeline infinity) {
    /// What is known of a picture that is edited.
    ///
    /// @param layout its scales
    /// @param bits for each scale `(1, 1, h, w, channels)`, u8
    /// @param codes what these bits say
    /// @param sum what they say together, `(1, channels, H, W)`: what of the picture survives
    public record Source(PictureLayout layout, List<Tensor> bits, SourceCodes codes, Tensor sum)
            implements Scope.Holder {
        /// Copies the list.
        public Source {
            bits = List.copyOf(bits);
        }

        @Override
        public Iterable<Tensor> tensors() {
            List<Tensor> all = new ArrayList<>(bits);
            all.addAll(codes.codes());
            all.add(sum);
            return all;
        }
    }

    /// The scales of the latent: those of a layout, twice as large if a token stands for 2 x 2 positions.
    public ScaleSchedule latentSchedule(PictureLayout layout) {
        int patch = infinity.transformer().config().patch();
        return new ScaleSchedule(layout.schedule().scales().stream()
                .map(scale -> scale.times(patch))
                .toList());
    }

    /// What the encoder says of a picture that is to be learned, which is cut to the model's shape.
    ///
    /// The original brings a picture to the model's size in two ways, which give different numbers where its shape is
    /// another: for learning it is cut, for its bits it is stretched.
    ///
    /// @return `(1, channels, H, W)`
    public Tensor features(RgbImage picture, PictureLayout layout) {
        Scale full = latentSchedule(layout).last();
        int pixels = infinity.vae().config().patchSize();
        return Scope.run(() -> infinity.vae()
                .encode(Pictures.covering(picture, full.height() * pixels, full.width() * pixels)
                        .unsqueeze(0)));
    }

    /// The bits of a picture, which is stretched to the model's shape.
    ///
    /// @return for each scale `(1, 1, h, w, channels)`, u8
    public List<Tensor> bits(RgbImage picture, PictureLayout layout) {
        ScaleSchedule schedule = latentSchedule(layout);
        Scale full = schedule.last();
        int pixels = infinity.vae().config().patchSize();
        return Scope.run(() -> {
            Tensor stretched = Pictures.stretched(picture, full.height() * pixels, full.width() * pixels)
                    .unsqueeze(0); // (1, 3, pixels, pixels)
            return infinity.vae()
                    .quantiser()
                    .quantise(infinity.vae().encode(stretched), schedule)
                    .bits();
        });
    }

    /// What follows from the bits of a picture.
    ///
    /// @param bits for each scale `(1, 1, h, w, channels)`, u8
    /// @throws IllegalArgumentException if they are not those of the layout
    public Source source(List<Tensor> bits, PictureLayout layout) {
        ScaleSchedule schedule = latentSchedule(layout);
        int channels = infinity.vae().config().channels();
        if (bits.size() != schedule.size()) {
            throw new IllegalArgumentException(
                    "source bits: there are " + bits.size() + " scales, but the layout has " + schedule.size());
        }
        for (int k = 0; k < bits.size(); k++) {
            Scale scale = schedule.get(k);
            Shape needed = Shape.of(1, 1, scale.height(), scale.width(), channels);
            if (!bits.get(k).shape().equals(needed)) {
                throw new IllegalArgumentException("source bits: scale " + k + " is "
                        + bits.get(k).shape() + ", but the layout and the model need " + needed);
            }
        }
        return Scope.run(() -> {
            SourceCodes codes = SourceCodes.of(infinity.vae().quantiser(), bits, schedule.last());
            Tensor sum = codes.codes().getFirst(); // (1, channels, 1, H, W)
            for (Tensor code : codes.codes().subList(1, codes.codes().size())) {
                sum = sum.add(code);
            }
            return new Source(layout, bits, codes, sum.squeeze(2).copy());
        });
    }

    /// The features of a text as it stands.
    public TextFeatures text(String text, Cancellation cancellation) {
        return infinity.encodeText(text, cancellation);
    }

    /// The features of a text that learned rows are to follow.
    ///
    /// @param rows how many
    /// @throws IllegalArgumentException if the model takes no text that long
    public TextFeatures text(String text, int rows, Cancellation cancellation) {
        requireLength(text, rows);
        return text(text, cancellation);
    }

    /// Checks that the model takes a text with learned rows behind it.
    void requireLength(String text, int rows) {
        int tokens = infinity.tokenizer().encode(text).length;
        int longest = infinity.transformer().config().textMaxLength();
        if (tokens + rows > longest) {
            throw new IllegalArgumentException("the prompt has " + tokens + " tokens with its instruction, which with "
                    + rows + " learned rows are more than the " + longest + " that the model takes; shorten it");
        }
    }

    /// Learning of a picture.
    ///
    /// @param features see [#features]
    /// @param random where wrong bits and everything that is left out come from
    public InversionTrainer trainer(Tensor features, PictureLayout layout, BiasMode biases, RandomSource random) {
        return new InversionTrainer(infinity.transformer(), layout, features, biases, random);
    }

    /// Where the model looks in a picture when it reads some words of the text that describes it. It must look at the
    /// picture without having learned it, that is without adapters.
    ///
    /// @param text describes the picture; without instruction
    /// @param words one word or several of the text, as they stand there
    /// @param request how to generate from the text; its steering is replaced
    /// @return the size of the layout's frame, 64 x 64 for square pictures
    /// @throws IllegalArgumentException if the words are not in the text, or have no span there, see [WordSpans#find]
    public Tensor attention(Source source, String text, String words, GenerationRequest request) {
        Span span = WordSpans.of(infinity.tokenizer(), text)
                .find(words)
                .orElseThrow(() -> new IllegalArgumentException("attention: the words \"" + words
                        + "\" are not in the prompt \"" + text + "\"; give them as they stand there"));
        if (span.end() <= span.start()) {
            throw new IllegalArgumentException("attention: the words \"" + words + "\" occur in the prompt \"" + text
                    + "\", but the first of them again behind the last one, and the last occurrence of a word counts; "
                    + "give a single word");
        }
        return Scope.run(() -> {
            AttentionMap map =
                    new AttentionMap(source.layout, request.text().rows().dim(0), span.start(), span.end());
            Observer.observing(map, () -> latent(request.withSteering(source.codes.replacing())));
            return map.mean();
        });
    }

    /// Makes a latent, steered as the request says.
    ///
    /// @param request with the text of the edited picture and [SourceCodes#blending], or without steering to make it
    ///     anew
    /// @return `(1, channels, H, W)`
    public Tensor latent(GenerationRequest request) {
        return infinity.generate(request);
    }

    /// The picture of a latent.
    ///
    /// @param latent `(1, channels, H, W)`
    public RgbImage picture(Tensor latent) {
        return infinity.decode(latent);
    }
}
