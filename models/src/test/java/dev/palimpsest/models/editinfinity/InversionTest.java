package dev.palimpsest.models.editinfinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.Noise;
import dev.palimpsest.models.editinfinity.InvertOptions.Stage;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.GenerateOptions.Preview;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.json.JsonException;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Inversions in folders: saved, opened, interrupted and damaged.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class InversionTest {
    private static final String PROMPT = "a cat, the cats. the cat, a cat. a";

    @TempDir
    private static Path temporary;

    private final Map<Noise, Map<String, float[]>> unbroken = new EnumMap<>(Noise.class);
    private EditInfinity plain;
    private EditInfinity patchified;

    @BeforeAll
    void writeModels() throws IOException {
        plain = EditInfinity.load(RandomInfinity.plain(temporary.resolve("plain"), 1));
        patchified = EditInfinity.load(RandomInfinity.patchified(temporary.resolve("patchified"), 5));
    }

    @AfterAll
    void closeModels() {
        Stream.of(plain, patchified).filter(Objects::nonNull).forEach(EditInfinity::close);
    }

    private static BufferedImage photo(int width, int height) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                image.setRGB(x, y, (255 * x / width) << 16 | (255 * y / height) << 8 | (x * y) % 256);
            }
        }
        return image;
    }

    /// Few and quick updates with everything random that there is.
    private static InvertOptions quick(EditInfinity edit) {
        InvertOptions options = edit.invertOptions();
        return options.withUpdates(3, 3)
                .withPrompt(options.prompt().withRate(0.01).withDropouts(0.3, 0.3))
                .withAdapters(options.adapters().withRate(0.01).withDropouts(0.3, 0.3))
                .withCaption(CaptionRule.ORIGINAL.withDropsSentences(true));
    }

    private static Map<String, float[]> learned(Path folder) {
        Map<String, float[]> tensors = new LinkedHashMap<>();
        try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("learned.safetensors"))) {
            for (String name : checkpoint.names()) {
                tensors.put(name, Tensor.borrow(checkpoint.tensor(name), name).toFloatArray());
            }
        }
        return tensors;
    }

    private static void isSame(Map<String, float[]> actual, Map<String, float[]> expected) {
        assertThat(actual).containsOnlyKeys(expected.keySet());
        expected.forEach((name, values) -> assertThat(actual.get(name)).as(name).containsExactly(values));
    }

    // ---- saving and opening

    @Test
    void anInversionOfAnyShapeIsRewrittenAlikeAfterItWasSavedAndOpened() {
        Path folder = temporary.resolve("saved");
        long before = Scope.usedBytes();
        try (Inversion inversion = patchified.invert(photo(90, 140), PROMPT, quick(patchified))) {
            assertThat(inversion.layout().schedule().last()).isEqualTo(new Scale(21, 14));
            inversion.save(folder);
            inversion.save(folder);
            try (Inversion opened = patchified.open(folder)) {
                BufferedImage mask = photo(45, 70);
                for (EditArea area :
                        List.of(EditArea.whole(), EditArea.mask(mask), EditArea.words("cats."), EditArea.words("a"))) {
                    Rewritten one = inversion.rewrite("the cat s", area, patchified.rewriteOptions());
                    Rewritten two = opened.rewrite("the cat s", area, patchified.rewriteOptions());
                    RgbImage picture = RgbImage.of(one.picture());
                    assertThat(picture.height()).isEqualTo(336);
                    assertThat(picture.width()).isEqualTo(224);
                    assertThat(RgbImage.of(two.picture())).isEqualTo(picture);
                    if (area instanceof EditArea.Words) {
                        Heatmap map = Objects.requireNonNull(one.attention());
                        assertThat(List.of(map.height(), map.width())).containsExactly(78, 52);
                        assertThat(Objects.requireNonNull(one.mask()).count()).isPositive();
                    }
                    if (!(area instanceof EditArea.Whole)) {
                        Heatmap weights = Objects.requireNonNull(one.weights());
                        assertThat(List.of(weights.height(), weights.width())).containsExactly(42, 28);
                    }
                }
                assertThatIllegalArgumentException()
                        .isThrownBy(() ->
                                opened.rewrite("the cat s", EditArea.words("the cats."), patchified.rewriteOptions()))
                        .withMessageContaining("give a single word");
                assertThat(RgbImage.of(opened.reconstruction())).isEqualTo(RgbImage.of(inversion.reconstruction()));
                assertThat(opened.learnedPrompt())
                        .isNotNull()
                        .extracting(LearnedPrompt::used)
                        .isEqualTo(7);
            }
        }
        assertThat(Scope.usedBytes()).isEqualTo(before);
    }

    static Stream<Double> ratios() {
        return ScaleSchedule.ratios().stream();
    }

    @ParameterizedTest
    @MethodSource("ratios")
    void picturesOfAllRatiosAreRewrittenWithMasksFromAttention(double ratio) {
        InvertOptions options = quick(plain).withHeightToWidth(ratio).withUpdates(1, 0);
        try (Inversion inversion = plain.invert(photo(70, 60), PROMPT, options)) {
            Scale last = ScaleSchedule.of(ratio, PictureSize.P_0_06M).last();
            for (MaskMethod method : MaskMethod.values()) {
                Rewritten rewritten = inversion.rewrite(
                        "a cat", EditArea.words("the"), plain.rewriteOptions().withMaskMethod(method));
                assertThat(rewritten.picture().getHeight()).isEqualTo(16 * last.height());
                assertThat(rewritten.picture().getWidth()).isEqualTo(16 * last.width());
            }
        }
    }

    @Test
    void whereNothingMayChangeTheRewrittenPictureIsTheReconstruction() {
        Mask nothing = Scope.run(() -> Mask.ofGrey(Tensor.full(DType.F32, Shape.of(64, 64), 255)));
        try (Inversion inversion = plain.invert(photo(64, 64), PROMPT, quick(plain))) {
            RgbImage kept = RgbImage.of(inversion
                    .rewrite("the cat", EditArea.mask(nothing), plain.rewriteOptions())
                    .picture());
            assertThat(kept).isEqualTo(RgbImage.of(inversion.reconstruction()));
        }
    }

    @Test
    void adaptersLearnBesideWeightsOfBf16() {
        InfinityTransformer model = patchified.infinity().pipeline().transformer();
        String weight = "block_chunks.1.module.0.ffn.fc1.weight";
        assertThat(Objects.requireNonNull(model.parameters().get(weight))
                        .value()
                        .dtype())
                .isEqualTo(DType.BF16);
        List<Double> losses = new ArrayList<>();
        InvertOptions options = quick(patchified)
                .withoutRandomness()
                .withUpdates(0, 8)
                .withListener((stage, update, loss, norm) -> losses.add(loss));
        try (Inversion inversion = patchified.invert(photo(64, 64), PROMPT, options)) {
            assertThat(losses).hasSize(8);
            assertThat(losses.getLast()).isLessThan(losses.getFirst() - 0.01);
            assertThat(inversion.learnedPrompt()).isNull();
            assertThat(Objects.requireNonNull(model.parameters().get(weight))
                            .value()
                            .dtype())
                    .isEqualTo(DType.BF16);
        }
    }

    @Test
    void everyStepIsTold() {
        List<String> progress = new ArrayList<>();
        List<Preview> previews = new ArrayList<>();
        InvertOptions options = quick(plain)
                .withUpdates(1, 2)
                .withProgress((stage, done, total) -> progress.add(stage + " " + done + "/" + total));
        try (Inversion inversion = plain.invert(photo(64, 64), PROMPT, options)) {
            assertThat(progress)
                    .containsExactly(
                            "encode picture 0/1",
                            "encode picture 1/1",
                            "encode prompt 0/1",
                            "encode prompt 1/1",
                            "learn prompt 0/1",
                            "learn prompt 1/1",
                            "learn adapters 0/2",
                            "learn adapters 1/2",
                            "learn adapters 2/2");
            progress.clear();
            RewriteOptions rewriting = plain.rewriteOptions();
            Rewritten rewritten = inversion.rewrite(
                    "a cat",
                    EditArea.words("the"),
                    rewriting.withGeneration(rewriting
                            .generation()
                            .withPreviews(previews::add)
                            .withProgress((stage, done, total) -> progress.add(stage + " " + done + "/" + total))));
            assertThat(progress)
                    .containsSubsequence(
                            "look at the picture 0/521",
                            "look at the picture 521/521",
                            "encode prompt 1/1",
                            "predict tokens 0/521",
                            "predict tokens 521/521",
                            "decode picture 1/1");
            assertThat(previews).hasSize(7);
            assertThat(RgbImage.of(previews.getLast().picture())).isEqualTo(RgbImage.of(rewritten.picture()));
        }
    }

    // ---- interruptions

    @ParameterizedTest
    @CsvSource({
        // random source, cancelled after so many of the six updates, state kept every so many, updates that are kept
        "TORCH_CPU, 1, 2, 0",
        "TORCH_CPU, 2, 1, 2",
        "TORCH_CPU, 3, 1, 3",
        "TORCH_CPU, 4, 2, 3",
        "TORCH_CUDA, 5, 1, 5",
        "TORCH_CUDA, 6, 1, 6"
    })
    void aCancelledInversionGoesOnAndEndsAsIfNothingHadHappened(Noise noise, int stop, int every, int kept) {
        InvertOptions options = quick(plain).withNoise(noise).withCheckpointEvery(every);
        Map<String, float[]> unbroken = this.unbroken.computeIfAbsent(noise, n -> {
            Path folder = temporary.resolve("unbroken_" + n);
            plain.invert(photo(64, 64), PROMPT, options, folder).close();
            return learned(folder);
        });
        Path folder = temporary.resolve("cancelled_" + noise + stop);
        long before = Scope.usedBytes();
        assertThat(cancelledAfter(stop, options, folder)).isEqualTo(stop);
        assertThat(Scope.usedBytes()).isEqualTo(before);
        List<Integer> more = new ArrayList<>();
        InvertOptions listening = options.withListener(
                (stage, update, loss, norm) -> more.add(update + (stage == Stage.ADAPTERS ? 3 : 0)));
        plain.invert(photo(64, 64), PROMPT, listening, folder).close();
        assertThat(more)
                .containsExactlyElementsOf(
                        IntStream.rangeClosed(kept + 1, 6).boxed().toList());
        isSame(learned(folder), unbroken);
    }

    private int cancelledAfter(int stop, InvertOptions options, Path folder) {
        Cancellation cancellation = new Cancellation();
        List<Integer> updates = new ArrayList<>();
        InvertOptions stopping = options.withCancellation(cancellation).withListener((stage, update, loss, norm) -> {
            updates.add(update);
            if (updates.size() == stop) {
                cancellation.cancel();
            }
            if (updates.size() == 6) {
                // The last update is made, so that only a failure can come between it and the end.
                throw new CancellationException("cancelled");
            }
        });
        assertThatThrownBy(() -> plain.invert(photo(64, 64), PROMPT, stopping, folder))
                .isInstanceOf(CancellationException.class);
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> plain.open(folder))
                .withMessageContaining("not finished");
        return updates.size();
    }

    @Test
    void aKilledProcessGoesOnAndEndsAsIfNothingHadHappened() throws IOException, InterruptedException {
        Path unbroken = temporary.resolve("not_killed");
        plain.invert(photo(64, 64), PROMPT, quick(plain), unbroken).close();
        for (int kill : new int[] {2, 5}) {
            Path folder = temporary.resolve("killed_" + kill);
            Process process = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "--add-modules=jdk.incubator.vector",
                            "--enable-native-access=ALL-UNNAMED",
                            "-cp",
                            System.getProperty("java.class.path"),
                            Killed.class.getName(),
                            temporary.resolve("plain").toString(),
                            folder.toString())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            try (BufferedReader out =
                    new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
                for (int i = 0; i < kill; i++) {
                    assertThat(out.readLine()).isEqualTo("update");
                }
            } finally {
                process.destroyForcibly().waitFor();
            }
            assertThat(folder.resolve("learned.safetensors")).doesNotExist();
            plain.invert(photo(64, 64), PROMPT, quick(plain), folder).close();
            isSame(learned(folder), learned(unbroken));
        }
    }

    /// A process to be killed: it inverts, and says so after every update.
    static final class Killed {
        private Killed() {}

        public static void main(String[] arguments) {
            try (EditInfinity edit = EditInfinity.load(Path.of(arguments[0]))) {
                edit.invert(
                                photo(64, 64),
                                PROMPT,
                                quick(edit).withListener((stage, update, loss, norm) -> {
                                    System.out.println("update");
                                    pause(stage == Stage.ADAPTERS && update == 3);
                                }),
                                Path.of(arguments[1]))
                        .close();
            }
        }

        /// The last update waits for the end, so that the process never finishes its work before it is killed.
        private static void pause(boolean last) {
            try {
                Thread.sleep(last ? 600_000 : 20);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Test
    void aFinishedInversionIsOpenedWithoutWork() {
        Path folder = temporary.resolve("finished");
        InvertOptions options = quick(plain).withUpdates(1, 1);
        plain.invert(photo(64, 64), PROMPT, options, folder).close();
        List<Integer> updates = new ArrayList<>();
        try (Inversion again = plain.invert(
                photo(64, 64),
                PROMPT,
                options.withListener((stage, update, loss, norm) -> updates.add(update)),
                folder)) {
            assertThat(updates).isEmpty();
            assertThat(again.prompt()).isEqualTo(PROMPT);
        }
    }

    // ---- what is refused

    @Test
    void otherArgumentsThanThoseThatBeganAnInversionAreRefused() throws IOException {
        Path folder = temporary.resolve("begun");
        InvertOptions options = quick(plain);
        cancelledAfter(2, options, folder);
        isRefused(folder, PROMPT, options.withUpdates(3, 4), "lora_updates 4 instead of 3");
        isRefused(folder, PROMPT, options.withSeed(9), "seed 9 instead of 42");
        isRefused(
                folder, PROMPT, options.withPrompt(options.prompt().withRate(0.02)), "prompt_lr 0.02 instead of 0.01");
        isRefused(folder, "a cat", options, "prompt a cat instead of a cat, the cats");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> plain.invert(photo(64, 65), PROMPT, options, folder))
                .withMessageContaining("another picture");
        EditInfinity other = EditInfinity.load(RandomInfinity.plain(temporary.resolve("other"), 2));
        try (other) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> other.invert(photo(64, 64), PROMPT, options, folder))
                    .withMessageContaining("another model");
        }
        Path full = Files.createDirectory(temporary.resolve("full"));
        Files.writeString(full.resolve("source.png"), "mine");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> plain.invert(photo(64, 64), PROMPT, options, full))
                .withMessageContaining("is not empty and holds no inversion");
        assertThat(full.resolve("source.png")).hasContent("mine");
    }

    private void isRefused(Path folder, String prompt, InvertOptions options, String why) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> plain.invert(photo(64, 64), prompt, options, folder))
                .withMessageContaining(folder.toString())
                .withMessageContaining(why);
    }

    @Test
    void aStartOfAdaptersThatDoesNotFitIsRefusedBeforeAnythingIsLearned() {
        Path start = temporary.resolve("start.safetensors");
        Path folder = temporary.resolve("unfit");
        new SafeTensorsWriter().write(start);
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(
                        () -> plain.invert(photo(64, 64), PROMPT, quick(plain).withAdapterStart(start), folder))
                .withMessageContaining("holds no adapters for this model");
        assertThat(folder).doesNotExist();
    }

    @Test
    void anInversionOfAnotherModelIsRefused() throws IOException {
        Path folder = temporary.resolve("mine");
        plain.invert(photo(64, 64), PROMPT, quick(plain).withUpdates(1, 0), folder)
                .close();
        try (EditInfinity other = EditInfinity.load(RandomInfinity.plain(temporary.resolve("other_model"), 3));
                EditInfinity same = EditInfinity.load(RandomInfinity.plain(temporary.resolve("same_model"), 1))) {
            assertThatExceptionOfType(CheckpointException.class)
                    .isThrownBy(() -> other.open(folder))
                    .withMessageContaining("another model");
            same.open(folder).close();
        }
    }

    @Test
    void damagedFoldersAreRefusedInASentence() throws IOException {
        Path good = temporary.resolve("good");
        plain.invert(photo(64, 64), PROMPT, quick(plain).withUpdates(1, 1), good)
                .close();
        isDamaged(good, "lacks inversion.json", f -> delete(f.resolve("inversion.json")));
        isDamaged(good, "lacks source.png", f -> delete(f.resolve("source.png")));
        isDamaged(good, "not finished", f -> delete(f.resolve("learned.safetensors")));
        isDamaged(good, "source.safetensors", f -> delete(f.resolve("source.safetensors")));
        isDamaged(good, "not valid JSON", f -> change(f, "{", "{{"));
        isDamaged(good, "lacks \"learned_rows\"", f -> change(f, "\"learned_rows\"", "\"rows\""));
        isDamaged(good, "\"learned_rows\" is 0", f -> change(f, "\"learned_rows\" : 20", "\"learned_rows\" : 0"));
        isDamaged(good, "at least 30 rows", f -> change(f, "\"learned_rows\" : 20", "\"learned_rows\" : 30"));
        isDamaged(good, "format 2", f -> change(f, "\"format\" : 1", "\"format\" : 2"));
        isDamaged(good, "'9M' is not one of", f -> change(f, "0.06M", "9M"));
        isDamaged(good, "bits_7", f -> change(f, "0.06M", "0.25M"));
        isDamaged(good, "scale 2 is", f -> change(f, "\"h_div_w\" : 1.0", "\"h_div_w\" : 0.5"));
        isDamaged(good, "no ratio", f -> change(f, "\"h_div_w\" : 1.0", "\"h_div_w\" : -1"));
        isDamaged(good, "does not hold bits", f -> tensor(f, "source", "bits_3", t -> t.fillInPlace(2)));
        isDamaged(good, "does not hold bits", f -> replaced(f, "source", "bits_3", t -> t.to(DType.F32)));
        isDamaged(good, "text_embedding_offset", f -> replaced(f, "learned", "text_embedding_offset", t -> null));
        isDamaged(good, "width 11", f -> replaced(f, "learned", "text_embedding_offset", t -> t.slice(2, 0, 11)));
        isDamaged(good, "not finite", f -> tensor(f, "learned", "text_embedding_offset", t -> t.fillInPlace(0.0 / 0)));
        String layer = "block_chunks.0.module.0.ffn.fc1.lora_A";
        isDamaged(good, "holds no adapters", f -> replaced(f, "learned", layer, t -> null));
        isDamaged(good, "holds no adapters", f -> replaced(f, "learned", layer, t -> t.slice(1, 0, 3)));
        isDamaged(good, "not finite", f -> tensor(f, "learned", layer, t -> t.fillInPlace(1 / 0.0)));
        plain.open(good).close();
        assertThatThrownBy(() -> plain.open(temporary.resolve("absent"))).hasMessageContaining("no such folder");
    }

    private void isDamaged(Path good, String why, Consumer<Path> damage) {
        Path copy = copy(good);
        damage.accept(copy);
        long before = Scope.usedBytes();
        assertThatThrownBy(() -> plain.open(copy))
                .isInstanceOfAny(CheckpointException.class, JsonException.class, IllegalArgumentException.class)
                .hasMessageContaining(why)
                .hasMessageNotContaining("\n");
        assertThat(Scope.usedBytes()).isEqualTo(before);
    }

    @Test
    void aDamagedStateIsRefusedInASentence() {
        Path begun = temporary.resolve("interrupted");
        InvertOptions options = quick(plain);
        cancelledAfter(5, options, begun);
        for (String name : List.of("prompt", "adapters.1", "first.0", "second.2", "random")) {
            Path copy = copy(begun);
            replaced(copy, "checkpoint", name, t -> t.slice(t.rank() - 1, 0, t.dim(-1) - 1));
            assertThatExceptionOfType(CheckpointException.class)
                    .as(name)
                    .isThrownBy(() -> plain.invert(photo(64, 64), PROMPT, options, copy))
                    .withMessageContaining("remove it to begin again");
            Path without = copy(begun);
            replaced(without, "checkpoint", name, t -> null);
            assertThatExceptionOfType(CheckpointException.class)
                    .isThrownBy(() -> plain.invert(photo(64, 64), PROMPT, options, without))
                    .withMessageContaining(name);
        }
    }

    private static Path copy(Path folder) {
        try {
            Path copy = Files.createTempDirectory(temporary, "copy");
            try (Stream<Path> files = Files.list(folder)) {
                for (Path file : files.toList()) {
                    Files.copy(file, copy.resolve(String.valueOf(file.getFileName())));
                }
            }
            return copy;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void delete(Path file) {
        try {
            Files.delete(file);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void change(Path folder, String from, String to) {
        Path json = folder.resolve("inversion.json");
        try {
            String text = Files.readString(json);
            assertThat(text).contains(from);
            Files.writeString(json, text.replace(from, to));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void tensor(Path folder, String file, String name, Consumer<Tensor> damage) {
        replaced(folder, file, name, t -> {
            Tensor copy = t.copy();
            damage.accept(copy);
            return copy;
        });
    }

    private interface Damage {
        @Nullable
        Tensor damaged(Tensor tensor);
    }

    private static void replaced(Path folder, String file, String name, Damage damage) {
        Path path = folder.resolve(file + ".safetensors");
        Path changed = folder.resolve(file + ".changed");
        Scope.run(() -> {
            try (Checkpoint checkpoint = Checkpoint.open(path)) {
                assertThat(checkpoint.names()).contains(name);
                SafeTensorsWriter writer = new SafeTensorsWriter();
                checkpoint.metadata().forEach(writer::metadata);
                for (String n : checkpoint.names()) {
                    Tensor tensor = Tensor.borrow(checkpoint.tensor(n), n);
                    Tensor kept = n.equals(name) ? damage.damaged(tensor) : tensor;
                    if (kept != null) {
                        writer.add(n, kept.array());
                    }
                }
                writer.write(changed);
            }
            return null;
        });
        try {
            Files.move(changed, path, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @CsvSource({"' ', prompt is empty", "LONG, learned rows are more than the 96"})
    void promptsThatCannotBeLearnedAreRefusedBeforeAnythingIsWritten(String prompt, String why) {
        String text = prompt.equals("LONG") ? "the cat ".repeat(60) : prompt;
        assertThatIllegalArgumentException()
                .isThrownBy(() -> plain.invert(photo(64, 64), text, quick(plain), temporary.resolve("never")))
                .withMessageContaining(why);
        assertThat(temporary.resolve("never")).doesNotExist();
        try (Inversion inversion =
                plain.invert(photo(64, 64), PROMPT, quick(plain).withUpdates(1, 0))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> inversion.rewrite(text, EditArea.whole(), plain.rewriteOptions()))
                    .withMessageContaining(why);
        }
    }
}
