package dev.palimpsest.bench;

import dev.palimpsest.kernels.DType;

/// Matrix products `(m, k) x (k, n)` with a transposed weight, by where they occur.
public enum MatmulShape {
    /// Attention output of VINCIE's transformer for the tokens of half a 512-pixel picture.
    VINCIE_ATTENTION_OUT(512, 2560, 2560, DType.F32),
    /// The same from a checkpoint in bf16.
    VINCIE_ATTENTION_OUT_BF16(512, 2560, 2560, DType.BF16),
    /// Queries, keys and values of VINCIE's transformer.
    VINCIE_QKV(512, 7680, 2560, DType.F32),
    /// The gate of VINCIE's feed-forward layer.
    VINCIE_MLP(256, 6912, 2560, DType.F32),
    /// Second half of Infinity's feed-forward layer at a late scale.
    INFINITY_MLP(1024, 2048, 8192, DType.F32),
    /// Infinity's first scales, where the weight is read for one or a few tokens only.
    INFINITY_FIRST_SCALE(2, 6144, 2048, DType.BF16),
    /// A scale of 16 tokens.
    INFINITY_EARLY_SCALE(16, 6144, 2048, DType.BF16),
    /// A layer of VINCIE's text encoder for a short prompt.
    QWEN_PROMPT(48, 5120, 5120, DType.BF16),
    /// A square for comparison with other reports.
    SQUARE_1024(1024, 1024, 1024, DType.F32);

    private final int m;
    private final int n;
    private final int k;
    private final DType weightType;

    MatmulShape(int m, int n, int k, DType weightType) {
        this.m = m;
        this.n = n;
        this.k = k;
        this.weightType = weightType;
    }

    /// Rows of the left side and the output.
    public int m() {
        return m;
    }

    /// Columns of the output, rows of the stored weight.
    public int n() {
        return n;
    }

    /// Length of the sums.
    public int k() {
        return k;
    }

    /// Element type of the weight.
    public DType weightType() {
        return weightType;
    }

    /// Billions of floating-point operations.
    public double gflop() {
        return 2e-9 * m * n * k;
    }
}
