package dev.palimpsest.models.vincie;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What the causal convolutions of a network remember while a video passes through it chunk by chunk: the last input
/// frames of the chunk before, which take the place of the repeated first frame.
///
/// One memory belongs to one pass of one network over one video. Its tensors live until [#close], whatever scopes the
/// chunks are computed in, and are overwritten from chunk to chunk, so their number of bytes does not depend on the
/// video's length.
final class CausalMemory implements AutoCloseable {
    /// Where in a video the current chunk lies.
    enum State {
        /// The chunk is the whole video: nothing is remembered.
        DISABLED,
        /// The chunk is the first one.
        INITIALIZING,
        /// Other chunks came before.
        ACTIVE
    }

    private final @Nullable Scope scope;
    private final Map<CausalConv, Tensor> frames = new HashMap<>();
    private State state;

    private CausalMemory(State state, @Nullable Scope scope) {
        this.state = state;
        this.scope = scope;
    }

    /// For a video that is computed as a whole.
    static CausalMemory disabled() {
        return new CausalMemory(State.DISABLED, null);
    }

    /// For the first chunk of a video; call [#advance] before the next one. The bytes count in the current scope.
    static CausalMemory initializing() {
        return new CausalMemory(State.INITIALIZING, Scope.open());
    }

    /// From now on chunks are later ones.
    void advance() {
        if (state == State.DISABLED) {
            throw new IllegalStateException("a disabled memory has no next chunk");
        }
        state = State.ACTIVE;
    }

    State state() {
        return state;
    }

    /// Whether the current chunk begins with the video's first frame.
    boolean atStart() {
        return state != State.ACTIVE;
    }

    /// What a convolution kept of the chunk before, `(N, C, frames, H, W)`; null at the start of a video and where a
    /// convolution needs nothing.
    @Nullable
    Tensor recall(CausalConv conv) {
        return state == State.ACTIVE ? frames.get(conv) : null;
    }

    /// Keeps a copy of these frames for the next chunk, unless memory is disabled.
    ///
    /// @param last `(N, C, frames, H, W)`
    void keep(CausalConv conv, Tensor last) {
        if (scope == null) {
            return;
        }
        Tensor kept = frames.get(conv);
        if (kept != null && kept.shape().equals(last.shape())) {
            kept.copyInPlace(last);
        } else {
            frames.put(conv, scope.call(() -> Frames.copy(last)));
        }
    }

    /// Forgets everything and gives the bytes back.
    @Override
    public void close() {
        frames.clear();
        if (scope != null) {
            scope.close();
        }
    }
}
