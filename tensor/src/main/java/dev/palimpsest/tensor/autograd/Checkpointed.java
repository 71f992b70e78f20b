package dev.palimpsest.tensor.autograd;

import dev.palimpsest.tensor.Recorder;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.RandomSource;
import java.util.List;

/// Trades time for memory: the intermediate values of a part of the network are not kept for the backward pass but
/// computed again when it arrives there (Chen et al. 2016, arXiv 1604.06174).
///
/// ```java
/// for (Block block : blocks) {
///     Tensor h = x;
///     x = Checkpointed.run(() -> block.forward(h, condition));
/// }
/// ```
///
/// Everything that the part reads through ops (its inputs, its weights, conditions computed before) is found by itself
/// and kept. The part must do the same when it runs a second time and must not count on being run once. Without a tape
/// it
/// just runs.
public final class Checkpointed {
    private Checkpointed() {}

    /// Runs a part of the network.
    public static Tensor run(Scope.Body<Tensor, RuntimeException> body) {
        Recorder recorder = Recorder.current();
        return recorder == null ? Scope.run(body) : recorder.runForgetting(body);
    }

    /// Runs a part of the network that draws random numbers. It draws the same ones when it runs again, and the sources
    /// go
    /// on afterwards as if it had run once.
    public static Tensor run(List<RandomSource> sources, Scope.Body<Tensor, RuntimeException> body) {
        List<byte[]> before = sources.stream().map(RandomSource::state).toList();
        boolean[] again = new boolean[1];
        return run(() -> {
            if (!again[0]) {
                again[0] = true;
                return body.call();
            }
            List<byte[]> after = sources.stream().map(RandomSource::state).toList();
            restore(sources, before);
            try {
                return body.call();
            } finally {
                restore(sources, after);
            }
        });
    }

    private static void restore(List<RandomSource> sources, List<byte[]> states) {
        for (int i = 0; i < states.size(); i++) {
            sources.get(i).restore(states.get(i));
        }
    }
}
