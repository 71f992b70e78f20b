package dev.palimpsest.models.conformance;

import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.models.image.Resampling;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.Pictures;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Pictures on their way into and out of Infinity: `infinity.preprocess`.
///
/// Of every `in.imageN` both preparations, in the size that is expected, and PIL's resizing; of `in.decoded` its
/// bytes.
public final class PictureGoldens implements GoldenEvaluator {
    private static final Pattern FROM_IMAGE =
            Pattern.compile("out\\.(train_transform|code_transform|lanczos_u8_|bilinear_u8_)(\\d+)");
    private static final Pattern BYTES = Pattern.compile("out\\.image_u8_hwc(_bgr)?");

    /// An evaluator.
    public PictureGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("infinity.preprocess");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        Map<String, Tensor> out = new HashMap<>();
        for (String key : file.expected()) {
            Matcher fromImage = FROM_IMAGE.matcher(key);
            Matcher bytes = BYTES.matcher(key);
            if (fromImage.matches()) {
                RgbImage image = RgbImage.of(file.input("image" + fromImage.group(2)));
                int[] size = file.expectedShape(key).dims();
                out.put(
                        key,
                        switch (fromImage.group(1)) {
                            case "train_transform" -> Pictures.covering(image, size[1], size[2]);
                            case "code_transform" -> Pictures.stretched(image, size[1], size[2]);
                            case "lanczos_u8_" ->
                                Resampling.LANCZOS
                                        .resize(image, size[1], size[0])
                                        .toTensor();
                            default ->
                                Resampling.BILINEAR
                                        .resize(image, size[1], size[0])
                                        .toTensor();
                        });
            } else if (bytes.matches()) {
                out.put(key, bytes(file.input("decoded"), bytes.group(1) != null));
            }
        }
        return out;
    }

    @Override
    public Tolerance tolerance(GoldenFile file, String key, boolean floating) {
        return BYTES.matcher(key).matches() ? Tolerance.PICTURE : GoldenEvaluator.super.tolerance(file, key, floating);
    }

    /// Pictures as the autoencoder makes them, as bytes.
    ///
    /// @param x `(B, 3, H, W)`
    /// @param bgr whether blue comes first
    /// @return `(B, H, W, 3)`
    public static Tensor bytes(Tensor x, boolean bgr) {
        List<Tensor> pictures = new ArrayList<>();
        for (int i = 0; i < x.dim(0); i++) {
            Tensor rgb = ImageTransforms.toImage(x.select(0, i)).toTensor(); // (H, W, 3)
            pictures.add(bgr ? Tensor.concat(rgb.split(2, 1, 1, 1).reversed(), 2) : rgb);
        }
        return Tensor.stack(pictures, 0);
    }
}
