package dev.palimpsest.examples;

import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.KernelSelection;

/// The tensor engine of this process.
final class Engine {
    private Engine() {}

    /// The kernels to compute with.
    ///
    /// @throws UserException if the system properties ask for kernels or threads that cannot be had, or this Java is
    ///     unsound
    static KernelSelection kernels() {
        try {
            return KernelProviders.lookup();
        } catch (IllegalArgumentException | IllegalStateException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }
}
