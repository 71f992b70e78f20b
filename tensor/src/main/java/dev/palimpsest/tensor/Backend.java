package dev.palimpsest.tensor;

import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;

/// The kernels that tensors compute with: those of [KernelProviders#lookup()], unless a caller binds others for a
/// while.
public final class Backend {
    private static final ScopedValue<Kernels> OVERRIDE = ScopedValue.newInstance();

    private Backend() {}

    /// The kernels in force on this thread: those of an enclosing [#with], else the ones chosen for this process.
    public static Kernels kernels() {
        return OVERRIDE.isBound() ? OVERRIDE.get() : KernelProviders.lookup().kernels();
    }

    /// Runs `body` with other kernels.
    public static <T, X extends Throwable> T with(Kernels kernels, ScopedValue.CallableOp<T, X> body) throws X {
        return ScopedValue.where(OVERRIDE, kernels).call(body);
    }
}
