package dev.palimpsest.bench.compare;

/// What bounds a measurement.
enum Roof {
    /// Nothing that was measured.
    NONE,
    /// Multiplications and additions of f32.
    F32,
    /// Dot products of pairs of bf16.
    BF16,
    /// Dot products of quadruples of 8-bit integers.
    INT8,
    /// Copies of memory.
    COPY;

    /// Its height in the unit of the measurements that it bounds, 0 if unknown.
    double of(Roofs roofs) {
        return switch (this) {
            case NONE -> 0;
            case F32 -> roofs.f32();
            case BF16 -> roofs.bf16();
            case INT8 -> roofs.int8();
            case COPY -> roofs.copy();
        };
    }
}
