package dev.palimpsest.models.vincie;

import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.tensor.Tensor;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What becomes of a picture's proportions before it is edited.
public sealed interface AspectRatio {
    /// The candidates that `adaptive` chooses from by default, in this order.
    List<String> DEFAULT_CANDIDATES = List.of("9:16", "1:1", "16:9");

    /// The largest part with the right proportions.
    ///
    /// @param picture `(3, H, W)`
    /// @return `(3, h, w)`
    Tensor crop(Tensor picture);

    /// The picture keeps its proportions.
    record Keep() implements AspectRatio {
        @Override
        public Tensor crop(Tensor picture) {
            return picture;
        }

        @Override
        public String toString() {
            return "keep_ratio";
        }
    }

    /// The picture is cropped to a ratio.
    ///
    /// @param width first number of the ratio
    /// @param height second number of the ratio
    record Fixed(int width, int height) implements AspectRatio {
        @Override
        public Tensor crop(Tensor picture) {
            return ImageTransforms.cropToRatio(picture, width, height);
        }

        @Override
        public String toString() {
            return width + ":" + height;
        }
    }

    /// The picture is cropped to the candidate that leaves most of it, the first one on ties.
    ///
    /// @param candidates in order of preference, at least one
    record Adaptive(List<Fixed> candidates) implements AspectRatio {
        /// Checks that there is a candidate.
        public Adaptive {
            candidates = List.copyOf(candidates);
            if (candidates.isEmpty()) {
                throw new IllegalArgumentException("an adaptive aspect ratio needs at least one candidate");
            }
        }

        @Override
        public Tensor crop(Tensor picture) {
            Tensor best = candidates.getFirst().crop(picture); // (3, h, w)
            for (Fixed candidate : candidates) {
                Tensor cropped = candidate.crop(picture); // (3, h, w)
                if (cropped.elements() > best.elements()) {
                    best = cropped;
                }
            }
            return best;
        }

        @Override
        public String toString() {
            return "adaptive";
        }
    }

    /// The rule of this name with the default candidates: `keep_ratio`, `adaptive`, or a ratio such as `16:9`.
    ///
    /// @throws IllegalArgumentException if it is none of these
    static AspectRatio of(String name) {
        return of(name, DEFAULT_CANDIDATES);
    }

    /// The rule of this name: `keep_ratio`, `adaptive`, or a ratio such as `16:9`.
    ///
    /// @param candidates what `adaptive` chooses from
    /// @throws IllegalArgumentException if it is none of these
    static AspectRatio of(String name, List<String> candidates) {
        return switch (name) {
            case "keep_ratio" -> new Keep();
            case "adaptive" ->
                new Adaptive(candidates.stream().map(AspectRatio::ratio).toList());
            default -> ratio(name);
        };
    }

    private static Fixed ratio(String text) {
        Matcher m = Pattern.compile("([1-9]\\d{0,3}):([1-9]\\d{0,3})").matcher(text);
        if (!m.matches()) {
            throw new IllegalArgumentException("aspect ratio \"" + text
                    + "\" is unknown; use keep_ratio, adaptive or a ratio of width to height such as 16:9");
        }
        return new Fixed(Integer.parseInt(m.group(1)), Integer.parseInt(m.group(2)));
    }
}
