package dev.palimpsest.bench.compare;

import dev.palimpsest.kernels.NdArray;
import java.util.function.Supplier;

/// Somebody who computes what a measurement asks for.
///
/// @param name the provider or the library
/// @param call computes it once
/// @param result computes it once, too, and gives what came out, f32, dense
/// @param close gives back what is not in the arena of the operands
record Contestant(String name, Runnable call, Supplier<NdArray> result, Runnable close) {
    /// One that has nothing to give back.
    Contestant(String name, Runnable call, Supplier<NdArray> result) {
        this(name, call, result, Contestant::nothing);
    }

    /// One whose calls write to memory of ours.
    ///
    /// @param written what the last call wrote, f32, dense
    static Contestant writing(String name, Runnable call, Supplier<NdArray> written) {
        return writing(name, call, written, Contestant::nothing);
    }

    /// One whose calls write to memory of ours, and that has something to give back.
    ///
    /// @param written what the last call wrote, f32, dense
    static Contestant writing(String name, Runnable call, Supplier<NdArray> written, Runnable close) {
        return new Contestant(
                name,
                call,
                () -> {
                    call.run();
                    return written.get();
                },
                close);
    }

    private static void nothing() {}
}
