package dev.palimpsest.kernels.x86;

/// What a micro-kernel multiplies: the forms of activations and weights, and the instruction that does it.
///
/// Weights lie in panels of 32-bit units, so that one layout serves all types: a unit holds the next 1, 2 or 4 weights
/// of a column, a row of the panel one unit for each of its columns. Activations are read in units of 32 bits as well.
enum TileType {
    /// f32 times f32, by `vfmadd231ps`.
    F32(1, 1, 14, "avx512f"),
    /// f32 times bf16, widened by a shift.
    F32_BF16(2, 1, 12, "avx512f"),
    /// f32 times f16, widened by `vcvtph2ps`.
    F32_F16(2, 1, 12, "avx512f"),
    /// f32 times 8-bit integers, widened by shifts and `vcvtdq2ps`; the scales come later.
    F32_I8(4, 1, 12, "avx512f"),
    /// Pairs of bf16 times pairs of bf16, by `vdpbf16ps`.
    BF16(2, 2, 14, "avx512_bf16"),
    /// Unsigned times signed bytes, four at a time, by `vpdpbusd`, into 32-bit integers.
    U8_I8(4, 4, 14, "avx512_vnni");

    private final int weights;
    private final int activations;
    private final int rows;
    private final String flag;

    TileType(int weights, int activations, int rows, String flag) {
        this.weights = weights;
        this.activations = activations;
        this.rows = rows;
        this.flag = flag;
    }

    /// Weights of a column in a unit.
    int weights() {
        return weights;
    }

    /// Activations of a row in a unit.
    int activations() {
        return activations;
    }

    /// Bytes of an activation.
    int activationBytes() {
        return 4 / activations;
    }

    /// Whether weights are widened to f32 on the way into the product.
    boolean widens() {
        return weights != activations;
    }

    /// Rows of the largest tile: its sums, a row of the panel and a broadcast activation fill the 32 registers.
    int rows() {
        return rows;
    }

    /// The instruction set that it needs beyond AVX-512 F, BW, DQ and VL.
    String flag() {
        return flag;
    }
}
