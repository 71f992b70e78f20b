package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.weights.PickleValue.Sequence.Kind;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/// The verdicts on files that PyTorch and safetensors wrote, and on files made to break a reader.
class GoldenVerdictsTest {
    @TestFactory
    Stream<DynamicTest> torchFiles() throws IOException {
        return cases("golden/pth");
    }

    @TestFactory
    Stream<DynamicTest> safetensorsFiles() throws IOException {
        return cases("golden/safetensors");
    }

    private static Stream<DynamicTest> cases(String name) throws IOException {
        Path folder = Shared.find(name).orElse(null);
        if (folder == null) {
            return Stream.of(DynamicTest.dynamicTest(name, () -> abort("../shared/" + name + " is not here")));
        }
        List<DynamicTest> tests = new ArrayList<>();
        for (Object o : (List<?>) Objects.requireNonNull(
                JsonTree.object(folder.resolve("expected.json")).get("cases"))) {
            Map<?, ?> c = (Map<?, ?>) o;
            tests.add(DynamicTest.dynamicTest(c.get("verdict") + " " + c.get("file"), () -> check(folder, c)));
        }
        assertThat(tests).isNotEmpty();
        return tests.stream();
    }

    private static void check(Path folder, Map<?, ?> c) throws IOException {
        Path file = folder.resolve((String) Objects.requireNonNull(c.get("file")));
        if ("reject".equals(c.get("verdict"))) {
            assertThatThrownBy(() -> readAll(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageStartingWith(file.toString())
                    .message()
                    .hasLineCount(1);
            assertThat(Damage.readEverything(file)).isFalse();
            assertThat(Path.of("/tmp/pwned")).doesNotExist();
            return;
        }
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            compare(folder, c, checkpoint);
        } catch (CheckpointException e) {
            if (!"load_or_reject".equals(c.get("verdict"))) {
                throw e;
            }
        }
    }

    private static void readAll(Path file) {
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            checkpoint.names().forEach(checkpoint::tensor);
        }
    }

    private static void compare(Path folder, Map<?, ?> c, Checkpoint opened) throws IOException {
        Checkpoint actual = opened;
        if (c.get("strip") instanceof String text) {
            actual = actual.stripping(text);
        }
        if (c.get("under") instanceof String prefix) {
            actual = actual.under(prefix);
        }
        if (Boolean.TRUE.equals(c.get("rename_attention"))) {
            actual = actual.renaming(GoldenVerdictsTest::currentAttentionName);
        }
        if (c.get("metadata") instanceof Map<?, ?> metadata) {
            assertThat(actual.metadata()).isEqualTo(metadata);
        }
        if (c.get("names") instanceof List<?> names) {
            assertThat(List.<Object>copyOf(actual.names())).isEqualTo(names);
        }
        if (c.get("structure") instanceof String structure) {
            compareStructure("", JsonTree.object(folder.resolve(structure)), ((TorchFile) actual).root());
        }
        if (c.get("expected") instanceof String name) {
            if (name.endsWith(".json")) {
                compareNumbers(JsonTree.object(folder.resolve(name)), actual);
            } else {
                compareTensors(folder.resolve(name), actual);
            }
        }
        for (String name : actual.names()) {
            Bits.of(actual.tensor(name));
        }
    }

    private static void compareTensors(Path file, Checkpoint actual) {
        try (Checkpoint expected = Checkpoint.open(file)) {
            Set<String> names = new TreeSet<>();
            for (String name : expected.names()) {
                // tensors of nested data are called by the path to them
                String plain = name.startsWith("/") ? name.substring(1).replace('/', '.') : name;
                names.add(plain);
                assertThat(Bits.difference(actual.tensor(plain), expected.tensor(name)))
                        .as(name)
                        .isEmpty();
            }
            assertThat(new TreeSet<>(actual.names())).isEqualTo(names);
        }
    }

    /// The names that diffusers gave the attention of a VAE before they became those of its attention processor.
    private static String currentAttentionName(String name) {
        return name.replace(".query.", ".to_q.")
                .replace(".key.", ".to_k.")
                .replace(".value.", ".to_v.")
                .replace(".proj_attn.", ".to_out.0.");
    }

    private static void compareStructure(String path, @Nullable Object expected, PickleValue actual) {
        switch (expected) {
            case Map<?, ?> map
            when map.get("$dict") instanceof List<?> items -> {
                List<Map.Entry<PickleValue, PickleValue>> entries =
                        new ArrayList<>(((PickleValue.Dict) actual).entries().entrySet());
                assertThat(entries).as(path).hasSameSizeAs(items);
                for (int i = 0; i < entries.size(); i++) {
                    List<?> pair = (List<?>) items.get(i);
                    compareStructure(path + " key", pair.get(0), entries.get(i).getKey());
                    compareStructure(
                            path + "/" + pair.get(0),
                            pair.get(1),
                            entries.get(i).getValue());
                }
            }
            case Map<?, ?> map
            when map.get("$list") instanceof List<?> items -> compareItems(path, items, actual, Kind.LIST);
            case Map<?, ?> map
            when map.get("$tuple") instanceof List<?> items -> compareItems(path, items, actual, Kind.TUPLE);
            case Map<?, ?> map
            when map.get("$size") instanceof List<?> items -> compareItems(path, items, actual, Kind.SIZE);
            case Map<?, ?> map
            when map.get("$tensor") instanceof String name -> {
                assertThat(path).isEqualTo(name);
                assertThat(actual).isInstanceOf(PickleValue.Tensor.class);
            }
            case Map<?, ?> map
            when map.get("$int") instanceof String digits ->
                assertThat(actual).as(path).isEqualTo(new PickleValue.Int(new BigInteger(digits)));
            case Map<?, ?> map
            when map.get("$dtype") instanceof String name ->
                assertThat(actual).as(path).isEqualTo(new PickleValue.TypeName(name));
            case Map<?, ?> map
            when map.get("$bytes") instanceof String base64 ->
                assertThat(actual)
                        .as(path)
                        .isEqualTo(new PickleValue.Bytes(Base64.getDecoder().decode(base64)));
            case null -> assertThat(actual).as(path).isEqualTo(PickleValue.None.NONE);
            case Boolean b -> assertThat(actual).as(path).isEqualTo(new PickleValue.Bool(b));
            case Long n -> assertThat(actual).as(path).isEqualTo(PickleValue.Int.of(n));
            case Double x -> assertThat(actual).as(path).isEqualTo(new PickleValue.Real(x));
            case String text -> assertThat(actual).as(path).isEqualTo(new PickleValue.Text(text));
            default -> throw new AssertionError(path + ": unknown " + expected);
        }
    }

    private static void compareItems(String path, List<?> expected, PickleValue actual, Kind kind) {
        PickleValue.Sequence sequence = (PickleValue.Sequence) actual;
        assertThat(sequence.kind()).as(path).isEqualTo(kind);
        assertThat(sequence.items()).as(path).hasSameSizeAs(expected);
        for (int i = 0; i < expected.size(); i++) {
            compareStructure(path + "/" + i, expected.get(i), sequence.items().get(i));
        }
    }

    private static void compareNumbers(Map<?, ?> expected, Checkpoint actual) {
        assertThat(actual.names()).isEqualTo(expected.keySet());
        expected.forEach((name, o) -> {
            Map<?, ?> tensor = (Map<?, ?>) o;
            NdArray array = actual.tensor((String) name);
            assertThat(array.dtype().name()).isEqualTo(tensor.get("dtype"));
            assertThat(Arrays.stream(array.shape().dims())
                            .asLongStream()
                            .boxed()
                            .toList())
                    .isEqualTo(tensor.get("shape"));
            List<?> values = (List<?>) Objects.requireNonNull(tensor.get("values"));
            NdArray flat = array.reshape(Shape.of(values.size()));
            for (int i = 0; i < values.size(); i++) {
                compareNumber(name + " " + i, values.get(i), flat, i);
            }
        });
    }

    private static void compareNumber(String what, @Nullable Object expected, NdArray flat, int i) {
        switch (expected) {
            case Boolean b -> assertThat(flat.getLong(i) != 0).as(what).isEqualTo(b);
            case Long n -> assertThat(flat.getLong(i)).as(what).isEqualTo(n);
            case String digits
            when flat.dtype() == DType.I64 || flat.dtype() == DType.U64 ->
                assertThat(flat.getLong(i)).as(what).isEqualTo(new BigInteger(digits).longValue());
            case Double x -> compareFloat(what, x, flat, i);
            case String word ->
                compareFloat(
                        what,
                        switch (word) {
                            case "inf" -> Double.POSITIVE_INFINITY;
                            case "-inf" -> Double.NEGATIVE_INFINITY;
                            default -> Double.NaN;
                        },
                        flat,
                        i);
            case null, default -> throw new AssertionError(what + ": unknown " + expected);
        }
    }

    private static void compareFloat(String what, double expected, NdArray flat, int i) {
        assertThat((Double) flat.get(i)).as(what).isEqualTo(Double.valueOf(expected));
    }

    @TestFactory
    Stream<DynamicTest> publishedLayouts() {
        Path folder = Shared.find("data/checkpoints").orElse(null);
        if (folder == null) {
            return Stream.of(DynamicTest.dynamicTest("checkpoints", () -> abort("../shared/data is not here")));
        }
        return Stream.of(
                        "vincie-tiny/dit.pth",
                        "vincie-tiny/vae.pth",
                        "vincie-tiny/llm14b",
                        "infinity-tiny/infinity_2b_reg.pth",
                        "infinity-tiny/infinity_vae_d32reg.pth",
                        "infinity-tiny/flan-t5-xl")
                .map(name -> DynamicTest.dynamicTest(name, () -> convertsAndComesBack(folder.resolve(name))));
    }

    private static void convertsAndComesBack(Path path) throws IOException {
        Path copy = Files.createTempFile("copy", ".safetensors");
        try (Checkpoint original = Checkpoint.open(path)) {
            original.verify();
            assertThat(original.names()).isNotEmpty();
            SafeTensorsWriter.convert(original, copy);
            try (Checkpoint converted = Checkpoint.open(copy)) {
                assertThat(List.copyOf(converted.names())).isEqualTo(List.copyOf(original.names()));
                for (String name : original.names()) {
                    assertThat(Bits.difference(converted.tensor(name), original.tensor(name)))
                            .as(name)
                            .isEmpty();
                }
            }
        } finally {
            Files.delete(copy);
        }
    }
}
