package dev.palimpsest.models.conformance;

import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.models.image.Resampling;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.vincie.AspectRatio;
import dev.palimpsest.tensor.Tensor;
import java.util.Map;
import java.util.Set;

/// Pictures on their way into a model: `image.pil_resize`, `vincie.preprocess`.
public final class ImageGoldens implements GoldenEvaluator {
    /// An evaluator.
    public ImageGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("image.pil_resize", "vincie.preprocess");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        RgbImage image = RgbImage.of(file.input("image"));
        JsonObject config = file.config();
        if (file.kind().equals("image.pil_resize")) {
            int[] size = config.int32s("size_wh");
            return Map.of(
                    "out.resized",
                    Resampling.BICUBIC.resize(image, size[0], size[1]).toTensor());
        }
        AspectRatio aspect = AspectRatio.of(
                config.text("aspect_ratio"),
                config.has("adaptive_aspect_ratio_cands")
                        ? config.texts("adaptive_aspect_ratio_cands")
                        : AspectRatio.DEFAULT_CANDIDATES);
        Tensor cropped = aspect.crop(ImageTransforms.toFloat(image)); // (3, h, w)
        Tensor resized = ImageTransforms.resizeToArea(cropped, config.int32("resolution")); // (3, h, w)
        Tensor normalised =
                ImageTransforms.normalise(ImageTransforms.centreCropToMultiple(resized, config.int32("factor", 16)));
        return Map.of("out.aspect_crop", cropped, "out.resized", resized, "out.normalized", normalised);
    }
}
