package dev.palimpsest.models.infinity;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.conformance.GoldenEvaluator;
import dev.palimpsest.models.conformance.GoldenFile;
import dev.palimpsest.models.conformance.PictureGoldens;
import dev.palimpsest.models.conformance.Tolerance;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.GroupNorm;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Infinity's quantiser and autoencoder: `infinity.multiscale_bsq`, `infinity.vae`, `infinity.vae.blocks`.
public final class BsqVaeGoldens implements GoldenEvaluator {
    private static final Pattern CODES = Pattern.compile("out\\.codes_scale(\\d+)");
    private static final Pattern LEVEL_OUTPUT = Pattern.compile("encoder\\.down\\.\\d+\\.(block\\.\\d+|downsample)");
    private static final Pattern IMAGE = Pattern.compile("out\\.image(_rgb|_bgr)?_u8");

    /// An evaluator.
    public BsqVaeGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("infinity.multiscale_bsq", "infinity.vae", "infinity.vae.blocks");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        return switch (file.kind()) {
            case "infinity.multiscale_bsq" -> quantiser(file);
            case "infinity.vae" -> autoencoder(file);
            case "infinity.vae.blocks" -> blocks(file);
            default -> throw new IllegalArgumentException(file.path() + ": " + file.kind() + " is not of this family");
        };
    }

    @Override
    public Tolerance tolerance(GoldenFile file, String key, boolean floating) {
        return IMAGE.matcher(key).matches() ? Tolerance.PICTURE : GoldenEvaluator.super.tolerance(file, key, floating);
    }

    // ---- the quantiser

    private static Map<String, Tensor> quantiser(GoldenFile file) {
        Tensor x = file.input("x"); // (B, d, H, W), perhaps with an axis of one frame
        MultiScaleBsq bsq = new MultiScaleBsq(x.dim(1));
        MultiScaleBsq.Quantised q = bsq.quantise(x, schedule(file.config()));
        Map<String, Tensor> out = new HashMap<>();
        out.put("out.quantized", x.rank() == 5 ? q.sum().unsqueeze(2) : q.sum());
        out.put("out.summed_from_bits", bsq.sum(q.bits(), new Scale(x.dim(-2), x.dim(-1))));
        putBits(out, q);
        for (int k = 0; k < q.bits().size(); k++) {
            out.put(
                    "out.residual_small_frac_" + k,
                    Tensor.scalar(q.smallShares().get(k)));
            if (k > 0) {
                out.put("out.var_input_" + k, q.inputs().get(k - 1));
            }
        }
        for (String key : file.expected()) {
            Matcher scale = CODES.matcher(key);
            if (scale.matches()) {
                out.put(key, bsq.codes(q.bits().get(Integer.parseInt(scale.group(1)))));
            }
        }
        return out;
    }

    private static void putBits(Map<String, Tensor> out, MultiScaleBsq.Quantised q) {
        for (int k = 0; k < q.bits().size(); k++) {
            out.put("out.bits_" + k, q.bits().get(k));
        }
    }

    /// Scales as (frames, rows, columns).
    private static ScaleSchedule schedule(JsonObject config) {
        List<Scale> scales = new ArrayList<>();
        for (Object entry : config.list("schedule_thw")) {
            if (!(entry instanceof List<?> thw)
                    || thw.size() != 3
                    || !(thw.get(1) instanceof Long h)
                    || !(thw.get(2) instanceof Long w)) {
                throw new IllegalArgumentException(config.origin() + ": " + entry + " is no scale (t, h, w)");
            }
            scales.add(new Scale(Math.toIntExact(h), Math.toIntExact(w)));
        }
        return new ScaleSchedule(scales);
    }

    // ---- the autoencoder

    private static Map<String, Tensor> autoencoder(GoldenFile file) {
        BsqVae vae = file.attached(BsqVae.load(file.weightCheckpoint()));
        Map<String, Tensor> out = new HashMap<>();
        Scope scope = Scope.current();
        String lastLevel = "encoder.down." + (vae.config().encoderWidths().size() - 1) + ".";
        Observer taps = (path, value) -> {
            if (path.equals("encoder.conv_in.conv")) {
                // The file may hold the first channels only.
                int channels = file.expects("out.enc_conv_in")
                        ? file.expectedShape("out.enc_conv_in").dim(1)
                        : value.dim(1);
                out.put("out.enc_conv_in", scope.keep(value.squeeze(2).slice(1, 0, channels)));
            } else if (LEVEL_OUTPUT.matcher(path).matches() && path.startsWith(lastLevel)) {
                out.put("out.enc_last_down", scope.keep(value.squeeze(2)));
            }
            return value;
        };
        Tensor h = Observer.observing(taps, () -> vae.encode(file.input("x"))); // (B, d, h, w)
        MultiScaleBsq.Quantised q = vae.quantiser().quantise(h, schedule(file.config()));
        Scale full = new Scale(h.dim(2), h.dim(3));
        Tensor decoded = vae.decode(q.sum()); // (B, 3, H, W)
        out.put("out.h", h);
        out.put("out.z", q.sum());
        putBits(out, q);
        out.put("out.decoder_raw", vae.decodeUnlimited(q.sum()));
        out.put("out.decoded", decoded);
        out.put("out.summed_codes", vae.quantiser().sum(q.bits(), full));
        out.put("out.decoded_from_bits", vae.decode(q.bits(), full));
        for (String key : file.expected()) {
            Matcher image = IMAGE.matcher(key);
            if (image.matches()) {
                out.put(key, PictureGoldens.bytes(decoded, "_bgr".equals(image.group(1))));
            }
        }
        return out;
    }

    // ---- its parts

    /// Every input of a name goes through the part whose weights have that name. What part that is, its weights tell.
    private static Map<String, Tensor> blocks(GoldenFile file) {
        @Nullable WeightTree weights = null;
        Map<String, Tensor> out = new HashMap<>();
        for (String name : file.inputs()) {
            Tensor x = file.input(name);
            boolean hasWeights = file.weightCheckpoint().names().stream().anyMatch(w -> w.startsWith(name + "."));
            if (!hasWeights) {
                out.put("out." + name, x.silu());
                continue;
            }
            if (weights == null) {
                weights = file.weights();
            }
            String key = "out." + name;
            Shape expected = file.expects(key) ? file.expectedShape(key) : x.shape();
            BsqVae.Stage part = part(file, weights.at(name), x, expected);
            Tensor y = part.forward(x.rank() == 4 ? x.unsqueeze(2) : x); // (B, C, 1, H, W)
            out.put(key, x.rank() == 4 ? y.squeeze(2) : y);
        }
        if (weights != null) {
            weights.requireComplete();
        }
        return out;
    }

    private static BsqVae.Stage part(GoldenFile file, WeightTree at, Tensor x, Shape to) {
        int channels = x.dim(1);
        if (at.hasUnder("conv1")) {
            return file.attached(new BsqVae.ResidualBlock(at, channels, to.dim(1)));
        }
        if (at.hasUnder("q")) {
            return file.attached(new BsqVae.SpatialAttention(at, channels));
        }
        if (at.hasUnder("conv")) {
            return to.dim(-1) > x.dim(-1)
                    ? file.attached(new BsqVae.Upsample(at, channels))
                    : file.attached(new BsqVae.Downsample(at, channels));
        }
        GroupNorm norm = BsqVae.groupNorm(at, channels);
        return y -> norm.forward(y, Activation.NONE);
    }
}
