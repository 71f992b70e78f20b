package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.infinity.PixelShuffle;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Resizing of tensors: `tensor.interpolate`.
///
/// `out.MODEn` is `in.xn` in the expected size, `out.NAME_MODEn` is `in.NAME` in the expected size. Exchanges of
/// pixels and channels, and repetition of pixels, belong to the input whose size they fit.
public final class InterpolationGoldens implements GoldenEvaluator {
    private static final Pattern RESIZED =
            Pattern.compile("out\\.(?:(.+)_)?(area|trilinear|bilinear_ac|bilinear|nearest)(\\d+)");
    private static final Pattern REARRANGED = Pattern.compile("out\\.(nearest_x|pixel_shuffle|pixel_unshuffle)(\\d+)");

    /// An evaluator.
    public InterpolationGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("tensor.interpolate");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        Map<String, Tensor> out = new HashMap<>();
        for (String key : file.expected()) {
            Matcher resized = RESIZED.matcher(key);
            Matcher rearranged = REARRANGED.matcher(key);
            if (resized.matches()) {
                String named = resized.group(1);
                Tensor x = file.input(named == null ? "x" + resized.group(3) : named);
                out.put(key, resize(mode(resized.group(2)), x, file.expectedShape(key)));
            } else if (rearranged.matches()) {
                int factor = Integer.parseInt(rearranged.group(2));
                for (String name : file.inputs()) {
                    Tensor x = file.input(name);
                    if (x.rank() == 4 && fits(rearranged.group(1), x.shape(), factor, file.expectedShape(key))) {
                        out.put(key, rearrange(rearranged.group(1), x, factor));
                    }
                }
            }
        }
        return out;
    }

    private static Interpolation mode(String name) {
        return switch (name) {
            case "area" -> Interpolation.AREA;
            case "nearest" -> Interpolation.NEAREST;
            case "bilinear_ac" -> Interpolation.LINEAR_ALIGN_CORNERS;
            default -> Interpolation.LINEAR;
        };
    }

    /// @param to what may lack the single frame that `x` has
    private static Tensor resize(Interpolation mode, Tensor x, Shape to) {
        Tensor in = to.rank() < x.rank() ? x.squeeze(2) : x;
        return Functional.interpolate(mode, in, Arrays.copyOfRange(to.dims(), 2, to.rank()));
    }

    private static boolean fits(String what, Shape x, int factor, Shape to) {
        int area = factor * factor;
        Shape result = switch (what) {
            case "pixel_shuffle" -> Shape.of(x.dim(0), x.dim(1) / area, x.dim(2) * factor, x.dim(3) * factor);
            case "pixel_unshuffle" -> Shape.of(x.dim(0), x.dim(1) * area, x.dim(2) / factor, x.dim(3) / factor);
            default -> Shape.of(x.dim(0), x.dim(1), x.dim(2) * factor, x.dim(3) * factor);
        };
        return result.equals(to);
    }

    private static Tensor rearrange(String what, Tensor x, int factor) {
        return switch (what) {
            case "pixel_shuffle" -> PixelShuffle.shuffle(x, factor);
            case "pixel_unshuffle" -> PixelShuffle.unshuffle(x, factor);
            default -> Functional.interpolate(Interpolation.NEAREST, x, x.dim(2) * factor, x.dim(3) * factor);
        };
    }
}
