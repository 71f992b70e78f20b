package dev.palimpsest.bench.compare;

import dev.palimpsest.kernels.NdArray;
import java.util.function.Supplier;

/// Somebody who computes what a measurement asks for.
///
/// @param name the provider or the library
/// @param prepare makes a call possible; its time does not count
/// @param call computes it once
/// @param result what the last call computed, or what a further one computes, f32, dense
/// @param close gives back what is not in the arena of the operands
record Contestant(String name, Runnable prepare, Runnable call, Supplier<NdArray> result, Runnable close) {
    /// One that needs no preparation and has nothing to give back.
    Contestant(String name, Runnable call, Supplier<NdArray> result) {
        this(name, Contestant::nothing, call, result, Contestant::nothing);
    }

    /// One that needs no preparation.
    Contestant(String name, Runnable call, Supplier<NdArray> result, Runnable close) {
        this(name, Contestant::nothing, call, result, close);
    }

    private static void nothing() {}
}
