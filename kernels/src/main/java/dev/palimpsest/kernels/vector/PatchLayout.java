package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Shape;

/// How the patches of an input and the weights of a filter lie in memory, so that their products are products of long
/// stretches; see [ImplicitGemm].
///
/// A position of the copied input has `depth` elements: its channels, or if `folded` the channels of all frames and
/// lines of the kernel, in either case padded with zeros to whole units. A patch is `stretches` times `kW`
/// neighbouring positions.
///
/// @param channels of the input
/// @param kT frames of the kernel
/// @param kH lines of the kernel
/// @param kW columns of the kernel
/// @param unit elements that a micro-kernel multiplies at a time
/// @param folded whether frames and lines of the kernel are folded into the channels
record PatchLayout(int channels, int kT, int kH, int kW, int unit, boolean folded) {
    /// The layout for a weight `(O, C, kT, kH, kW)`.
    static PatchLayout of(Shape weight, Arithmetic arithmetic, PatchTiles tiles) {
        int channels = weight.dim(1);
        int kT = weight.dim(2);
        int kH = weight.dim(3);
        int kW = weight.dim(4);
        return new PatchLayout(
                channels,
                kT,
                kH,
                kW,
                tiles.elements(arithmetic),
                channels * kW < tiles.shortest(arithmetic) && kT * kH > 1);
    }

    /// Taps of the kernel.
    int taps() {
        return kT * kH * kW;
    }

    /// Stretches of a patch.
    int stretches() {
        return folded ? 1 : kT * kH;
    }

    /// Elements of a position that are not padding.
    int used() {
        return folded ? kT * kH * channels : channels;
    }

    /// Elements of a position.
    int depth() {
        return Math.ceilDiv(used(), unit) * unit;
    }

    /// Bytes of a position: a unit has four.
    long positionBytes() {
        return 4L * (depth() / unit);
    }

    /// Units of a stretch.
    int stretchUnits() {
        return kW * (depth() / unit);
    }

    /// Units of a patch, rows of a panel.
    int units() {
        return stretches() * stretchUnits();
    }

    /// The element of a patch at which the channels of a tap begin. Taps run over columns, lines, frames.
    int element(int tap) {
        return folded ? tap % kW * depth() + tap / kW * channels : tap * depth();
    }
}
