package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.infinity.Infinity;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.Checkpoint;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// `random-checkpoint` and `random-infinity`.
class RandomCheckpointCommandTest {
    private static final String LIST = """
            {"table.weight": [50, 40], "tied.weight": [50, 40], "norm.weight": [40], "norm.bias": [40],
             "conv.weight": [6, 4, 3, 3], "scale": [1, 6, 1, 1]}
            """;

    @TempDir
    private Path folder;

    private Path keys;

    @BeforeEach
    void writeList() throws IOException {
        keys = Files.writeString(folder.resolve("keys.json"), LIST);
    }

    private Path make(String name, Object... options) {
        Path out = folder.resolve(name);
        Object[] words = new Object[options.length + 5];
        Arrays.setAll(
                words,
                i -> i < 5 ? new Object[] {"random-checkpoint", "--keys", keys, "--out", out}[i] : options[i - 5]);
        var run = Cli.run(words);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).startsWith(out + ": 6 tensors, ");
        return out;
    }

    private static float[] values(Checkpoint c, String name) {
        NdArray array = c.tensor(name);
        float[] values = new float[(int) array.elements()];
        int[] index = new int[array.rank()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) array.get(index);
            for (int axis = index.length - 1; axis >= 0 && ++index[axis] == array.dim(axis); axis--) {
                index[axis] = 0;
            }
        }
        return values;
    }

    private static void assertSpread(float[] values, double mean, double deviation) {
        double sum = 0;
        double squares = 0;
        for (float v : values) {
            sum += v - mean;
            squares += (v - mean) * (v - mean);
        }
        double n = values.length;
        assertThat(Math.sqrt(squares / n)).isBetween(0.8 * deviation, 1.2 * deviation);
        assertThat(sum / n).isBetween(-4 * deviation / Math.sqrt(n), 4 * deviation / Math.sqrt(n));
    }

    @ParameterizedTest
    @ValueSource(strings = {"f32", "f16", "bf16"})
    void elementsAreLikeThoseOfAFreshNetwork(String type) {
        try (Checkpoint c = Checkpoint.open(make("model.pth", "--dtype", type))) {
            c.verify();
            assertThat(c.info("table.weight").dtype().label()).isEqualTo(type);
            assertSpread(values(c, "table.weight"), 0, 1 / Math.sqrt(40));
            assertSpread(values(c, "conv.weight"), 0, 1 / Math.sqrt(36));
            assertSpread(values(c, "norm.weight"), 1, 0.05 / Math.sqrt(3));
            assertSpread(values(c, "norm.bias"), 0, 0.05 / Math.sqrt(3));
        }
    }

    @Test
    void theFormDoesNotChangeTheElementsButTheSeedDoes() throws IOException {
        Path one = make("one.pth");
        Path other = make("other.pth", "--seed", 1);
        Path wrapped = make("wrapped.pth", "--under", "vae");
        Path safe = make("one.safetensors");
        Path shards = make("shards", "--shards", 3);
        Path safeShards = make("safe-shards", "--shards", 2, "--format", "safetensors");
        assertThat(shards.resolve("pytorch_model-00001-of-00003.bin")).exists();
        assertThat(JsonObject.read(shards.resolve("pytorch_model.bin.index.json"))
                        .object("weight_map")
                        .names())
                .hasSize(6);
        assertThat(safeShards.resolve("model-00002-of-00002.safetensors")).exists();
        assertThat(safeShards.resolve("model.safetensors.index.json")).exists();
        try (Checkpoint first = Checkpoint.open(one);
                Checkpoint second = Checkpoint.open(other)) {
            assertThat(values(second, "table.weight")).isNotEqualTo(values(first, "table.weight"));
            for (Path path : new Path[] {safe, shards, safeShards, wrapped}) {
                try (Checkpoint opened = Checkpoint.open(path)) {
                    Checkpoint c = path.equals(wrapped) ? opened.under("vae") : opened;
                    assertThat(c.names()).containsExactlyInAnyOrderElementsOf(first.names());
                    for (String name : first.names()) {
                        assertThat(values(c, name)).as("%s of %s", name, path).isEqualTo(values(first, name));
                    }
                }
            }
        }
    }

    @Test
    void tiedTensorsAreStoredOnce() {
        Path torch = make("tied", "--shards", 2, "--tie", "tied.weight=table.weight");
        Path safe = make("tied.safetensors", "--tie", "tied.weight=table.weight");
        try (Checkpoint c = Checkpoint.open(torch);
                Checkpoint s = Checkpoint.open(safe)) {
            assertThat(values(c, "tied.weight")).isEqualTo(values(c, "table.weight"));
            assertThat(c.tensor("tied.weight").memory().address())
                    .isEqualTo(c.tensor("table.weight").memory().address());
            assertThat(s.names()).doesNotContain("tied.weight").hasSize(5);
        }
    }

    @Test
    void mistakesAreOneSentence() throws IOException {
        Path out = Files.writeString(folder.resolve("precious"), "precious");
        Path empty = Files.writeString(folder.resolve("empty.json"), "{}");
        Object[][] mistakes = {
            {keys, out, "--force", "--shards", "1"},
            {keys, out},
            {empty, folder.resolve("x")},
            {keys, folder.resolve("x"), "--shards", "0"},
            {keys, folder.resolve("x"), "--shards", "7"},
            {keys, folder.resolve("x"), "--dtype", "i8"},
            {keys, folder.resolve("x"), "--tie", "norm.bias=table.weight"},
            {keys, folder.resolve("x.safetensors"), "--under", "vae"},
            {keys, folder.resolve("none/x")},
            {folder.resolve("none.json"), folder.resolve("x")}
        };
        for (Object[] m : mistakes) {
            Object[] words = new Object[m.length + 3];
            Arrays.setAll(words, i -> switch (i) {
                case 0 -> "random-checkpoint";
                case 1 -> "--keys";
                case 2 -> m[0];
                case 3 -> "--out";
                case 4 -> m[1];
                default -> m[i - 3];
            });
            var run = Cli.run(words);
            assertThat(run.code()).as("%s: %s", Arrays.toString(m), run.err()).isEqualTo(2);
            assertThat(run.err()).doesNotContain("\tat ");
        }
        assertThat(out).hasContent("precious");
        assertThat(folder.resolve("x")).doesNotExist();
    }

    /// The lists of a tiny model give a folder of the released layout that loads and makes a picture.
    @Test
    void aWholeInfinityFolderLoadsAndGenerates() throws IOException {
        Path tiny = Cli.requireShared("data/checkpoints/infinity-tiny");
        Path model = folder.resolve("model");
        var made = Cli.run(
                "random-infinity",
                "--transformer-keys",
                list("transformer.json", tiny.resolve("infinity_2b_reg.pth"), ""),
                "--vae-keys",
                list("vae.json", tiny.resolve("infinity_vae_d32reg.pth"), "vae"),
                "--text-encoder-keys",
                list("text.json", tiny.resolve("flan-t5-xl"), ""),
                "--vocabulary",
                tiny.resolve("flan-t5-xl/spiece.model"),
                "--dtype",
                "f16",
                "--out",
                model);
        assertThat(made.code()).as(made.err()).isZero();
        Files.copy(tiny.resolve("config.json"), model.resolve("config.json"));
        JsonObject before = JsonObject.read(tiny.resolve("flan-t5-xl/config.json"));
        JsonObject after = JsonObject.read(model.resolve("flan-t5-xl/config.json"));
        for (String name : after.names()) {
            assertThat(String.valueOf(after.value(name))).as(name).isEqualTo(String.valueOf(before.value(name)));
        }
        try (Infinity infinity = Infinity.load(model)) {
            var picture = infinity.generate("a lighthouse", infinity.options().withSeed(1));
            assertThat(picture.getWidth()).isEqualTo(256);
        }
        Path file = folder.resolve("picture.png");
        var run = Cli.run("generate", "--model", model, "--prompt", "a lighthouse", "--out", file);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(ImageFiles.read(file).width()).isEqualTo(256);
    }

    /// Names and shapes of a checkpoint, as a list of keys.
    private Path list(String name, Path checkpoint, String under) throws IOException {
        var text = new StringWriter();
        try (Checkpoint opened = Checkpoint.open(checkpoint)) {
            Checkpoint c = under.isEmpty() ? opened : opened.under(under);
            JsonOutput.write(new PrintWriter(text), g -> {
                for (String key : c.names()) {
                    if (c.info(key).dtype() != DType.I64) {
                        g.writeName(key);
                        int[] shape = c.info(key).shape().dims();
                        g.writeArray(shape, 0, shape.length);
                    }
                }
            });
        }
        return Files.writeString(folder.resolve(name), text.toString());
    }
}
