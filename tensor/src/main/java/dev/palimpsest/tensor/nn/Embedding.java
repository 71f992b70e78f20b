package dev.palimpsest.tensor.nn;

import dev.palimpsest.tensor.Tensor;

/// A table of learned vectors; parameter `weight` `(rows, width)`.
public final class Embedding extends Module {
    private final Parameter weight;

    /// A table over this tensor.
    public Embedding(Tensor weight) {
        this.weight = parameter("weight", weight);
    }

    /// The rows with these numbers.
    ///
    /// @param indices `(n)`, i64 or i32
    /// @return `(n, width)`, f32
    /// @throws IndexOutOfBoundsException naming the first index that is not a row
    public Tensor forward(Tensor indices) {
        return observe(weight.value().indexSelect(indices));
    }

    /// The table, `(rows, width)`.
    public Parameter weight() {
        return weight;
    }
}
