package dev.palimpsest.models.api;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.tensor.nn.PackedWeights;
import dev.palimpsest.weights.Checkpoint;
import java.util.List;

/// How a model computes with its weights.
///
/// Weights are mapped, not read. The transformer and the autoencoder, which are used many times for a picture, copy
/// theirs into the layout of the kernels when they are first used ([PackedWeights]). Pages of the file that have been
/// copied leave the process at once. The copies, other than those pages, are memory that the operating system cannot
/// take back, which is why they have a limit.
///
/// The text encoder is used once for a prompt and may be twice as large as everything else, so its weights are not
/// copied: each is packed in passing, a few megabytes at a time.
///
/// The arithmetic reaches linear layers. Convolutions and attention know f32 and bf16, and so does the text encoder,
/// whose weights would have to be made integers again for each prompt: with integers these stay in f32. So do T5's
/// attention, whose scores are not scaled down, and everything between layers, such as the keys and values that are
/// kept from scale to scale or from turn to turn.
///
/// @param arithmetic how layers compute; anything else than [Arithmetic#F32] changes the pictures a little, see there
/// @param packedBytes memory for the copies; layers that find no room in it pack their weights in passing, in the same
///     arithmetic. 0 to copy nothing
public record LoadOptions(Arithmetic arithmetic, long packedBytes) {
    /// Java takes a quarter of the memory for its heap, unless it is told otherwise; the copies may take twice as
    /// much.
    private static final int HEAPS = 2;

    /// @throws IllegalArgumentException if the limit is negative
    public LoadOptions {
        if (packedBytes < 0) {
            throw new IllegalArgumentException("packed bytes: " + packedBytes + " must not be negative");
        }
    }

    /// f32 arithmetic, and twice the maximal size of Java's heap for the copies: half of the memory, unless `-Xmx`
    /// says otherwise.
    public static LoadOptions defaults() {
        long heap = Runtime.getRuntime().maxMemory();
        return new LoadOptions(Arithmetic.F32, heap > Long.MAX_VALUE / HEAPS ? Long.MAX_VALUE : HEAPS * heap);
    }

    /// These options with another arithmetic.
    public LoadOptions withArithmetic(Arithmetic arithmetic) {
        return new LoadOptions(arithmetic, packedBytes);
    }

    /// These options with another limit for copies of weights, in bytes.
    public LoadOptions withPackedBytes(long packedBytes) {
        return new LoadOptions(arithmetic, packedBytes);
    }

    /// A place for a model's copies, and the arithmetic.
    ///
    /// @param checkpoints where the weights are mapped; pages that have been copied leave the process
    public PackedWeights packedWeights(List<Checkpoint> checkpoints) {
        return new PackedWeights(
                arithmetic, packedBytes, memory -> checkpoints.forEach(checkpoint -> checkpoint.unload(memory)));
    }

    /// The arithmetic of a part that is used once for an input, which keeps no copies.
    public PackedWeights withoutCopies() {
        return new PackedWeights(arithmetic == Arithmetic.BF16 ? Arithmetic.BF16 : Arithmetic.F32, 0);
    }
}
