package dev.palimpsest.models.infinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The keys and values of all scales of a picture that the transformer has seen, for every block and sample, so that
/// the next scale computes its own tokens only; see [InfinityTransformer#extend].
///
/// Keys are kept after normalisation and rotary embedding. Those of the last scale are not kept, for nothing follows
/// it; it has almost as many tokens as all the others together. The keys and values of the text are kept as well. Use
/// a cache for one picture only, and from one thread.
public final class ScaleCache implements AutoCloseable {
    private final PictureLayout layout;
    private final Scope scope = Scope.open();
    private final List<Tensor> keys = new ArrayList<>(); // for each block (B, capacity, heads, headDim)
    private final List<Tensor> values = new ArrayList<>(); // likewise
    private final List<@Nullable Tensor> text; // for each block (N, 2, heads, headDim)
    private int next;

    /// An empty cache.
    ///
    /// @param config the model's
    /// @param samples number of samples
    public ScaleCache(InfinityConfig config, PictureLayout layout, int samples) {
        this.layout = layout;
        this.text = new ArrayList<>(Collections.nCopies(config.depth(), null));
        int capacity = layout.schedule().start(layout.schedule().size() - 1);
        Shape shape = Shape.of(samples, capacity, config.heads(), config.headDim());
        for (int layer = 0; layer < config.depth(); layer++) {
            keys.add(scope.call(() -> Tensor.empty(DType.F32, shape)));
            values.add(scope.call(() -> Tensor.empty(DType.F32, shape)));
        }
    }

    /// Keys and values of one block and sample, old and new.
    ///
    /// @param k `(kept + new, heads, headDim)`
    /// @param v `(kept + new, heads, headDim)`
    record KeysAndValues(Tensor k, Tensor v) {}

    /// The scales of the picture.
    public PictureLayout layout() {
        return layout;
    }

    /// Number of scales that are kept, which is the index of the next one.
    ///
    /// @throws IllegalStateException if all scales have been there
    public int next() {
        if (next == layout.schedule().size()) {
            throw new IllegalStateException("infinity: all " + next + " scales of the picture have been there");
        }
        return next;
    }

    /// Writes new keys and values behind the kept ones and returns all of them. They count as kept only after [#keep].
    ///
    /// @param k `(new, heads, headDim)`
    /// @param v `(new, heads, headDim)`
    KeysAndValues append(int layer, int sample, Tensor k, Tensor v) {
        return new KeysAndValues(
                append(keys.get(layer).select(0, sample), k),
                append(values.get(layer).select(0, sample), v));
    }

    private Tensor append(Tensor kept, Tensor added) {
        int from = layout.schedule().start(next);
        if (from == 0 && next + 1 == layout.schedule().size()) {
            return added;
        }
        if (next + 1 == layout.schedule().size()) {
            return Tensor.concat(List.of(kept, added), 0); // (kept + new, heads, headDim)
        }
        int to = from + added.dim(0);
        kept.slice(0, from, to).copyInPlace(added);
        return kept.slice(0, 0, to);
    }

    /// Keys and values of the text in one block, computed when they are asked for first.
    ///
    /// @param compute makes `(N, 2, heads, headDim)`
    Tensor text(int layer, Supplier<Tensor> compute) {
        Tensor known = text.get(layer);
        if (known == null) {
            known = scope.call(compute::get);
            text.set(layer, known);
        }
        return known;
    }

    /// Keeps what the last call wrote.
    void keep() {
        next++;
    }

    /// Forgets a scale and those behind it, which can then be computed again.
    ///
    /// @throws IllegalArgumentException if it has not been there
    public void rewind(int scale) {
        if (scale < 0 || scale >= next) {
            throw new IllegalArgumentException(
                    "infinity: scale " + scale + " cannot be forgotten, " + next + " scales have been there");
        }
        next = scale;
    }

    /// Gives the memory back. Closing twice is harmless.
    @Override
    public void close() {
        scope.close();
    }
}
