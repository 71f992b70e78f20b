package dev.palimpsest.models.vincie;

import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Embedding;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// How the text of a session says which of its prompts a token belongs to: the i-th prompt's row of a learned table is
/// joined with the prompt's token states.
public enum PromptFusion {
    /// The row stands in front of the prompt's states, which makes the prompt one longer.
    SEQ_CONCAT,
    /// The row is added to each of the prompt's states.
    DIM_ADD,
    /// The row is not used.
    NONE;

    /// The strategy of a configuration: `seq_concat`, `dim_add` or `none`.
    ///
    /// @throws IllegalArgumentException if it is none of these
    public static PromptFusion of(String name) {
        for (PromptFusion fusion : values()) {
            if (fusion.name().toLowerCase(Locale.ROOT).equals(name)) {
                return fusion;
            }
        }
        throw new IllegalArgumentException(
                "fusion_strategy \"" + name + "\" is unknown; use seq_concat, dim_add or none");
    }

    /// Joins the prompts of one session.
    ///
    /// @param states token states of all prompts behind each other `(sum of lengths, width)`
    /// @param lengths number of rows of each prompt
    /// @param table one row for each prompt number `(prompts, width)`
    /// @return `(L, width)`
    /// @throws IllegalArgumentException if there are more prompts than rows
    public Tensor fuse(Tensor states, int[] lengths, Embedding table) {
        if (this == NONE) {
            return states;
        }
        int rows = table.weight().shape().dim(0);
        if (lengths.length > rows) {
            throw new IllegalArgumentException("a session of " + lengths.length
                    + " prompts is too long: this model knows " + rows + " prompt numbers");
        }
        int[] numbers = new int[lengths.length];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = i;
        }
        Tensor ids = table.forward(Tensor.of(numbers, numbers.length)); // (prompts, width)
        List<Tensor> parts = new ArrayList<>();
        int at = 0;
        for (int i = 0; i < lengths.length; i++) {
            Tensor id = ids.slice(0, i, i + 1); // (1, width)
            Tensor prompt = states.slice(0, at, at + lengths[i]); // (length, width)
            at += lengths[i];
            if (this == SEQ_CONCAT) {
                parts.add(id);
                parts.add(prompt);
            } else {
                parts.add(prompt.add(id));
            }
        }
        return Tensor.concat(parts, 0);
    }
}
