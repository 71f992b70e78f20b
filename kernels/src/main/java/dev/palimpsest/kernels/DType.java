package dev.palimpsest.kernels;

import java.util.Locale;

/// The element type of an array in memory, little-endian throughout.
///
/// Arithmetic happens in [#F32] (or in [#F64] and [#I64] where an op says so); the narrower floating types are storage
/// formats that kernels widen while they read. The 8-bit floating types and the unsigned integers wider than 8 bits
/// can be stored, copied and inspected, but no op computes with them.
public enum DType {
    /// IEEE 754 binary32.
    F32(4, Kind.FLOAT),
    /// IEEE 754 binary16.
    F16(2, Kind.FLOAT),
    /// The upper half of a binary32: 8 exponent bits, 7 fraction bits.
    BF16(2, Kind.FLOAT),
    /// IEEE 754 binary64.
    F64(8, Kind.FLOAT),
    /// 8-bit float, 4 exponent and 3 fraction bits, no infinities (Micikevicius et al. 2022, arXiv 2209.05433).
    F8_E4M3(1, Kind.FLOAT),
    /// 8-bit float, 5 exponent and 2 fraction bits (Micikevicius et al. 2022, arXiv 2209.05433).
    F8_E5M2(1, Kind.FLOAT),
    /// Signed 64-bit integer.
    I64(8, Kind.SIGNED),
    /// Signed 32-bit integer.
    I32(4, Kind.SIGNED),
    /// Signed 16-bit integer.
    I16(2, Kind.SIGNED),
    /// Signed 8-bit integer.
    I8(1, Kind.SIGNED),
    /// Unsigned 64-bit integer.
    U64(8, Kind.UNSIGNED),
    /// Unsigned 32-bit integer.
    U32(4, Kind.UNSIGNED),
    /// Unsigned 16-bit integer.
    U16(2, Kind.UNSIGNED),
    /// Unsigned 8-bit integer.
    U8(1, Kind.UNSIGNED),
    /// One byte, 0 for false and 1 for true.
    BOOL(1, Kind.BOOLEAN);

    private enum Kind {
        FLOAT,
        SIGNED,
        UNSIGNED,
        BOOLEAN
    }

    private final int bytes;
    private final Kind kind;

    DType(int bytes, Kind kind) {
        this.bytes = bytes;
        this.kind = kind;
    }

    /// Size of one element in bytes.
    public int bytes() {
        return bytes;
    }

    /// Whether this is one of the floating-point types.
    public boolean isFloating() {
        return kind == Kind.FLOAT;
    }

    /// Whether this is a signed or unsigned integer type; [#BOOL] is not.
    public boolean isInteger() {
        return kind == Kind.SIGNED || kind == Kind.UNSIGNED;
    }

    /// Lower-case name as people write it: `f32`, `bf16`, `i64`, `bool`.
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
