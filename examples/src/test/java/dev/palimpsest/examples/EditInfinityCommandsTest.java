package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// `invert` and `rewrite` from the photo to the edited pictures, with every setting of a run as an option, for every
/// folder of Infinity beside the project that tells its runs.
class EditInfinityCommandsTest {
    @TempDir
    private Path folder;

    static Stream<InfinityRuns> folders() throws IOException {
        return InfinityRuns.all();
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("folders")
    void aPhotoIsInvertedAndRewrittenAsTheOriginalDoes(InfinityRuns runs) {
        for (JsonObject run : runs.of("invert")) {
            Path inversion = folder.resolve("inversions").resolve(run.text("name"));
            invert(runs, run, inversion);
            for (JsonObject rewrite : runs.of("rewrite")) {
                rewrite(runs, rewrite, inversion);
            }
        }
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("folders")
    void whatTheOriginalHasLearnedIsAdoptedAndRewritten(InfinityRuns runs) {
        for (JsonObject run : runs.of("invert")) {
            Path inversion = folder.resolve("adopted").resolve(run.text("name"));
            Path learned = runs.file(run.text("expected_inversion"));
            var done = Cli.run(options(
                    "invert",
                    List.of("--model", runs.model(), "--image", runs.file(run.text("image"))),
                    List.of("--prompt", run.text("prompt"), "--instruction", run.text("instruction")),
                    List.of("--pixels", run.text("pn"), "--aspect", aspect(run), "--bias-mode", run.text("bias_mode")),
                    List.of("--lora-alpha", run.object("stage2").number("alpha")),
                    List.of("--adopt-prompt", learned, "--adopt-lora", learned, "--out", inversion)));
            assertThat(done.code()).as(done.err()).isZero();
            assertThat(done.out()).contains("adopted");
            for (JsonObject rewrite : runs.of("rewrite")) {
                rewrite(runs, rewrite, inversion);
            }
        }
    }

    private void invert(InfinityRuns runs, JsonObject run, Path inversion) {
        JsonObject first = run.object("stage1");
        JsonObject second = run.object("stage2");
        Path previews = folder.resolve("previews");
        var done = Cli.run(options(
                "invert",
                List.of("--model", runs.model(), "--image", runs.file(run.text("image"))),
                List.of("--prompt", run.text("prompt"), "--instruction", run.text("instruction")),
                List.of("--pixels", run.text("pn"), "--aspect", aspect(run), "--bias-mode", run.text("bias_mode")),
                List.of("--flips", run.number("noise_apply_strength"), "--drop-path", run.number("drop_path")),
                List.of("--text-dropout", run.number("cond_drop_rate"), "--bit-loss", run.text("bitloss_type")),
                List.of(run.bool("reweight_loss_by_scale") ? "--scale-weights" : "--no-scale-weights"),
                List.of("--prompt-updates", first.int32("updates"), "--prompt-rate", first.number("lr")),
                List.of("--prompt-rows", first.int32("rows")),
                List.of("--lora-updates", second.int32("updates"), "--lora-rate", second.number("lr")),
                List.of("--lora-rank", second.int32("r"), "--lora-alpha", second.number("alpha")),
                List.of("--lora-dropout", run.number("lora_dropout")),
                List.of("--lora-start", runs.file(second.text("initial")), "--kl-weight", second.number("kl_weight")),
                List.of("--betas", numbers(first.numbers("betas"), second.numbers("betas"))),
                List.of("--epsilon", both(first, second, "eps")),
                List.of("--weight-decay", both(first, second, "weight_decay")),
                List.of("--clip-norm", both(first, second, "clip_norm")),
                List.of("--json", "--preview", previews, "--out", inversion)));
        assertThat(done.code()).as(done.err()).isZero();
        JsonObject json = JsonObject.parse(done.out(), "invert");
        assertLosses(runs, losses(json, "prompt"), first.numbers("losses"));
        assertLosses(runs, losses(json, "lora"), second.numbers("losses"));
        int last = first.int32("updates");
        assertThat(done.err().lines())
                .anyMatch(line -> line.matches("learn prompt " + last + "/" + last + ", loss 0\\.[0-9]{4}"));

        try (Checkpoint bits = Checkpoint.open(inversion.resolve("source.safetensors"));
                Checkpoint expected = Checkpoint.open(runs.file(run.text("expected_source_codes")))) {
            for (String name : bits.names()) {
                assertThat(values(bits, name)).as(name).isEqualTo(values(expected, name));
            }
            assertThat(bits.names()).hasSize(run.list("schedule_hw").size());
        }
        JsonObject compare = runs.json().object("compare");
        try (Checkpoint learned = Checkpoint.open(inversion.resolve("learned.safetensors"));
                Checkpoint expected = Checkpoint.open(runs.file(run.text("expected_inversion")))) {
            assertThat(learned.names()).containsExactlyInAnyOrderElementsOf(expected.names());
            for (String name : expected.names()) {
                double limit = compare.number(name.contains("lora_") ? "lora_rel_l2" : "learned_prompt_rel_l2");
                assertThat(distance(values(learned, name), values(expected, name)))
                        .as(name)
                        .isLessThan(limit);
            }
        }
        assertSimilar(runs, previews.resolve("reconstruction.png"), runs.file(run.text("expected_reconstruction")));
        assertThat(json.texts("previews")).hasSize(1 + run.list("schedule_hw").size());
        assertThat(Cli.run("inspect", inversion).out())
                .contains(run.text("prompt"), "an inversion, finished", "text_embedding_offset");
    }

    private void rewrite(InfinityRuns runs, JsonObject run, Path inversion) {
        String name = run.text("name");
        Path masks = folder.resolve(name + "-masks");
        Path file = folder.resolve(name + ".png");
        Path bits = folder.resolve(name + "-bits.safetensors");
        List<Object> area = new ArrayList<>();
        if (run.has("mask")) {
            area.addAll(List.of("--mask", runs.file(run.text("mask"))));
        }
        if (run.has("target_word")) {
            area.addAll(List.of("--target-word", run.text("target_word"), "--threshold", run.number("threshold")));
            area.addAll(List.of("--mask-method", run.text("mask_method")));
            area.addAll(List.of("--attention-prompt", run.text("attention_prompt")));
        }
        if (!area.isEmpty()) {
            area.addAll(List.of("--masks", masks));
        }
        var done = Cli.run(options(
                "rewrite",
                List.of("--model", runs.model(), "--inversion", inversion, "--prompt", run.text("prompt")),
                area,
                List.of("--bias-mode", run.text("bias_mode"), "--guidance", run.number("cfg")),
                List.of("--tau", run.number("tau"), "--top-k", run.int32("top_k"), "--top-p", run.number("top_p")),
                List.of(run.bool("learned_prompt") ? "--learned-prompt" : "--no-learned-prompt"),
                List.of(run.bool("lora") ? "--lora" : "--no-lora"),
                List.of("--bits", bits, "--out", file)));
        assertThat(done.code()).as(done.err()).isZero();
        runs.assertBits(run, bits);
        assertSimilar(runs, file, runs.file(run.text("expected_image")));
        if (run.has("expected_mask")) {
            RgbImage mask = ImageFiles.read(masks.resolve("mask.png"));
            assertThat(mask).isEqualTo(ImageFiles.read(runs.file(run.text("expected_mask"))));
        }
        JsonObject compare = runs.json().object("compare");
        if (run.has("expected_attention_map")) {
            assertThat(distance(
                            values(masks.resolve("masks.safetensors"), "attention_map"),
                            expected(runs, run, "expected_attention_map")))
                    .isLessThan(compare.number("attention_map_rel_l2"));
        }
        if (run.has("expected_weight")) {
            assertThat(values(masks.resolve("masks.safetensors"), "weights"))
                    .containsExactly(expected(runs, run, "expected_weight"), within(compare.number("weights_max_abs")));
        }
        assertThat(Cli.run("inspect", file).out()).contains(run.text("prompt"), run.text("source_prompt"));
    }

    @Test
    void aStoppedInversionGoesOnWithTheSameCommandAndEndsInTheSameNumbers() throws IOException, InterruptedException {
        Path model = Cli.requireShared("data/checkpoints/infinity-tiny");
        Path stopped = folder.resolve("stopped");
        Cli.Run first = Cli.terminated("learn adapters 2/12", learning(model, stopped));
        assertThat(first.code()).as(first.out()).isEqualTo(128 + 15);
        assertThat(first.out().lines())
                .last()
                .asString()
                .isEqualTo(
                        "palimpsest: Stopped; the same command goes on from the last saved update in " + stopped + ".");
        assertThat(Cli.run("inspect", stopped).out()).contains("an inversion, not finished yet");
        assertThat(Cli.run("rewrite", "--model", model, "--inversion", stopped, "--prompt", "x")
                        .err())
                .contains("not finished");

        Cli.Run second = Cli.run(learning(model, stopped));
        assertThat(second.code()).as(second.err()).isZero();
        assertThat(second.err().lines())
                .contains(stopped + ": an inversion was begun here and goes on from the last saved update.")
                .noneMatch(line -> line.contains("learn prompt 1/"))
                .noneMatch(line -> line.contains("learn adapters 1/"))
                .anyMatch(line -> line.contains("learn adapters 12/12"));

        Path whole = folder.resolve("whole");
        assertThat(Cli.run(learning(model, whole)).code()).isZero();
        assertThat(stopped.resolve("learned.safetensors")).hasSameBinaryContentAs(whole.resolve("learned.safetensors"));
        assertThat(Cli.run(learning(model, whole)).err()).contains("this inversion is finished already");
        try (Stream<Path> files = Files.list(stopped)) {
            assertThat(files.map(f -> f.getFileName().toString()))
                    .containsExactlyInAnyOrder(
                            "inversion.json", "source.png", "source.safetensors", "learned.safetensors");
        }
    }

    private static Object[] learning(Path model, Path out) {
        return options(
                "invert",
                List.of("--model", model, "--image", model.resolve("example/source.png")),
                List.of("--prompt", "a glass of red drink on the beach", "--seed", 7, "--noise", "torch-cpu"),
                List.of("--prompt-updates", 2, "--lora-updates", 12, "--save-every", 1, "--out", out));
    }

    private static double[] expected(InfinityRuns runs, JsonObject run, String field) {
        String[] place = run.text(field).split(":", 2);
        return values(runs.file(place[0]), place[1]);
    }

    private static Object[] options(String command, List<?>... options) {
        return Stream.concat(Stream.of(command), Arrays.stream(options).flatMap(List::stream))
                .toArray();
    }

    private static String aspect(JsonObject run) {
        int[] size = run.int32s("image_hw");
        return size[1] + ":" + size[0];
    }

    private static String both(JsonObject first, JsonObject second, String name) {
        return numbers(new double[] {first.number(name)}, new double[] {second.number(name)});
    }

    private static String numbers(double[] first, double[] second) {
        return String.join(
                ",",
                Stream.of(first, second)
                        .flatMap(values -> Arrays.stream(values).boxed())
                        .map(String::valueOf)
                        .toList());
    }

    private static double[] losses(JsonObject json, String stage) {
        return json.list("updates").stream()
                .map(JsonObject.class::cast)
                .filter(u -> u.text("stage").equals(stage))
                .mapToDouble(u -> u.number("loss"))
                .toArray();
    }

    private static void assertLosses(InfinityRuns runs, double[] actual, double[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            double limit = runs.json().object("compare").number("losses_rel") * expected[i];
            assertThat(actual[i]).isCloseTo(expected[i], within(limit));
        }
    }

    private static double[] values(Path file, String name) {
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            return values(checkpoint, name);
        }
    }

    /// All elements in row-major order.
    private static double[] values(Checkpoint checkpoint, String name) {
        NdArray array = checkpoint.tensor(name);
        double[] values = new double[Math.toIntExact(array.elements())];
        int[] index = new int[array.rank()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.dtype().isFloating() ? array.get(index) : array.getLong(index);
            for (int axis = index.length - 1; axis >= 0 && ++index[axis] == array.dim(axis); axis--) {
                index[axis] = 0;
            }
        }
        return values;
    }

    private static double distance(double[] a, double[] b) {
        assertThat(a).hasSameSizeAs(b);
        double squares = 0;
        double norm = 0;
        for (int i = 0; i < a.length; i++) {
            squares += (a[i] - b[i]) * (a[i] - b[i]);
            norm += b[i] * b[i];
        }
        return Math.sqrt(squares / norm);
    }

    private static void assertSimilar(InfinityRuns runs, Path actual, Path expected) {
        int levels = runs.json().object("compare").int32("images_max_abs_u8");
        assertThat(Cli.largestDifference(ImageFiles.read(actual), ImageFiles.read(expected)))
                .as(actual.toString())
                .isLessThanOrEqualTo(levels);
    }
}
