package dev.palimpsest.models.editinfinity;

import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Where in a picture a transformer looks when it reads some words of its text: the attention that all layers of cross
/// attention give to the words' tokens, averaged over layers, heads, tokens and scales.
///
/// ```java
/// AttentionMap map = new AttentionMap(layout, text.lengths()[0], from, to);
/// Observer.observing(map, () -> generator.generate(request.withSteering(source.replacing())));
/// Mask mask = Mask.above(map.mean(), 0.5);
/// ```
///
/// It observes one picture that is generated scale by scale. Guided samples follow those that see the text and do not
/// count. Its tensors belong to the scope that is current when it is made.
public final class AttentionMap implements Observer {
    private static final String QUERIES = ".ca.queries";
    private static final String KEYS = ".ca.keys";

    private final PictureLayout layout;
    private final int textLength;
    private final int from;
    private final int to;
    private final Scope scope = Scope.current();
    private final Map<String, Tensor> sums = new LinkedHashMap<>(); // by block (rows, columns)
    private final Map<String, Integer> seen = new HashMap<>(); // by block, scales so far
    private @Nullable Tensor queries; // (samples h w, heads, headDim), until their keys come

    /// A map for some tokens.
    ///
    /// @param layout of the picture; the map has the size of its frame
    /// @param textLength tokens of the text, its end included
    /// @param from first token of the words, see [dev.palimpsest.models.text.WordSpans]
    /// @param to token behind the last one of the words
    /// @throws IllegalArgumentException if the span is empty or not in the text
    public AttentionMap(PictureLayout layout, int textLength, int from, int to) {
        if (from < 0 || to <= from || to > textLength) {
            throw new IllegalArgumentException("attention map: the tokens from " + from + " to " + to
                    + " do not lie in a text of " + textLength + " tokens");
        }
        this.layout = layout;
        this.textLength = textLength;
        this.from = from;
        this.to = to;
    }

    @Override
    public Tensor output(String path, Tensor output) {
        if (path.endsWith(QUERIES)) {
            queries = output;
        } else if (path.endsWith(KEYS) && queries != null) {
            add(path.substring(0, path.length() - KEYS.length()), queries, output);
            queries = null;
        }
        return output;
    }

    private void add(String block, Tensor q, Tensor k) {
        int index = seen.merge(block, 1, Integer::sum) - 1;
        if (index >= layout.schedule().size()) {
            throw new IllegalStateException(
                    "attention map: more than the " + layout.schedule().size()
                            + " scales of one picture were generated; use a new map for each picture");
        }
        Scale scale = layout.schedule().get(index);
        Tensor sum = Scope.run(() -> {
            Tensor map = attention(q.slice(0, 0, scale.area()), k.slice(0, 0, textLength)); // (h w)
            Tensor resized = Functional.interpolate(
                            Interpolation.LINEAR,
                            map.reshape(1, 1, scale.height(), scale.width()),
                            layout.frame().height(),
                            layout.frame().width())
                    .reshape(layout.frame().height(), layout.frame().width()); // (rows, columns)
            Tensor before = sums.get(block);
            return scope.keep(before == null ? resized.copy() : before.add(resized));
        });
        Tensor replaced = sums.put(block, sum);
        if (replaced != null) {
            scope.release(replaced);
        }
    }

    /// Attention of every picture token to the words, averaged over their tokens and over heads.
    ///
    /// @param q `(h w, heads, headDim)`
    /// @param k `(text tokens, heads, headDim)`
    /// @return `(h w)`
    private Tensor attention(Tensor q, Tensor k) {
        double scale = 1 / Math.sqrt(q.dim(2));
        Tensor scores = q.permute(1, 0, 2).matmul(k.permute(1, 2, 0)).mul(scale); // (heads, h w, text tokens)
        return scores.softmax().slice(2, from, to).mean(0, 2).reshape(-1);
    }

    /// The sum over the scales so far of one block, `(rows, columns)`.
    ///
    /// @param block its path, such as `block_chunks.0.module.3`
    /// @throws IllegalStateException if this block was not seen
    public Tensor sum(String block) {
        Tensor sum = sums.get(block);
        if (sum == null) {
            throw new IllegalStateException(
                    "attention map: block " + block + " was not seen; those that were are " + sums.keySet());
        }
        return sum;
    }

    /// The mean over all blocks and scales, `(rows, columns)`.
    ///
    /// @throws IllegalStateException if nothing was seen
    public Tensor mean() {
        if (sums.isEmpty()) {
            throw new IllegalStateException("attention map: no cross attention was seen");
        }
        int count = seen.values().stream().mapToInt(n -> n).sum();
        return Scope.run(() -> Tensor.stack(sums.values().stream().toList(), 0)
                .sum(0)
                .squeeze(0)
                .div((double) count));
    }
}
