package dev.palimpsest.kernels.cases;

import static dev.palimpsest.kernels.cases.Operand.f32;
import static dev.palimpsest.kernels.cases.Operand.output;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Interpolation;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// Cases of interpolation.
final class ImageCases {
    /// Input and output sizes (H, W, H', W').
    private static final int[][] PLANAR = {
        {1, 1, 1, 1},
        {1, 1, 5, 7},
        {5, 7, 1, 1},
        {4, 6, 8, 12},
        {8, 12, 4, 6},
        {7, 5, 7, 5},
        {7, 5, 13, 11},
        {13, 11, 7, 5},
        {17, 33, 3, 100},
        {3, 100, 17, 33},
        {16, 16, 5, 5},
        {2, 3, 31, 65},
    };

    private static final int[][] VOLUMES = {
        {1, 4, 6, 1, 8, 12}, {3, 4, 5, 6, 8, 10}, {5, 7, 9, 2, 3, 4}, {4, 4, 4, 4, 4, 4}, {2, 5, 3, 5, 5, 7},
    };

    private ImageCases() {}

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (Interpolation mode : Interpolation.values()) {
            for (int[] s : PLANAR) {
                cases.add(of(mode, f32(2, 3, s[0], s[1]), output(2, 3, s[2], s[3])));
                cases.add(of(
                        mode,
                        f32(2, 3, s[0], s[1]).laid(Layout.CHANNELS_LAST),
                        output(2, 3, s[2], s[3]).laid(Layout.CHANNELS_LAST)));
            }
            for (Layout layout : Layout.values()) {
                cases.add(of(
                        mode, f32(1, 3, 9, 8).laid(layout), output(1, 3, 5, 13).laid(layout)));
            }
            for (DType type : List.of(DType.F16, DType.BF16)) {
                cases.add(of(mode, f32(1, 3, 9, 8).as(type), output(1, 3, 5, 13)));
            }
            cases.add(of(mode, f32(0, 3, 9, 8), output(0, 3, 5, 13)));
            cases.add(of(mode, f32(2, 3, 9, 8), output(2, 3, 0, 13)));
            cases.add(of(mode, f32(1, 33, 20, 21), output(1, 33, 40, 42)));
            if (mode != Interpolation.BICUBIC_ANTIALIAS) {
                for (int[] s : VOLUMES) {
                    cases.add(of(mode, f32(2, 3, s[0], s[1], s[2]), output(2, 3, s[3], s[4], s[5])));
                    cases.add(of(
                            mode,
                            f32(1, 5, s[0], s[1], s[2]).laid(Layout.CHANNELS_LAST),
                            output(1, 5, s[3], s[4], s[5]).laid(Layout.CHANNELS_LAST)));
                }
            }
        }
        return cases;
    }

    private static OpCase of(Interpolation mode, Operand x, Operand out) {
        // source positions grow with the extent and err accordingly; values reach 4
        int longest = IntStream.of(x.shape().dims()).skip(2).max().orElse(0);
        Tolerance tolerance = mode == Interpolation.NEAREST ? Tolerance.EXACT : Tolerance.roundings(8 + 2 * longest, 4);
        return new OpCase(
                "interpolate",
                mode + " " + x + " to " + out,
                List.of(x),
                List.of(out),
                (kernels, in, o) -> kernels.interpolate(mode, in.get(0), o.get(0)),
                tolerance);
    }
}
