package dev.palimpsest.models.vincie;

import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Embedding;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.weights.WeightTree;

/// A learned vector for the first, second, ... prompt of a session, by which the transformer tells prompts apart. It
/// lies in the transformer's checkpoint; key `embedding.weight` `(prompts, width)`.
public final class PromptIdEmbedding extends Module {
    private final Embedding embedding;
    private final int prompts;
    private final int width;

    /// The table at a node of a checkpoint.
    ///
    /// @param at the node `prompt_id_embedding`
    public PromptIdEmbedding(WeightTree at) {
        this.prompts = at.shape("embedding.weight").dim(0);
        this.width = at.shape("embedding.weight").dim(1);
        this.embedding = child("embedding", Layers.embedding(at.at("embedding"), prompts, width));
    }

    /// How many prompts a session can have.
    public int prompts() {
        return prompts;
    }

    /// Width of a vector.
    public int width() {
        return width;
    }

    /// The table itself, as [PromptFusion] takes it.
    public Embedding table() {
        return embedding;
    }

    /// The vectors of these prompts.
    ///
    /// @param ids numbers from 0, `(n)`, i64 or i32
    /// @return `(n, width)`
    /// @throws IndexOutOfBoundsException if a number is not below [#prompts]
    public Tensor forward(Tensor ids) {
        return observe(embedding.forward(ids));
    }
}
