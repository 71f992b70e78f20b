package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// The keys and values of all blocks that a block-causal transformer has seen, for every layer and sample, so that the
/// next turn computes its own tokens only; see [NaDit#extend].
///
/// Keys are kept after normalisation and rotary embedding. Use a cache with one model only, and from one thread.
public final class KeyValueCache implements AutoCloseable {
    private final NaDitConfig config;
    private final Sample[] samples;
    private boolean closed;

    /// An empty cache.
    ///
    /// @param config the model's
    /// @param samples how many samples are packed in each call
    public KeyValueCache(NaDitConfig config, int samples) {
        this.config = config;
        this.samples = new Sample[samples];
        for (int s = 0; s < samples; s++) {
            this.samples[s] = new Sample();
        }
    }

    private static final class Sample {
        private @Nullable Scope scope;
        private @Nullable Tensor buffer; // (layers, 2, capacity, heads, headDim)
        private int tokens;
        private int frames;
        private int textTokens;
    }

    /// Keys and values of one layer and sample, old and new.
    ///
    /// @param k `(kept + new, heads, headDim)`
    /// @param v `(kept + new, heads, headDim)`
    record KeysAndValues(Tensor k, Tensor v) {}

    /// Number of samples.
    public int samples() {
        return samples.length;
    }

    /// Tokens of a sample that are kept.
    public int tokens(int sample) {
        return samples[sample].tokens;
    }

    /// Frames of a sample that are kept.
    public int frames(int sample) {
        return samples[sample].frames;
    }

    /// Text tokens of a sample that are kept.
    public int textTokens(int sample) {
        return samples[sample].textTokens;
    }

    /// Makes room for the tokens of a call. Called before the call opens its own scopes, so that the memory is counted
    /// where the cache is used.
    void reserve(NaDitConfig model, TokenLayout layout) {
        if (closed) {
            throw new IllegalStateException("key/value cache: it is closed");
        }
        if (!model.equals(config)) {
            throw new IllegalArgumentException("key/value cache: it was made for another model");
        }
        if (layout.samples() != samples.length) {
            throw new IllegalArgumentException(
                    "key/value cache: it has " + samples.length + " samples, the input has " + layout.samples());
        }
        for (int s = 0; s < samples.length; s++) {
            grow(samples[s], samples[s].tokens + layout.sampleTokens(s));
        }
    }

    private void grow(Sample sample, int needed) {
        Tensor old = sample.buffer;
        int capacity = old == null ? 0 : old.dim(2);
        if (needed <= capacity) {
            return;
        }
        Shape shape = Shape.of(config.numLayers(), 2, Math.max(needed, 2 * capacity), config.heads(), config.headDim());
        Scope scope = Scope.open();
        Tensor wider = scope.call(() -> {
            Tensor t = Tensor.empty(DType.F32, shape);
            if (old != null) {
                t.slice(2, 0, sample.tokens).copyInPlace(old.slice(2, 0, sample.tokens));
            }
            return t;
        });
        release(sample);
        sample.scope = scope;
        sample.buffer = wider;
    }

    /// Writes new keys and values behind the kept ones and returns all of them. They count as kept only after [#keep].
    ///
    /// @param k `(new, heads, headDim)`
    /// @param v `(new, heads, headDim)`
    KeysAndValues append(int layer, int sample, Tensor k, Tensor v) {
        Sample kept = samples[sample];
        Tensor buffer = kept.buffer;
        if (buffer == null) {
            throw new IllegalStateException("key/value cache: no room was reserved");
        }
        int end = kept.tokens + k.dim(0);
        Tensor keys = buffer.select(0, layer).select(0, 0); // (capacity, heads, headDim)
        Tensor values = buffer.select(0, layer).select(0, 1); // (capacity, heads, headDim)
        keys.slice(0, kept.tokens, end).copyInPlace(k);
        values.slice(0, kept.tokens, end).copyInPlace(v);
        return new KeysAndValues(keys.slice(0, 0, end), values.slice(0, 0, end));
    }

    /// Keeps what the last call wrote.
    void keep(TokenLayout layout) {
        for (int s = 0; s < samples.length; s++) {
            samples[s].tokens += layout.sampleTokens(s);
            samples[s].frames += layout.vidShapes().get(s).frames();
            samples[s].textTokens += layout.txtLengths().get(s);
        }
    }

    private static void release(Sample sample) {
        if (sample.scope != null) {
            sample.scope.close();
            sample.scope = null;
            sample.buffer = null;
        }
    }

    /// Gives the memory back. Closing twice is harmless.
    @Override
    public void close() {
        closed = true;
        for (Sample sample : samples) {
            release(sample);
        }
    }
}
