package dev.palimpsest.kernels;

/// The weight of convolutions, copied once by [Kernels#packFilter] into the layout that a provider's micro-kernels
/// read, so that convolutions need not do so every time.
///
/// It is understood by the provider that made it alone. Its memory belongs to the arena it was packed into: it lives
/// until that is closed, and a convolution after that is an [IllegalStateException]. It may be used by any number of
/// threads.
public interface PackedFilter {
    /// `(O, C, kT, kH, kW)`.
    Shape shape();

    /// How convolutions with it are computed.
    Arithmetic arithmetic();

    /// Bytes of native memory.
    long bytes();
}
