package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.models.editinfinity.BitLoss;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Flips;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Lesson;
import dev.palimpsest.models.editinfinity.Mask;
import dev.palimpsest.models.editinfinity.Smoothing;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Tape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Golden files about the parts of EditInfinity: masks, lessons and the loss.
public final class EditInfinityGoldens implements GoldenEvaluator {
    private static final Pattern BLOCKS = Pattern.compile("out\\.(.+)\\.blocks(\\d+)");

    /// The evaluator.
    public EditInfinityGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("editinfinity.smoothing", "editinfinity.self_correction", "editinfinity.loss");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        return switch (file.kind()) {
            case "editinfinity.smoothing" -> smoothing(file);
            case "editinfinity.self_correction" -> selfCorrection(file);
            case "editinfinity.loss" -> loss(file);
            default -> throw new IllegalArgumentException("no golden of EditInfinity has the kind " + file.kind());
        };
    }

    /// A list of scales `[[1, h, w], ...]`.
    static ScaleSchedule schedule(JsonObject config, String name) {
        List<Scale> scales = new ArrayList<>();
        for (Object entry : config.list(name)) {
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

    // ---- masks

    private static Map<String, Tensor> smoothing(GoldenFile file) {
        Map<String, Tensor> out = new LinkedHashMap<>();
        for (String name : file.config().names()) {
            Mask mask = Mask.ofGrey(file.input(name + ".mask"));
            String key = "out." + name + ".weight";
            int rows = file.expectedShape(key).dim(0);
            int columns = file.expectedShape(key).dim(1);
            out.put(key, Smoothing.ORIGINAL.weights(mask, rows, columns));
        }
        for (String key : file.expected()) {
            Matcher blocks = BLOCKS.matcher(key);
            if (blocks.matches()) {
                int n = Integer.parseInt(blocks.group(2));
                Mask mask = Mask.ofGrey(file.input(blocks.group(1) + ".mask"));
                out.put(key, mask.blocks(n, n).toTensor());
            }
        }
        return out;
    }

    // ---- lessons

    private static Map<String, Tensor> selfCorrection(GoldenFile file) {
        Map<String, Tensor> out = new LinkedHashMap<>();
        for (String name : file.config().names()) {
            JsonObject run = file.config().object(name);
            MultiScaleBsq quantiser = new MultiScaleBsq(run.int32("d"));
            Flips stored = (scale, bits) -> {
                String mask = name + ".flip_mask_" + scale;
                return file.hasInput(mask) ? file.input(mask) : null;
            };
            Lesson lesson = new BitwiseSelfCorrection(quantiser, run.int32("patchify") == 0 ? 1 : 2)
                    .lesson(file.input(name + ".raw_features"), schedule(run, "schedule_thw"), stored);
            out.put("out." + name + ".x_BLC_wo_prefix", lesson.inputs());
            out.put("out." + name + ".gt_bits", lesson.bits());
        }
        return out;
    }

    // ---- the loss

    private static Map<String, Tensor> loss(GoldenFile file) {
        Map<String, Tensor> out = new LinkedHashMap<>();
        ScaleSchedule all = schedule(file.config(), "schedule_thw");
        JsonObject runs = file.config().object("runs");
        for (String name : runs.names()) {
            JsonObject run = runs.object(name);
            BitLoss loss = new BitLoss(
                    run.bool("reweight_loss_by_scale"),
                    run.text("bitloss_type", "mean").equals("sum"),
                    run.bool("use_kl_loss", false) ? run.number("kl_weight") : 0);
            ScaleSchedule trained = all.first(Math.min(all.size(), run.int32("always_training_scales", all.size())));
            Tensor logits = file.input("logits").to(DType.F32); // (B, L, 2 d)
            String gradient = "grad." + name + ".logits";
            try (Tape tape = new Tape()) {
                tape.watch(logits);
                Tensor value = tape.record(() -> loss.of(logits, file.input("gt_bits"), trained));
                out.put("out." + name + ".loss", value.copy());
                Tensor by = tape.backward(value).of(logits);
                // The file may hold that of the first samples only.
                int samples =
                        file.expects(gradient) ? file.expectedShape(gradient).dim(0) : by.dim(0);
                out.put(gradient, by.slice(0, 0, samples));
            }
        }
        return out;
    }
}
