package dev.palimpsest.models.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.conformance.ConformanceResult.Outcome;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What is recognised among files, and that what is wrong in them is found.
class ConformanceTest {
    @TempDir
    private Path folder;

    /// Doubles its input; breaks on inputs called `broken`.
    private static final class Doubling implements GoldenEvaluator {
        @Override
        public Set<String> kinds() {
            return Set.of("test.double");
        }

        @Override
        public Map<String, Tensor> evaluate(GoldenFile file) {
            if (file.hasInput("broken")) {
                throw new IllegalStateException("the evaluator is broken");
            }
            Tensor x = file.input("x");
            return Map.of("out.y", x.add(x));
        }
    }

    private List<ConformanceResult> check(Path... paths) throws IOException {
        List<ConformanceResult> results = new ArrayList<>();
        var conformance = new Conformance(new GoldenRunner(List.of(new Doubling())), folder.resolve("data"));
        Map<Outcome, Integer> totals = conformance.check(List.of(paths), results::add);
        assertThat(totals.values().stream().mapToInt(n -> n).sum()).isEqualTo(results.size());
        return results;
    }

    private static NdArray floats(float... values) {
        return NdArray.of(
                Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values), DType.F32, Shape.of(values.length));
    }

    private Path golden(String name, String kind, String input, float y) {
        Path file = folder.resolve(name);
        new SafeTensorsWriter()
                .metadata("kind", kind)
                .metadata("tol", "{\"rel_l2\": 1e-6, \"max_abs\": 1e-6}")
                .add("in." + input, floats(1, 2))
                .add("out.y", floats(2, y))
                .write(file);
        return file;
    }

    private Path json(String name, String content) throws IOException {
        return Files.writeString(folder.resolve(name), content.replace('\'', '"'));
    }

    @Test
    void aGoldenFileIsJudgedByItsKind() throws IOException {
        golden("a.safetensors", "test.double", "x", 4);
        golden("b.safetensors", "test.double", "x", 4.1f);
        golden("c.safetensors", "test.other", "x", 4);
        golden("d.safetensors", "test.double", "broken", 4);
        var results = check(folder);
        assertThat(results)
                .extracting(ConformanceResult::outcome)
                .containsExactly(Outcome.PASS, Outcome.FAIL, Outcome.NOT_IMPLEMENTED, Outcome.FAIL);
        assertThat(results.get(1).worst()).isEqualTo("out.y");
        assertThat(results.get(1).maxAbs()).isBetween(0.09, 0.11);
        assertThat(results.get(3).problems()).containsExactly("the evaluator is broken");
    }

    @Test
    void aSafetensorsFileWithoutAKindIsAFailure() throws IOException {
        Path file = folder.resolve("plain.safetensors");
        new SafeTensorsWriter().add("w", floats(1)).write(file);
        assertThat(check(folder)).singleElement().satisfies(r -> {
            assertThat(r.outcome()).isEqualTo(Outcome.FAIL);
            assertThat(r.problems()).singleElement().asString().contains("names no kind");
        });
    }

    @Test
    void aFileThatDoesNotSayHowCloseItsNumbersMustComeFailsWithThatReason() throws IOException {
        for (String tol : List.of("{}", "{\"max_abs\": 1}")) {
            new SafeTensorsWriter()
                    .metadata("kind", "test.double")
                    .metadata("tol", tol)
                    .add("in.x", floats(1, 2))
                    .add("out.y", floats(2, 4))
                    .write(folder.resolve("lax.safetensors"));
            assertThat(check(folder)).singleElement().satisfies(r -> {
                assertThat(r.outcome()).isEqualTo(Outcome.FAIL);
                assertThat(r.problems()).singleElement().asString().startsWith("its metadata has no \"tol\"");
            });
        }
    }

    @Test
    void shapesThatNoArrayCanHaveAreAFailureInWords() {
        new SafeTensorsWriter()
                .metadata("kind", "image.pil_resize")
                .metadata("config", "{\"size_wh\": [50000, 50000]}")
                .metadata("tol", "{\"rel_l2\": 1}")
                .add("in.image", NdArray.of(Arena.ofAuto().allocate(12), DType.U8, Shape.of(2, 2, 3)))
                .add("out.resized", floats(1))
                .write(folder.resolve("huge.safetensors"));
        List<ConformanceResult> results = new ArrayList<>();
        assertThatCode(() -> new Conformance(Goldens.runner(), folder).check(List.of(folder), results::add))
                .doesNotThrowAnyException();
        assertThat(results)
                .singleElement()
                .satisfies(r -> assertThat(r.problems())
                        .containsExactly(
                                "its shapes, or those that its config asks for, are larger than any array can be"));
    }

    @Test
    void aPathThatDoesNotExistIsAnError() {
        assertThatThrownBy(() -> check(folder.resolve("absent"))).isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void otherFilesInAFolderArePassedOverButNotWhenNamed() throws IOException {
        json("settings.json", "{'a': 1}");
        Files.writeString(folder.resolve("notes.txt"), "text");
        assertThat(check(folder)).isEmpty();
        assertThat(check(folder.resolve("settings.json"), folder.resolve("notes.txt")))
                .extracting(ConformanceResult::outcome)
                .containsExactly(Outcome.FAIL, Outcome.FAIL);
    }

    @Test
    void brokenJsonIsAFailure() throws IOException {
        json("list.json", "{'cases': [");
        Files.write(folder.resolve("not-text.json"), new byte[] {'"', (byte) 0xff, '"'});
        assertThat(check(folder)).extracting(ConformanceResult::outcome).containsExactly(Outcome.FAIL, Outcome.FAIL);
    }

    @Test
    void verdictsAreHeldAgainstTheLoader() throws IOException {
        new SafeTensorsWriter().add("w", floats(1, 2)).write(folder.resolve("good.safetensors"));
        new SafeTensorsWriter().add("wrapper.w", floats(1, 2)).write(folder.resolve("wrapped.safetensors"));
        new SafeTensorsWriter().add("w", floats(1, -2)).write(folder.resolve("other.safetensors"));
        Files.write(folder.resolve("bad.safetensors"), new byte[] {1, 2, 3});
        Path list = json("anything.json", """
                {'cases': [
                  {'file': 'good.safetensors', 'verdict': 'load'},
                  {'file': 'bad.safetensors', 'verdict': 'reject'},
                  {'file': 'bad.safetensors', 'verdict': 'load_or_reject'},
                  {'file': 'wrapped.safetensors', 'verdict': 'load', 'expected': 'good.safetensors', 'strip': 'wrapper.'},
                  {'file': 'wrapped.safetensors', 'verdict': 'load', 'expected': 'good.safetensors', 'under': 'wrapper'},
                  {'file': 'good.safetensors', 'verdict': 'reject'},
                  {'file': 'bad.safetensors', 'verdict': 'load'},
                  {'file': 'absent.safetensors', 'verdict': 'reject'},
                  {'file': 'other.safetensors', 'verdict': 'load', 'expected': 'good.safetensors'},
                  {'file': 'other.safetensors', 'verdict': 'load_or_reject', 'expected': 'good.safetensors'},
                  {'file': 'wrapped.safetensors', 'verdict': 'load', 'expected': 'good.safetensors'},
                  {'file': 'wrapped.safetensors', 'verdict': 'load_or_reject', 'under': 'nothing'},
                  {'file': 'good.safetensors', 'verdict': 'admire'}
                ]}""");
        var results = check(folder);
        assertThat(results).allSatisfy(r -> assertThat(r.file()).isNotEqualTo(list));
        assertThat(results.subList(0, 5)).extracting(ConformanceResult::outcome).containsOnly(Outcome.PASS);
        assertThat(results.subList(5, 12))
                .extracting(ConformanceResult::outcome)
                .containsOnly(Outcome.FAIL);
        assertThat(results.get(12).outcome()).isEqualTo(Outcome.NOT_IMPLEMENTED);
        assertThat(results).hasSize(13);
        assertThat(results.get(8).problems()).containsExactly("w differs 1 elements after [0]");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            'names': ['h', 'w']                                                                             | PASS
            'names': ['w']                                                                                  | FAIL
            'metadata': {'note': 'hé'}                                                                      | PASS
            'metadata': {'note': 'h'}                                                                       | FAIL
            'metadata': {}                                                                                  | FAIL
            'expected': 'values.json'                                                                       | PASS
            'expected': 'wrong.json'                                                                        | FAIL
            'expected': 'shape.json'                                                                        | FAIL
            'structure': 'values.json'                                                                      | FAIL
            """)
    void detailsOfAVerdictAreChecked(String detail, Outcome outcome) throws IOException {
        new SafeTensorsWriter()
                .metadata("note", "hé")
                .add(
                        "h",
                        NdArray.of(
                                Arena.ofAuto().allocateFrom(ValueLayout.JAVA_BYTE, (byte) 0x7f, (byte) 0x80),
                                DType.F8_E4M3,
                                Shape.of(2)))
                .add("w", floats(-0f, Float.POSITIVE_INFINITY))
                .write(folder.resolve("a.safetensors"));
        String table = "{'h': {'dtype': 'F8_E4M3', 'shape': [2], 'values': ['nan', -0.0]}, "
                + "'w': {'dtype': 'F32', 'shape': [2], 'values': [%s, 'inf']}}";
        json("values.json", table.formatted("-0.0"));
        json("wrong.json", table.formatted("0.0"));
        json("shape.json", table.formatted("-0.0").replace("[2]", "[1, 2]"));
        json("list.json", "{'cases': [{'file': 'a.safetensors', 'verdict': 'load', " + detail + "}]}");
        assertThat(check(folder))
                .singleElement()
                .satisfies(
                        r -> assertThat(r.outcome()).as(r.problems().toString()).isEqualTo(outcome));
    }

    @Test
    void tokensAreHeldAgainstTheVocabularyThatTheListDescribes() throws IOException {
        // ids are the bytes' values, but that of 'a' and 'b' together
        StringBuilder ranks = new StringBuilder();
        for (int i = 0; i < 256; i++) {
            ranks.append(rank(new byte[] {(byte) i}, i));
        }
        Path data = Files.createDirectories(folder.resolve("data").resolve("deeper"));
        Files.writeString(data.resolve("bytes.tiktoken"), ranks);
        Files.writeString(data.resolve("pair.tiktoken"), ranks + rank("ab".getBytes(StandardCharsets.US_ASCII), 256));
        Files.writeString(data.resolve("noise.tiktoken"), "noise");
        String cases = ", 'cases': [{'text': 'abc', 'ids': %s, 'decoded': 'abc'}]}";
        Path single = json("single.json", "{'special_start': 256" + cases.formatted("[97, 98, 99]"));
        Path pair = json("pair.json", "{'special_start': 257" + cases.formatted("[256, 99]"));
        Path wrong = json("wrong.json", "{'special_start': 256" + cases.formatted("[256, 99]"));
        Path absent = json("absent.json", "{'special_start': 99" + cases.formatted("[256, 99]"));
        Path hash = json(
                "hash.json",
                "{'vocab_sha256': '" + Vocabularies.sha256(data.resolve("pair.tiktoken")) + "'"
                        + cases.formatted("[256, 99]"));
        Path decoded =
                json("decoded.json", "{'special_start': 256, 'cases': [{'text': 'a', 'ids': [97], 'decoded': 'b'}]}");
        var results = check(single, pair, hash, wrong, absent, decoded);
        assertThat(results)
                .extracting(ConformanceResult::outcome)
                .containsExactly(Outcome.PASS, Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.FAIL, Outcome.FAIL);
        assertThat(results.get(3).problems()).containsExactly("'abc' gives [97, 98, 99] instead of [256, 99]");
        assertThat(results.get(4).problems().getFirst()).contains("needs a byte-pair vocabulary of 99 ranks");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            1.25 | [320, 256]  | [7, 20, 16] | 614 | PASS
            1.25 | [320, 256]  | [7, 20, 16] | 615 | FAIL
            1.25 | [256, 320]  | [7, 20, 16] | 614 | FAIL
            1.25 | [320, 256]  | [7, 20, 17] | 614 | FAIL
            1.25 | [320, 256]  | [1, 20, 16] | 614 | FAIL
            1.3  | [320, 256]  | [7, 20, 16] | 614 | FAIL
            """)
    void tablesOfScalesAreComparedWithOurs(String ratio, String pixels, String last, int length, Outcome outcome)
            throws IOException {
        json("tables.json", """
                {'schedules': {'%s': {'0.06M': {'pixel_hw': %s, 'image_seq_len': %d, 'scales':
                  [[1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 5, 4], [5, 10, 8], [6, 15, 12], %s]}}},
                'vae_latent_hw_to_scales':
                  {'14x21': [[1, 1], [2, 2], [2, 3], [4, 6], [6, 9], [10, 15], [14, 21]]},
                'vae_static_original':
                  {'16x16': [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [6, 6], [8, 8], [10, 10], [13, 13], [16, 16]]},
                'vae_stride': 16}""".formatted(ratio, pixels, length, last));
        assertThat(check(folder)).singleElement().satisfies(r -> {
            assertThat(r.kind()).isEqualTo("infinity.scale_schedules");
            assertThat(r.outcome()).as(r.problems().toString()).isEqualTo(outcome);
        });
    }

    @Test
    void tablesOfScalesThatDoNotExistAreFailures() throws IOException {
        json("latents.json", "{'schedules': {}, 'vae_latent_hw_to_scales': {'3x3': [[1, 1], [3, 3]]}}");
        json("ratios.json", "{'schedules': {}, 'h_div_w_templates_in_order': [1.0, 1.25]}");
        json("sizes.json", "{'schedules': {'1.0': {'2M': {}}}}");
        assertThat(check(folder))
                .extracting(ConformanceResult::outcome)
                .containsOnly(Outcome.FAIL)
                .hasSize(3);
    }

    @Test
    void theOriginalsTablesOfScalesAreOurs() throws IOException {
        Path tables = Path.of("../../shared/golden/infinity/scale_schedules.json");
        assumeTrue(Files.exists(tables), () -> tables + " is absent");
        assertThat(check(tables)).singleElement().satisfies(r -> {
            assertThat(r.problems()).isEmpty();
            assertThat(r.worst()).isEqualTo("291 comparisons");
        });
    }

    private static String rank(byte[] token, int rank) {
        return Base64.getEncoder().encodeToString(token) + " " + rank + "\n";
    }
}
