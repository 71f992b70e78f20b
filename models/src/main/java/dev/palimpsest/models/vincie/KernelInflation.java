package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Tensor;
import java.util.List;

/// How the kernel of a 2-D convolution becomes one of a causal 3-D convolution, so that a video autoencoder can start
/// from an image autoencoder.
///
/// With either way a single image gives what the 2-D convolution gave: the causal convolution repeats the first frame
/// in front, so all time taps see the same picture.
public enum KernelInflation {
    /// 2-D kernels are refused.
    NONE,
    /// Zeros except at the last time tap, the one that sees the present frame.
    CONSTANT,
    /// The same at every time tap, divided by their number.
    REPLICATE;

    /// The way that the setting `inflation_mode` names. Its other values (`pad`, `none`) speak of checkpoints whose
    /// kernels are 3-D already.
    static KernelInflation of(String mode) {
        return switch (mode) {
            case "constant" -> CONSTANT;
            case "replicate" -> REPLICATE;
            default -> NONE;
        };
    }

    /// The 3-D kernel.
    ///
    /// @param weight `(O, C, kH, kW)`
    /// @param depth time taps, at least 1
    /// @return `(O, C, depth, kH, kW)`
    /// @throws IllegalArgumentException if the weight has other axes, the depth is not positive, or this is [#NONE]
    public Tensor inflate(Tensor weight, int depth) {
        if (weight.rank() != 4 || depth < 1) {
            throw new IllegalArgumentException("inflate: " + weight.shape() + " to depth " + depth
                    + ": the kernel must have the axes (O, C, kH, kW) and the depth must be at least 1");
        }
        Tensor tap = weight.unsqueeze(2); // (O, C, 1, kH, kW)
        Shape deep = tap.shape().with(2, depth);
        return switch (this) {
            case NONE ->
                throw new IllegalArgumentException("inflate: " + weight.shape()
                        + " is a 2-D kernel, and no way to inflate it is set (inflation_mode constant or replicate)");
            case CONSTANT ->
                depth == 1
                        ? tap
                        : Tensor.concat(
                                List.of(Tensor.full(weight.dtype(), deep.with(2, depth - 1), 0), tap),
                                2); // (O, C, depth, kH, kW)
            case REPLICATE -> tap.div((double) depth).expand(deep).copy(); // (O, C, depth, kH, kW)
        };
    }
}
