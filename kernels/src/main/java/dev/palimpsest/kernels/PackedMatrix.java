package dev.palimpsest.kernels;

/// The right side of a matrix product, copied once by [Kernels#pack] into the layout that a provider's micro-kernels
/// read, so that products need not do so every time.
///
/// It is understood by the provider that made it alone. Its memory belongs to the arena it was packed into: it lives
/// until that is closed, and a product after that is an [IllegalStateException]. It may be used by any number of
/// threads.
public interface PackedMatrix {
    /// `(K, N)`, as in `(M, K) x (K, N)`.
    Shape shape();

    /// How products with it are computed.
    Arithmetic arithmetic();

    /// What a weight is stored as: f32, bf16, f16 or i8.
    DType weightType();

    /// Elements of a column that share a scale, 0 if the whole column does.
    int groupSize();

    /// Bytes of native memory.
    long bytes();
}
