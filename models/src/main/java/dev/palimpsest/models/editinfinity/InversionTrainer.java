package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Flips;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Lesson;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Parameter;
import dev.palimpsest.tensor.nn.Training;
import dev.palimpsest.tensor.optim.AdamW;
import dev.palimpsest.tensor.optim.GradientClipping;
import dev.palimpsest.tensor.random.RandomSource;
import java.util.List;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/// Learns what makes a transformer say the bits of one picture (arXiv 2510.20217, image inversion): first a
/// [LearnedPrompt] behind the text that describes it, then low-rank adapters of the feed-forward layers.
///
/// The bits themselves are exact and need no learning: they are what the quantiser says of the picture. What is
/// learned makes them likely, so that a picture from another text starts from a model that knows this one.
public final class InversionTrainer {
    /// The layers that the original adapts: both of the feed-forward part of every block.
    public static final List<String> ADAPTED_LAYERS = List.of("*.ffn.fc1", "*.ffn.fc2");

    private final InfinityTransformer model;
    private final PictureLayout layout;
    private final Tensor features; // (1, channels, H, W)
    private final BitwiseSelfCorrection correction;
    private final BiasMode biases;
    private final RandomSource random;

    /// A trainer for a picture.
    ///
    /// @param features what the encoder says of the picture, before quantising, `(1, channels, H, W)`
    /// @param biases whether biases of queries and values are used; the original leaves them out
    /// @param random where wrong bits and everything that is left out come from
    /// @throws IllegalArgumentException if there is more than one picture
    public InversionTrainer(
            InfinityTransformer model, PictureLayout layout, Tensor features, BiasMode biases, RandomSource random) {
        if (features.rank() != 4 || features.dim(0) != 1) {
            throw new IllegalArgumentException(
                    "inversion: the latent " + features.shape() + " needs the axes (1, channels, H, W)");
        }
        this.model = model;
        this.layout = layout;
        this.features = features;
        this.biases = biases;
        this.random = random;
        this.correction = new BitwiseSelfCorrection(
                new MultiScaleBsq(model.config().latentChannels()),
                model.config().patch());
    }

    /// Hears of every update.
    @FunctionalInterface
    public interface Listener {
        /// Called after an update.
        ///
        /// @param update its number, from 1
        /// @param loss before the update
        /// @param gradientNorm of all gradients together, before they are bounded
        void updated(int update, double loss, double gradientNorm);

        /// Called before an update with the gradients as they are, not yet bounded. They live until this returns.
        ///
        /// @param update its number, from 1
        default void differentiated(int update, Gradients gradients) {}
    }

    /// Keeps the state of learning, so that it can go on after an interruption.
    public interface Keeper {
        /// Keeps nothing.
        Keeper NONE = new Keeper() {
            @Override
            public int restore(AdamW optimiser) {
                return 0;
            }

            @Override
            public void keep(int update, AdamW optimiser) {}
        };

        /// Called before the first update. It may overwrite what is learned, the optimiser's state and the random
        /// source with those after an earlier update.
        ///
        /// @return the number of that update, 0 to begin
        int restore(AdamW optimiser);

        /// Called after an update, before the listener is.
        ///
        /// @param update its number, from 1
        void keep(int update, AdamW optimiser);
    }

    /// Teaches a prompt, which is overwritten; everything else stays as it is.
    ///
    /// @param text features of the source prompt with its instruction, of one text; asked for at every update
    /// @param updates how many in all
    /// @param cancellation looked at before every block
    /// @throws java.util.concurrent.CancellationException if the cancellation was used; the prompt then is that of the
    ///     last update
    public void learnPrompt(
            LearnedPrompt prompt,
            Supplier<TextFeatures> text,
            int updates,
            LearningSettings settings,
            Keeper keeper,
            Listener listener,
            Cancellation cancellation) {
        learn(List.of(prompt.embedding()), text, prompt::appendedTo, updates, settings, keeper, listener, cancellation);
    }

    /// Teaches a prompt from one text, as the other method does, and keeps no state.
    ///
    /// @param text features of the source prompt with its instruction, of one text
    public void learnPrompt(
            LearnedPrompt prompt,
            TextFeatures text,
            int updates,
            LearningSettings settings,
            Listener listener,
            Cancellation cancellation) {
        learnPrompt(prompt, () -> text, updates, settings, Keeper.NONE, listener, cancellation);
    }

    /// Teaches adapters, which are overwritten; everything else stays as it is. They must be attached to the model.
    ///
    /// @param text features of the source prompt with its instruction, followed by the learned prompt if there is one,
    ///     of one text; asked for at every update
    /// @param updates how many in all
    /// @param cancellation looked at before every block
    /// @throws java.util.concurrent.CancellationException if the cancellation was used; the adapters then are those of
    ///     the last update
    public void learnAdapters(
            Lora adapters,
            Supplier<TextFeatures> text,
            int updates,
            LearningSettings settings,
            Keeper keeper,
            Listener listener,
            Cancellation cancellation) {
        learn(learned(adapters), text, seen -> seen, updates, settings, keeper, listener, cancellation);
    }

    /// Teaches adapters with one text, as the other method does, and keeps no state.
    ///
    /// @param text features of the source prompt with its instruction, followed by the learned prompt if there is one,
    ///     of one text
    public void learnAdapters(
            Lora adapters,
            TextFeatures text,
            int updates,
            LearningSettings settings,
            Listener listener,
            Cancellation cancellation) {
        learnAdapters(adapters, () -> text, updates, settings, Keeper.NONE, listener, cancellation);
    }

    /// What is learned of adapters, in the order in which an optimiser has its moments.
    static List<Tensor> learned(Lora adapters) {
        return adapters.parameters().values().stream().map(Parameter::value).toList();
    }

    private void learn(
            List<Tensor> learned,
            Supplier<TextFeatures> text,
            UnaryOperator<TextFeatures> extension,
            int updates,
            LearningSettings settings,
            Keeper keeper,
            Listener listener,
            Cancellation cancellation) {
        Scope.run(() -> {
            AdamW optimiser = new AdamW(learned, settings.optimiser());
            for (int i = keeper.restore(optimiser) + 1; i <= updates; i++) {
                int update = i;
                cancellation.check();
                Scope.run(() -> {
                    update(learned, text, extension, optimiser, update, settings, keeper, listener, cancellation);
                    return null;
                });
            }
            return null;
        });
    }

    private void update(
            List<Tensor> learned,
            Supplier<TextFeatures> text,
            UnaryOperator<TextFeatures> extension,
            AdamW optimiser,
            int update,
            LearningSettings settings,
            Keeper keeper,
            Listener listener,
            Cancellation cancellation) {
        Flips flips =
                settings.flips() == 0 ? Flips.NONE : Flips.random(settings.flips(), settings.flippedScales(), random);
        Lesson lesson = correction.lesson(features, layout.schedule(), flips);
        boolean textless = settings.textDropout() > 0 && isDrawn(settings.textDropout());
        TextFeatures said = text.get();
        try (Tape tape = new Tape()) {
            learned.forEach(tape::watch);
            Tensor loss = Training.run(
                    random,
                    () -> tape.record(() -> {
                        TextFeatures whole = extension.apply(said);
                        TextFeatures seen = textless ? withoutText(whole) : whole;
                        Tensor logits = model.forward(
                                lesson.inputs(),
                                model.condition(seen, biases),
                                layout,
                                settings.dropPath(),
                                cancellation); // (1, L, 2 d)
                        return settings.loss().of(logits, lesson.bits(), layout.schedule());
                    }));
            double value = loss.item();
            Gradients gradients = tape.backward(loss);
            listener.differentiated(update, gradients);
            double norm = GradientClipping.byGlobalNorm(gradients, settings.clipNorm());
            optimiser.step(gradients, settings.rate());
            keeper.keep(update, optimiser);
            listener.updated(update, value, norm);
        }
    }

    private boolean isDrawn(double probability) {
        float[] uniform = new float[1];
        random.rand(uniform);
        return uniform[0] < probability;
    }

    /// The features that stand for no text, in the place of a text on which they do not depend. The text still takes
    /// part, so that there is a gradient by what was learned, which is zero.
    private TextFeatures withoutText(TextFeatures text) {
        Tensor none = model.unconditional(text.lengths()).rows(); // (N, text channels)
        return new TextFeatures(text.rows().mul(0.0).add(none), text.lengths());
    }
}
