package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// Brings the weight of a convolution into panels, and elements of patches and panels into the form that micro-kernels
/// multiply.
final class FilterPacking {
    private static final int LANES = Simd.LANES;

    private final NdArray weight; // (O, C, kT, kH, kW)
    private final PatchLayout layout;
    private final Arithmetic arithmetic;
    private final PatchTiles tiles;

    FilterPacking(NdArray weight, PatchLayout layout, Arithmetic arithmetic, PatchTiles tiles) {
        this.weight = weight;
        this.layout = layout;
        this.arithmetic = arithmetic;
        this.tiles = tiles;
    }

    /// Packs the weights of one panel's output channels to `toAt`.
    void pack(int panel, MemorySegment to, long toAt, Workspace workspace) {
        int first = panel * tiles.columns();
        int columns = Math.min(tiles.columns(), weight.dim(0) - first);
        int width = tiles.widthFor(columns);
        if (layout.unit() == 1) {
            floats(first, columns, width, to, toAt, workspace);
            if (arithmetic == Arithmetic.BF16) {
                round(to, toAt, layout.units() * width);
            }
            return;
        }
        int rows = layout.units() * layout.unit();
        MemorySegment staged = workspace.memory(Workspace.Use.WEIGHTS, 4L * rows * width);
        floats(first, columns, width, staged, 0, workspace);
        for (int u = 0; u < layout.units(); u++) {
            pairs(staged, 8L * u * width, 4L * width, to, toAt + 4L * u * width, width);
        }
    }

    /// Packs floats, one row for each element of a patch.
    private void floats(int first, int columns, int width, MemorySegment to, long toAt, Workspace workspace) {
        int channels = layout.channels();
        int kH = layout.kH();
        int kW = layout.kW();
        if (layout.depth() > layout.used()) {
            for (int tap = 0; tap < (layout.folded() ? kW : layout.taps()); tap++) {
                long row = (long) tap * layout.depth() + layout.used();
                Packing.zero(to, toAt + 4L * width * row, (layout.depth() - layout.used()) * width);
            }
        }
        if (weight.isContiguousFrom(1) && layout.taps() > 1 && channels > 1) {
            dense(first, columns, width, to, toAt, workspace);
            return;
        }
        for (int tap = 0; tap < layout.taps(); tap++) {
            long at = weight.offset()
                    + first * weight.stride(0)
                    + tap / kW / kH * weight.stride(2)
                    + tap / kW % kH * weight.stride(3)
                    + tap % kW * weight.stride(4);
            Packing.panel(
                    weight.memory(),
                    weight.dtype(),
                    at,
                    weight.stride(1),
                    weight.stride(0),
                    channels,
                    columns,
                    width,
                    to,
                    toAt + 4L * width * layout.element(tap),
                    workspace);
        }
    }

    /// Weights as frameworks store them, `(O, C, kT, kH, kW)`: neither channels nor outputs lie next to each other,
    /// but all weights of one output do. Some channels at a time are transposed as they lie, then their rows are moved
    /// to their taps.
    private void dense(int first, int columns, int width, MemorySegment to, long toAt, Workspace workspace) {
        int taps = layout.taps();
        int atOnce = Math.clamp(512 / taps, 1, layout.channels());
        MemorySegment moved = workspace.memory(Workspace.Use.ROWS, 4L * width * taps * atOnce);
        for (int channel = 0; channel < layout.channels(); channel += atOnce) {
            int count = Math.min(atOnce, layout.channels() - channel);
            long at = weight.offset() + first * weight.stride(0) + (long) channel * taps;
            Packing.panel(
                    weight.memory(),
                    weight.dtype(),
                    at,
                    1,
                    weight.stride(0),
                    count * taps,
                    columns,
                    width,
                    moved,
                    0,
                    workspace);
            for (int c = 0; c < count; c++) {
                for (int tap = 0; tap < taps; tap++) {
                    long row = (long) layout.element(tap) + channel + c;
                    MemorySegment.copy(moved, 4L * width * (c * taps + tap), to, toAt + 4L * width * row, 4L * width);
                }
            }
        }
    }

    /// Rounds `n` floats to bf16 in place.
    static void round(MemorySegment x, long at, int n) {
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            IntVector bits = rounded(Simd.load(x, at + i * 4L)).lanewise(VectorOperators.LSHL, 16);
            Simd.store(bits, x, at + i * 4L);
        }
        for (; i < n; i++) {
            x.set(JAVA_INT, at + i * 4L, rounded(x, at + i * 4L) << 16);
        }
    }

    /// Joins two rows of floats in units of bf16: `to[i] = (from[0][i], from[1][i])`.
    private static void pairs(MemorySegment from, long at, long rowBytes, MemorySegment to, long toAt, int n) {
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            IntVector low = rounded(Simd.load(from, at + i * 4L));
            IntVector high = rounded(Simd.load(from, at + rowBytes + i * 4L));
            Simd.store(high.lanewise(VectorOperators.LSHL, 16).or(low), to, toAt + i * 4L);
        }
        for (; i < n; i++) {
            int unit = rounded(from, at + rowBytes + i * 4L) << 16 | rounded(from, at + i * 4L);
            to.set(JAVA_INT, toAt + i * 4L, unit);
        }
    }

    /// The bits of floats rounded to bf16, ties to even, in the lower halves. A NaN must not be rounded up into an
    /// infinity or beyond: it is made quiet instead.
    private static IntVector rounded(FloatVector v) {
        IntVector bits = v.reinterpretAsInts();
        IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
        return bits.add(odd)
                .add(0x7fff)
                .blend(bits.or(0x40_0000), v.test(VectorOperators.IS_NAN).cast(Simd.INTS))
                .lanewise(VectorOperators.LSHR, 16);
    }

    private static int rounded(MemorySegment x, long at) {
        return BFloat16.fromFloat(Float.intBitsToFloat(x.get(JAVA_INT, at))) & 0xffff;
    }

    /// Rounds `n` floats to bf16 behind each other.
    static void narrow(MemorySegment from, long at, MemorySegment to, long toAt, int n) {
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            ShortVector rounded = Simd.toBFloat16(Simd.load(from, at + i * 4L));
            Simd.store(rounded, to, toAt + i * 2L);
        }
        for (; i < n; i++) {
            short rounded = BFloat16.fromFloat(from.get(JAVA_FLOAT_UNALIGNED, at + i * 4L));
            to.set(JAVA_SHORT_UNALIGNED, toAt + i * 2L, rounded);
        }
    }
}
