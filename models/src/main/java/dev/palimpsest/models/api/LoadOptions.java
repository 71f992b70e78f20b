package dev.palimpsest.models.api;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.tensor.nn.PackedWeights;

/// How a model computes with its weights.
///
/// Weights are mapped, not read. The transformer and the autoencoder, which are used many times for a picture, copy
/// theirs into the layout of the kernels when they are first used ([PackedWeights]); the text encoder, which is used
/// once for a prompt, reads its weights where they lie. Pages of the file that have been copied are not looked at
/// again and cost nothing: they are clean, so the operating system takes them back when memory is short. The copies it
/// cannot take back, which is why they have a limit.
///
/// @param arithmetic of the transformer and the autoencoder; anything else than [Arithmetic#F32] changes the pictures
///     a little, see there
/// @param packedBytes memory for the copies; layers that find no room in it use their weights where they lie, in f32
///     arithmetic. 0 to copy nothing
public record LoadOptions(Arithmetic arithmetic, long packedBytes) {
    /// Java takes a quarter of the memory for its heap, unless it is told otherwise; the copies may take twice as
    /// much.
    private static final int HEAPS = 2;

    /// @throws IllegalArgumentException if the limit is negative, or forbids what the arithmetic needs
    public LoadOptions {
        if (packedBytes < 0) {
            throw new IllegalArgumentException("packed bytes: " + packedBytes + " must not be negative");
        }
        if (packedBytes == 0 && arithmetic != Arithmetic.F32) {
            throw new IllegalArgumentException(
                    "packed bytes: 0 leaves no memory for weights in the arithmetic " + arithmetic);
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

    /// A place for a model's copies.
    public PackedWeights packedWeights() {
        return new PackedWeights(arithmetic, packedBytes);
    }
}
