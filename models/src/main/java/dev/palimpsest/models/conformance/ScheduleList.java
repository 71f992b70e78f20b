package dev.palimpsest.models.conformance;

import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.json.JsonObject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// Tables of the scales at which pictures are predicted, to be compared with those of Infinity.
///
/// `schedules` has for each ratio of height to width and each size of picture its `scales` as (frames, rows, columns),
/// `pixel_hw` and `image_seq_len`. There may be `h_div_w_templates_in_order`, `predefined_t`, `vae_stride`, and for
/// latents of `HxW` positions the autoencoder's own scales in `vae_latent_hw_to_scales` and `vae_static_original`.
final class ScheduleList {
    static final String KIND = "infinity.scale_schedules";

    private final Path file;
    private final JsonObject tables;
    private final List<String> problems = new ArrayList<>();
    private int compared;

    ScheduleList(Path file, JsonObject tables) {
        this.file = file;
        this.tables = tables;
    }

    ConformanceResult check() {
        try {
            JsonObject schedules = tables.object("schedules");
            for (String ratio : schedules.names()) {
                JsonObject sizes = schedules.object(ratio);
                for (String size : sizes.names()) {
                    compare(ratio, size, sizes.object(size));
                }
            }
            compareLatents("vae_latent_hw_to_scales");
            compareLatents("vae_static_original");
            if (tables.has("h_div_w_templates_in_order")) {
                double[] ratios = tables.numbers("h_div_w_templates_in_order");
                compare(
                        "the ratios",
                        ScaleSchedule.ratios(),
                        IntStream.range(0, ratios.length)
                                .mapToObj(i -> ratios[i])
                                .toList());
            }
            if (tables.has("predefined_t")) {
                compare("the frames", ScaleSchedule.VIDEO_FRAMES, ints(tables, "predefined_t"));
            }
            if (tables.has("vae_stride")) {
                compare("the stride", ScaleSchedule.PIXELS, tables.int32("vae_stride"));
            }
            return ConformanceResult.of(file, KIND, compared + " comparisons", problems);
        } catch (RuntimeException e) {
            return ConformanceResult.failed(file, KIND, String.valueOf(e.getMessage()));
        }
    }

    private void compare(String ratio, String size, JsonObject expected) {
        double wanted = Double.parseDouble(ratio);
        String name = "ratio " + ratio + ", size " + size;
        compare(name + ", nearest ratio", ScaleSchedule.nearestRatio(wanted), wanted);
        ScaleSchedule schedule = ScaleSchedule.of(wanted, PictureSize.of(size));
        List<Object> scales = new ArrayList<>();
        for (int k = 0; k < schedule.size(); k++) {
            Scale s = schedule.get(k);
            scales.add(whole(ScaleSchedule.VIDEO_FRAMES.get(k), s.height(), s.width()));
        }
        compare(name + ", scales", scales, expected.list("scales"));
        compare(name + ", pixels", List.of(schedule.pixelHeight(), schedule.pixelWidth()), ints(expected, "pixel_hw"));
        compare(name + ", length", schedule.length(), expected.int32("image_seq_len"));
    }

    private void compareLatents(String field) {
        JsonObject byLatent = tables.objectOrEmpty(field);
        for (String latent : byLatent.names()) {
            String[] sides = latent.split("x", 2);
            int height = Integer.parseInt(sides[0]);
            int width = Integer.parseInt(sides[sides.length - 1]);
            ScaleSchedule schedule = field.equals("vae_static_original") && height == width
                    ? ScaleSchedule.firstVersion(height)
                    : ScaleSchedule.endingAt(height, width);
            List<List<Long>> scales = schedule.scales().stream()
                    .map(s -> whole(s.height(), s.width()))
                    .toList();
            compare(field + ", " + latent, scales, byLatent.list(latent));
        }
    }

    private void compare(String what, Object actual, Object expected) {
        compared++;
        if (!actual.equals(expected)) {
            problems.add(what + ": is " + actual + " instead of " + expected);
        }
    }

    private static List<Long> whole(int... numbers) {
        return IntStream.of(numbers).mapToObj(Long::valueOf).toList();
    }

    private static List<Integer> ints(JsonObject object, String field) {
        return IntStream.of(object.int32s(field)).boxed().toList();
    }
}
