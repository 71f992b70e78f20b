package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.List;

/// Rows that follow the features of a prompt and say what words do not: what this picture looks like beyond the prompt
/// (arXiv 2510.20217, learnable prompt). They are learned by an [InversionTrainer] and used with the instruction that
/// announces them, [dev.palimpsest.models.infinity.PromptText#withInstruction].
///
/// @param embedding `(1, rows, text channels)`, f32; the original stores 512 rows
/// @param used how many of the rows count: the first ones
public record LearnedPrompt(Tensor embedding, int used) implements Scope.Holder {
    /// How many rows follow the text in the original.
    public static final int USED = 20;

    /// Checks the extents.
    public LearnedPrompt {
        if (used < 1 || embedding.rank() != 3 || embedding.dim(0) != 1 || embedding.dim(1) < used) {
            throw new IllegalArgumentException("learned prompt: " + embedding.shape()
                    + " needs the axes (1, rows, text channels) with at least " + Math.max(used, 1) + " rows");
        }
    }

    /// A prompt of as many rows as in the original.
    ///
    /// @param embedding `(1, rows, text channels)`, f32, of which the first [#USED] rows count
    public LearnedPrompt(Tensor embedding) {
        this(embedding, USED);
    }

    /// A prompt that has not learned anything: zeros. It belongs to the current scope.
    ///
    /// @param textChannels width of the text features
    /// @param rows how many
    public static LearnedPrompt create(int textChannels, int rows) {
        return new LearnedPrompt(Tensor.zeros(1, rows, textChannels), rows);
    }

    /// A prompt of [#USED] rows that has not learned anything.
    public static LearnedPrompt create(int textChannels) {
        return create(textChannels, USED);
    }

    /// The features with the rows that count behind those of every text.
    public TextFeatures appendedTo(TextFeatures text) {
        return text.append(embedding.select(0, 0).slice(0, 0, used));
    }

    @Override
    public Iterable<Tensor> tensors() {
        return List.of(embedding);
    }
}
