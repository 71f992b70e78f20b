package dev.palimpsest.kernels;

/// Geometry of a convolution (cross-correlation, as in every deep-learning framework) over time, rows and columns.
///
/// A 2-D convolution is one with a time extent of 1. Padding is zeros, except that the time axis can be padded in
/// front with copies of its first frame, which is what causal video convolutions do.
///
/// @param strideT step along time
/// @param strideH step along rows
/// @param strideW step along columns
/// @param front frames put in front
/// @param back frames put behind
/// @param top rows above
/// @param bottom rows below
/// @param left columns at the left
/// @param right columns at the right
/// @param replicateFront whether the frames in front repeat the first frame instead of being zero
/// @param arithmetic [Arithmetic#F32], or [Arithmetic#BF16]: input and weight rounded to bf16, sums in f32
public record Convolution(
        int strideT,
        int strideH,
        int strideW,
        int front,
        int back,
        int top,
        int bottom,
        int left,
        int right,
        boolean replicateFront,
        Arithmetic arithmetic) {

    /// Checks that strides are positive, paddings not negative and products those of floating-point numbers.
    public Convolution {
        if (strideT < 1 || strideH < 1 || strideW < 1) {
            throw new IllegalArgumentException(
                    "convolution: strides " + strideT + ", " + strideH + ", " + strideW + " must be at least 1");
        }
        if (front < 0 || back < 0 || top < 0 || bottom < 0 || left < 0 || right < 0) {
            throw new IllegalArgumentException("convolution: padding must not be negative");
        }
        if (arithmetic != Arithmetic.F32 && arithmetic != Arithmetic.BF16) {
            throw new IllegalArgumentException(
                    "convolution: the arithmetic " + arithmetic + " is for matrix products; use F32 or BF16");
        }
    }

    /// A convolution in [Arithmetic#F32].
    public Convolution(
            int strideT,
            int strideH,
            int strideW,
            int front,
            int back,
            int top,
            int bottom,
            int left,
            int right,
            boolean replicateFront) {
        this(strideT, strideH, strideW, front, back, top, bottom, left, right, replicateFront, Arithmetic.F32);
    }

    /// This convolution in another arithmetic.
    public Convolution in(Arithmetic other) {
        return new Convolution(strideT, strideH, strideW, front, back, top, bottom, left, right, replicateFront, other);
    }

    /// Whether there is padding on any side.
    public boolean isPadded() {
        return front + back + top + bottom + left + right > 0;
    }

    /// A 2-D convolution with the same stride and padding on every side.
    public static Convolution planar(int stride, int padding) {
        return new Convolution(1, stride, stride, 0, 0, padding, padding, padding, padding, false);
    }

    /// Shape of the output for an input `(N, C, T, H, W)` and a weight `(O, C, kT, kH, kW)`.
    ///
    /// @throws IllegalArgumentException naming both shapes if they do not fit or the output would be empty
    public Shape outputShape(Shape input, Shape weight) {
        if (input.rank() != 5 || weight.rank() != 5) {
            throw new IllegalArgumentException("convolution: input " + input + " and weight " + weight
                    + " must have five axes (N, C, T, H, W) and (O, C, kT, kH, kW)");
        }
        if (input.dim(1) != weight.dim(1)) {
            throw new IllegalArgumentException("convolution: " + input + " * " + weight + ": input has " + input.dim(1)
                    + " channels, the weight expects " + weight.dim(1));
        }
        int t = extent(input.dim(2) + front + back, weight.dim(2), strideT);
        int h = extent(input.dim(3) + top + bottom, weight.dim(3), strideH);
        int w = extent(input.dim(4) + left + right, weight.dim(4), strideW);
        if (t < 1 || h < 1 || w < 1) {
            throw new IllegalArgumentException(
                    "convolution: " + input + " * " + weight + ": the kernel is larger than the padded input");
        }
        return Shape.of(input.dim(0), weight.dim(0), t, h, w);
    }

    private static int extent(int in, int kernel, int stride) {
        return in < kernel ? 0 : (in - kernel) / stride + 1;
    }
}
