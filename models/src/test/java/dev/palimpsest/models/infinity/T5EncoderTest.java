package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.api.LoadOptions;
import dev.palimpsest.models.api.RecordedKernels;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.vincie.RandomWeights;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.PackedWeights;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class T5EncoderTest {
    /// Small sizes that differ from each other.
    private static final T5Config CONFIG = new T5Config(50, 24, 2, 3, 5, 28, 16, 20, 1e-6f);

    private static final JsonObject SETTINGS =
            JsonObject.parse("{\"feed_forward_proj\": \"gated-gelu\", \"relative_attention_max_distance\": 20}", "t5");

    private static final List<int[]> TEXTS =
            List.of(new int[] {4, 5, 6, 7, 1}, new int[] {1}, new int[] {9, 8, 7, 6, 5, 4, 3, 2, 1});

    @TempDir
    private Path folder;

    private Path weights() {
        return RandomWeights.write(
                folder.resolve("t5.safetensors"), 3, tree -> new T5Encoder(tree, CONFIG), name -> name);
    }

    /// The weights with other names, or more of them.
    private Path changed(Consumer<SafeTensorsWriter> more, String leftOut) {
        Path path = folder.resolve("changed.safetensors");
        try (Checkpoint checkpoint = Checkpoint.open(weights())) {
            Scope.run(() -> {
                SafeTensorsWriter writer = new SafeTensorsWriter();
                for (String name : checkpoint.names()) {
                    if (!name.equals(leftOut)) {
                        writer.add(name, checkpoint.tensor(name));
                    } else {
                        writer.add("encoder.embed_tokens.weight", checkpoint.tensor(name));
                    }
                }
                more.accept(writer);
                writer.write(path);
                return null;
            });
        }
        return path;
    }

    private static void withEncoder(Path path, Consumer<T5Encoder> body) {
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            Scope.run(() -> {
                body.accept(T5Encoder.load(checkpoint, SETTINGS));
                return null;
            });
        }
    }

    private static TextFeatures encode(T5Encoder encoder, List<int[]> texts) {
        return encoder.encode(texts, new Cancellation());
    }

    @Test
    void sizesAreReadFromTheTensorsAndTheConfiguration() {
        withEncoder(weights(), encoder -> assertThat(encoder.config()).isEqualTo(CONFIG));
    }

    @ParameterizedTest
    @EnumSource
    void itKeepsNoCopiesAndHasNoIntegers(Arithmetic arithmetic) {
        Arithmetic floating = arithmetic == Arithmetic.BF16 ? Arithmetic.BF16 : Arithmetic.F32;
        withEncoder(weights(), encoder -> {
            try (PackedWeights passing =
                    LoadOptions.defaults().withArithmetic(arithmetic).withoutCopies()) {
                passing.attach(encoder);
                assertThat(new RecordedKernels().secondRun(() -> encode(encoder, TEXTS)))
                        .isEqualTo(Set.of("matmul " + floating, "attention F32"));
                assertThat(passing.bytes()).isZero();
            }
        });
    }

    @Test
    void textsDoNotSeeEachOtherNorPadding() {
        withEncoder(weights(), encoder -> {
            TextFeatures all = encode(encoder, TEXTS);
            assertThat(all.lengths()).containsExactly(5, 1, 9);
            assertThat(all.starts()).containsExactly(0, 5, 6, 15);
            assertThat(all.maxLength()).isEqualTo(9);
            long[] padded = new long[3 * 11];
            for (int i = 0; i < TEXTS.size(); i++) {
                int[] text = TEXTS.get(i);
                for (int j = 0; j < 11; j++) {
                    padded[i * 11 + j] = j < text.length ? text[j] : 40 + j % 3;
                }
            }
            Tensor rectangle = encoder.encodePadded(Tensor.of(padded, 3, 11), all.lengths(), new Cancellation());
            for (int i = 0; i < TEXTS.size(); i++) {
                Tensor rows = all.rows().slice(0, all.starts()[i], all.starts()[i + 1]);
                assertThat(Checks.distance(
                                encode(encoder, List.of(TEXTS.get(i))).rows(), rows))
                        .isLessThan(1e-6);
                assertThat(Checks.distance(rectangle.select(0, i).slice(0, 0, rows.dim(0)), rows))
                        .isLessThan(1e-6);
            }
        });
    }

    @Test
    void theOrderOfTokensMatters() {
        withEncoder(weights(), encoder -> {
            Tensor forwards = encode(encoder, List.of(new int[] {4, 5, 6, 1})).rows();
            Tensor swapped = encode(encoder, List.of(new int[] {5, 4, 6, 1})).rows();
            assertThat(Checks.distance(forwards.slice(0, 3, 4), swapped.slice(0, 3, 4)))
                    .isGreaterThan(1e-4);
        });
    }

    @Test
    void theTableGoesByEitherNameAndADecoderIsPassedOver() {
        float[][] rows = new float[3][];
        withEncoder(
                weights(), encoder -> rows[0] = encode(encoder, TEXTS).rows().toFloatArray());
        withEncoder(
                changed(writer -> {}, "shared.weight"),
                encoder -> rows[1] = encode(encoder, TEXTS).rows().toFloatArray());
        Path whole = changed(
                writer -> writer.add(
                                "decoder.embed_tokens.weight",
                                Checks.random(1, 50, 24).array())
                        .add(
                                "decoder.block.0.layer.0.layer_norm.weight",
                                Checks.random(1, 24).array())
                        .add(
                                "encoder.embed_tokens.weight",
                                Checks.random(1, 50, 24).array())
                        .add("lm_head.weight", Checks.random(1, 50, 24).array()),
                "");
        withEncoder(whole, encoder -> rows[2] = encode(encoder, TEXTS).rows().toFloatArray());
        assertThat(rows[1]).isEqualTo(rows[0]);
        assertThat(rows[2]).isEqualTo(rows[0]);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        withEncoder(weights(), encoder -> {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> encode(encoder, List.of()))
                    .withMessage("text encoder: there is no text");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> encode(encoder, List.of(new int[] {1}, new int[0])))
                    .withMessageStartingWith("text encoder: text 1 has 0 of 0 tokens");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> encoder.encodePadded(Tensor.zeros(2, 3), new int[] {1}, new Cancellation()))
                    .withMessageContaining("(2, 3)");
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> encode(encoder, List.of(new int[] {50, 1})));
            Cancellation cancelled = new Cancellation();
            cancelled.cancel();
            assertThatExceptionOfType(CancellationException.class).isThrownBy(() -> encoder.encode(TEXTS, cancelled));
        });
        Path extra = changed(
                writer -> writer.add("encoder.extra", Checks.random(1, 2).array()), "");
        assertThatThrownBy(() -> withEncoder(extra, encoder -> {}))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("encoder.extra");
    }

    @Test
    void anotherFeedForwardPartIsRefused() {
        JsonObject relu = JsonObject.parse("{\"feed_forward_proj\": \"relu\"}", "config.json");
        try (Checkpoint checkpoint = Checkpoint.open(weights())) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> T5Config.from(WeightTree.of(checkpoint), relu))
                    .withMessageContaining("config.json asks for feed_forward_proj relu");
        }
        assertThatIllegalArgumentException().isThrownBy(() -> new T5Config(50, 24, 2, 3, 5, 28, 15, 20, 1e-6f));
        assertThatIllegalArgumentException().isThrownBy(() -> new T5Config(50, 24, 2, 3, 5, 28, 16, 4, 1e-6f));
    }

    /// Of 32 buckets for distances up to 128: eight exact ones on either side, then eight that widen.
    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "-1, 1",
        "-7, 7",
        "-8, 8",
        "-11, 8",
        "-12, 9",
        "-15, 9",
        "-16, 10",
        "-31, 11",
        "-32, 12",
        "-63, 13",
        "-64, 14",
        "-90, 14",
        "-91, 15",
        "-127, 15",
        "-128, 15",
        "-100000, 15",
        "1, 17",
        "7, 23",
        "8, 24",
        "64, 30",
        "500, 31"
    })
    void farPositionsShareBuckets(int relative, int bucket) {
        assertThat(new T5Config(1, 1, 1, 1, 1, 1, 32, 128, 0).bucket(relative)).isEqualTo(bucket);
    }

    @Test
    void theReleasedModelIsOfThisShape() {
        JsonObject listed = JsonObject.read(Checks.shared("spec/flan_t5_xl_encoder_state_dict.json"));
        var expected = new TreeMap<String, List<Integer>>();
        for (String name : listed.names()) {
            if (!name.equals("encoder.embed_tokens.weight")) {
                expected.put(name, Arrays.stream(listed.int32s(name)).boxed().toList());
            }
        }
        Path empty = folder.resolve("empty.safetensors");
        new SafeTensorsWriter().write(empty);
        var shapes = new TreeMap<String, List<Integer>>();
        try (Checkpoint nothing = Checkpoint.open(empty)) {
            T5Config xl = new T5Config(32128, 2048, 24, 32, 64, 5120, 32, 128, 1e-6f);
            new T5Encoder(WeightTree.of(nothing), xl)
                    .parameters()
                    .forEach((name, p) -> shapes.put(
                            name, Arrays.stream(p.shape().dims()).boxed().toList()));
        }
        assertThat(shapes).isEqualTo(expected);
    }

    @Test
    void aReleasedFolderFormatOpens() {
        Path t5 = Checks.shared("data/checkpoints/infinity-tiny/flan-t5-xl");
        try (Checkpoint checkpoint = Checkpoint.open(t5)) {
            Scope.run(() -> {
                T5Encoder encoder = T5Encoder.load(checkpoint, JsonObject.read(t5.resolve("config.json")));
                assertThat(encoder.config()).isEqualTo(new T5Config(32128, 128, 2, 2, 64, 256, 32, 128, 1e-6f));
                float[] rows = encode(encoder, TEXTS).rows().toFloatArray();
                assertThat(rows).hasSize(15 * 128).doesNotContain(Float.NaN);
                return null;
            });
        }
    }

    @Test
    void learnedRowsFollowThoseOfEveryText() {
        Scope.run(() -> {
            Tensor rows = Checks.random(1, 5, 4);
            Tensor learned = Checks.random(2, 3, 4);
            TextFeatures longer = new TextFeatures(rows, new int[] {2, 3}).append(learned);
            assertThat(longer.lengths()).containsExactly(5, 6);
            assertThat(longer.starts()).containsExactly(0, 5, 11);
            Tensor expected =
                    Tensor.concat(List.of(rows.slice(0, 0, 2), learned, rows.slice(0, 2, 5), learned), 0); // (11, 4)
            assertThat(longer.rows().toFloatArray()).isEqualTo(expected.toFloatArray());
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> longer.append(Tensor.zeros(3, 5)))
                    .withMessageContaining("(3, 5)");
            assertThatIllegalArgumentException().isThrownBy(() -> new TextFeatures(rows, new int[] {2, 2}));
            return null;
        });
    }

    @ParameterizedTest
    @CsvSource({"a woman, true", "a mantle, true", "reason, true", "a red cat, false", "A MAN, false"})
    void facesAreWishedForOncePeopleAreSpokenOf(String prompt, boolean people) {
        assertThat(PromptText.withPositivePrompt(prompt))
                .isEqualTo(
                        people
                                ? prompt
                                        + ". very smooth faces, good looking faces, face to the camera, perfect facial"
                                        + " features"
                                : prompt);
        assertThat(PromptText.withInstruction(prompt)).isEqualTo(prompt + ", the language style of this prompt is");
    }
}
