package dev.palimpsest.models.infinity;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What a text encoder says of one or more texts, packed behind each other without padding.
///
/// @param rows a vector for each token, end marks included, `(sum of lengths, width)`
/// @param lengths number of rows of each text
public record TextFeatures(Tensor rows, int[] lengths) implements Scope.Holder {
    /// Copies the lengths and checks that they fit the rows.
    public TextFeatures {
        lengths = lengths.clone();
        if (rows.rank() != 2 || rows.dim(0) != Arrays.stream(lengths).sum()) {
            throw new IllegalArgumentException("text features: " + rows.shape() + " are not the rows of texts of "
                    + Arrays.toString(lengths) + " tokens");
        }
    }

    /// Number of rows of each text.
    @Override
    public int[] lengths() {
        return lengths.clone();
    }

    /// Where each text begins, and where the last one ends: 0 and the sums of the lengths so far.
    public int[] starts() {
        int[] starts = new int[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            starts[i + 1] = starts[i] + lengths[i];
        }
        return starts;
    }

    /// Number of rows of the longest text.
    public int maxLength() {
        return Arrays.stream(lengths).max().orElse(0);
    }

    /// The features with learned rows behind those of every text.
    ///
    /// @param learned `(n, width)`
    public TextFeatures append(Tensor learned) {
        if (learned.rank() != 2 || learned.dim(1) != rows.dim(1)) {
            throw new IllegalArgumentException(
                    "text features: " + learned.shape() + " are not rows that can follow those of " + rows.shape());
        }
        int[] starts = starts();
        List<Tensor> parts = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            parts.add(rows.slice(0, starts[i], starts[i + 1]));
            parts.add(learned);
        }
        int[] longer = Arrays.stream(lengths).map(n -> n + learned.dim(0)).toArray();
        return new TextFeatures(parts.isEmpty() ? rows : Tensor.concat(parts, 0), longer);
    }

    @Override
    public Iterable<Tensor> tensors() {
        return List.of(rows);
    }
}
