package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/// `inspect` and `convert`, on files made here and on whatever checkpoints lie beside the project.
class CheckpointCommandsTest {
    @TempDir
    private Path folder;

    private Path file;

    @BeforeEach
    void write() {
        file = folder.resolve("small.safetensors");
        new SafeTensorsWriter()
                .metadata("format", "pt")
                .add("layer.weight", floats(Shape.of(2, 3), 1, 2, 3, 4, 5, 6))
                .add("odd\nname", floats(Shape.of(), 7))
                .write(file);
    }

    private static NdArray floats(Shape shape, float... values) {
        return NdArray.of(Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values), DType.F32, shape);
    }

    @Test
    void inspectListsEveryTensorAndTheTotals() {
        var run = Cli.run("inspect", file);
        assertThat(run.code()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out().lines())
                .anySatisfy(line -> assertThat(line).matches("layer\\.weight +f32 +\\(2, 3\\) +24"))
                .anySatisfy(line -> assertThat(line).matches("odd\\\\nname +f32 +\\(\\) +4"))
                .anySatisfy(line -> assertThat(line).matches(" *format +pt"))
                .last()
                .isEqualTo(file + ": safetensors, 2 tensors, 7 numbers, 28 B");
    }

    @Test
    void inspectWritesJsonForPrograms() {
        var json = JsonObject.parse(Cli.run("inspect", "--json", file).out(), "inspect");
        assertThat(json.text("format")).isEqualTo("safetensors");
        assertThat(json.object("metadata").text("format")).isEqualTo("pt");
        assertThat(json.list("tensors")).hasSize(2);
        var weight = (JsonObject) json.list("tensors").getFirst();
        assertThat(weight.text("name")).isEqualTo("layer.weight");
        assertThat(weight.int32s("shape")).containsExactly(2, 3);
        assertThat(json.object("totals").integer("bytes")).isEqualTo(28);
        assertThat(json.object("totals").object("bytes_by_dtype").integer("f32"))
                .isEqualTo(28);
    }

    @Test
    void inspectTellsHowAPictureWasMade() {
        Path picture = folder.resolve("picture.png");
        ImageFiles.writePng(RgbImage.of(2, 1, new byte[6]), picture, Map.of("prompt", "Add a crown, 冠."));
        assertThat(Cli.run("inspect", picture).out())
                .contains("2 x 1 pixels")
                .contains("prompt")
                .contains("冠");
        var json = JsonObject.parse(Cli.run("inspect", "--json", picture).out(), "inspect");
        assertThat(json.object("settings").text("prompt")).isEqualTo("Add a crown, 冠.");
        assertThat(json.integer("width")).isEqualTo(2);
    }

    @Test
    void inspectSaysSoIfAPictureDoesNotTell() {
        Path picture = folder.resolve("plain.png");
        ImageFiles.writePng(RgbImage.of(1, 1, new byte[3]), picture, Map.of());
        assertThat(Cli.run("inspect", picture).out()).contains("does not say how it was made");
    }

    @Test
    void convertedTensorsHaveTheSameBits() {
        Path copy = folder.resolve("copy.safetensors");
        var run = Cli.run("convert", file, copy);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).startsWith(copy + ": 2 tensors, 28 B");
        assertThat(copy).hasSameBinaryContentAs(file);
    }

    @Test
    void convertReplacesAFileOnlyWhenForced() throws IOException {
        Path copy = Files.writeString(folder.resolve("copy.safetensors"), "precious");
        var refused = Cli.run("convert", file, copy);
        assertThat(refused.code()).isEqualTo(2);
        assertThat(refused.err()).contains("--force");
        assertThat(copy).hasContent("precious");
        assertThat(Cli.run("convert", "--force", "--json", file, copy).code()).isZero();
        assertThat(copy).hasSameBinaryContentAs(file);
    }

    @Test
    void convertNeverOverwritesWhatItReads() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("link"), file);
        byte[] before = Files.readAllBytes(file);
        for (Path out : List.of(file, link, folder.resolve(".").resolve("small.safetensors"))) {
            var run = Cli.run("convert", "--force", file, out);
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err()).contains("is what is to be converted");
        }
        assertThat(file).hasBinaryContent(before);
    }

    @Test
    void convertLeavesNothingBehindWhenItFails() throws IOException {
        Path broken = Files.write(folder.resolve("broken.pth"), "no checkpoint".getBytes(StandardCharsets.US_ASCII));
        assertThat(Cli.run("convert", broken, folder.resolve("copy")).code()).isEqualTo(2);
        assertThat(Cli.run("convert", file, folder.resolve("nowhere/copy")).code())
                .isEqualTo(2);
        assertThat(Cli.run("convert", file, folder).code()).isEqualTo(2);
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactlyInAnyOrder(file, broken);
        }
    }

    @TestFactory
    Stream<DynamicTest> everyLoadableCheckpointCanBeInspectedAndConverted() throws IOException {
        List<Path> checkpoints = new ArrayList<>();
        for (String list : List.of("golden/pth", "golden/safetensors")) {
            Path shared = Cli.shared(list).orElse(null);
            if (shared == null) {
                continue;
            }
            for (Object o : JsonObject.read(shared.resolve("expected.json")).list("cases")) {
                var c = (JsonObject) o;
                if (c.text("verdict").equals("load")) {
                    checkpoints.add(shared.resolve(c.text("file")));
                }
            }
        }
        for (String name : List.of("dit.pth", "vae.pth", "llm14b")) {
            Cli.shared("data/checkpoints/vincie-tiny/" + name).ifPresent(checkpoints::add);
        }
        checkpoints.add(file);
        return checkpoints.stream()
                .map(path -> DynamicTest.dynamicTest(path.getFileName().toString(), () -> goesThrough(path)));
    }

    private void goesThrough(Path path) throws IOException {
        Path once = Files.createTempFile(folder, "once", ".safetensors");
        Path twice = Files.createTempFile(folder, "twice", ".safetensors");
        assertThat(Cli.run("convert", "--force", path, once).code()).isZero();
        assertThat(Cli.run("convert", "--force", once, twice).code()).isZero();
        assertThat(twice).hasSameBinaryContentAs(once);
        var before = JsonObject.parse(Cli.run("inspect", "--json", path).out(), "before");
        var after = JsonObject.parse(Cli.run("inspect", "--json", once).out(), "after");
        assertThat(after.list("tensors")).hasToString(before.list("tensors").toString());
        assertThat(Cli.run("inspect", path).code()).isZero();
        try (Checkpoint original = Checkpoint.open(path);
                Checkpoint converted = Checkpoint.open(once)) {
            for (String name : original.names()) {
                assertThat(bytes(converted.tensor(name))).as(name).isEqualTo(bytes(original.tensor(name)));
            }
        }
    }

    /// All elements in row-major order, as they are stored.
    private static List<Long> bytes(NdArray array) {
        List<Long> bits = new ArrayList<>();
        int[] index = new int[array.rank()];
        for (long i = 0; i < array.elements(); i++) {
            long at = array.byteOffset(index);
            long element = 0;
            for (int b = 0; b < array.dtype().bytes(); b++) {
                element = element << 8 | (array.memory().get(ValueLayout.JAVA_BYTE, at + b) & 0xff);
            }
            bits.add(element);
            for (int axis = index.length - 1; axis >= 0 && ++index[axis] == array.dim(axis); axis--) {
                index[axis] = 0;
            }
        }
        return bits;
    }
}
