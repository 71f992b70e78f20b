package dev.palimpsest.tensor.autograd;

import dev.palimpsest.tensor.Recorder;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Training;
import dev.palimpsest.tensor.random.RandomSource;

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
/// it just runs.
public final class Checkpointed {
    private Checkpointed() {}

    /// Runs a part of the network. If it draws numbers from [Training#random], it draws the same ones when it runs
    /// again, and the source goes on afterwards as if the part had run once.
    public static Tensor run(Scope.Body<Tensor, RuntimeException> body) {
        Recorder recorder = Recorder.current();
        if (recorder == null) {
            return Scope.run(body);
        }
        RandomSource random = Training.random();
        return recorder.runForgetting(random == null ? body : repeatable(body, random.copy()));
    }

    /// A body that runs as it is for the first time, and with random numbers from `start` later.
    private static Scope.Body<Tensor, RuntimeException> repeatable(
            Scope.Body<Tensor, RuntimeException> body, RandomSource start) {
        boolean[] again = new boolean[1];
        return () -> {
            if (again[0]) {
                return Training.run(start.copy(), body);
            }
            again[0] = true;
            return body.call();
        };
    }
}
