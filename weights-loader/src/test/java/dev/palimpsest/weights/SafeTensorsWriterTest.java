package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafeTensorsWriterTest {
    private final Arena arena = Arena.ofShared();

    @TempDir
    Path folder;

    @AfterEach
    void free() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    private NdArray random(DType dtype, Shape shape, long seed) {
        MemorySegment memory = arena.allocate(Math.max(shape.elements(), 1) * dtype.bytes());
        byte[] bytes = new byte[(int) memory.byteSize()];
        new Random(seed).nextBytes(bytes);
        memory.copyFrom(MemorySegment.ofArray(bytes));
        return NdArray.of(memory, dtype, shape);
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    private static void assertSame(Path file, Map<String, NdArray> tensors) {
        try (Checkpoint c = Checkpoint.open(file)) {
            assertThat(c.names()).containsExactlyElementsOf(tensors.keySet());
            tensors.forEach((name, t) ->
                    assertThat(Bits.difference(c.tensor(name), t)).as(name).isEmpty());
        }
    }

    @Test
    void everyTypeComesBackToTheBit() {
        Map<String, NdArray> tensors = new LinkedHashMap<>();
        for (DType dtype : DType.values()) {
            tensors.put(dtype.label(), random(dtype, Shape.of(3, 5), tensors.size()));
        }
        tensors.put("scalar", random(DType.F32, Shape.scalar(), 1));
        tensors.put("empty", random(DType.F32, Shape.of(4, 0, 2), 1));
        SafeTensorsWriter writer = new SafeTensorsWriter();
        tensors.forEach(writer::add);
        Path file = folder.resolve("all.safetensors");
        writer.write(file);
        assertSame(file, tensors);
        try (Checkpoint c = Checkpoint.open(file)) {
            assertThat(c.names())
                    .allSatisfy(name -> assertThat(c.tensor(name).memory().address()
                                    % c.info(name).dtype().bytes())
                            .as(name)
                            .isZero());
        }
    }

    @Test
    void stridedTensorsAreWrittenDensely() {
        Map<String, NdArray> tensors = new LinkedHashMap<>();
        NdArray large = random(DType.F32, Shape.of(300, 400), 1);
        tensors.put("dense", large);
        tensors.put("transposed", large.transpose(0, 1));
        tensors.put("rows", large.slice(0, 7, 200));
        tensors.put("columns", large.slice(1, 7, 200));
        tensors.put("every third", large.every(1, 1, 3));
        tensors.put("expanded", large.slice(0, 3, 4).expand(Shape.of(50, 400)));
        tensors.put("one", large.select(0, 5).select(0, 5));
        tensors.put("permuted", random(DType.BF16, Shape.of(7, 11, 13), 2).permute(2, 0, 1));
        SafeTensorsWriter writer = new SafeTensorsWriter();
        tensors.forEach(writer::add);
        Path file = folder.resolve("strided.safetensors");
        writer.write(file);
        assertSame(file, tensors);
    }

    @Test
    void theSameContentGivesTheSameBytes() throws IOException {
        List<byte[]> files = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Path file = folder.resolve("f" + i);
            new SafeTensorsWriter()
                    .metadata("format", "pt")
                    .metadata("note", "h\u00e9 \u4e16 \"quoted\"\n")
                    .add("b", random(DType.U8, Shape.of(3), 1))
                    .add("a\n\"\u4e16\ud83d\ude00", random(DType.F32, Shape.of(2), 2))
                    .write(file);
            files.add(Files.readAllBytes(file));
        }
        assertThat(files.get(0)).isEqualTo(files.get(1));
        try (Checkpoint c = Checkpoint.open(folder.resolve("f0"))) {
            assertThat(c.metadata())
                    .containsExactly(Map.entry("format", "pt"), Map.entry("note", "h\u00e9 \u4e16 \"quoted\"\n"));
            assertThat(c.names()).containsExactly("b", "a\n\"\u4e16\ud83d\ude00");
        }
    }

    @Test
    void aFileWithoutTensorsIsValid() {
        Path file = folder.resolve("none.safetensors");
        new SafeTensorsWriter().write(file);
        assertSame(file, Map.of());
    }

    @Test
    void anExistingFileIsReplacedEvenWhileItIsBeingRead() throws IOException {
        Path file = folder.resolve("w.safetensors");
        new SafeTensorsWriter()
                .metadata("a", "b")
                .add("w", random(DType.F32, Shape.of(1000), 3))
                .write(file);
        byte[] before = Files.readAllBytes(file);
        try (Checkpoint c = Checkpoint.open(file)) {
            SafeTensorsWriter.convert(c, file);
        }
        assertThat(Files.readAllBytes(file)).isEqualTo(before);
        assertThat(files()).containsExactly(file);
    }

    @Test
    void aFailureLeavesTheFolderAsItWas() throws IOException {
        Path file = Files.writeString(folder.resolve("w.safetensors"), "precious");
        SafeTensorsWriter writer = new SafeTensorsWriter()
                .add("first", random(DType.F64, Shape.of(100_000), 1))
                .add("second", random(DType.F32, Shape.of(100_000), 1));
        arena.close();
        assertThatThrownBy(() -> writer.write(file)).isInstanceOf(IllegalStateException.class);
        assertThat(Files.readString(file)).isEqualTo("precious");
        assertThat(files()).containsExactly(file);
    }

    @Test
    void anInterruptedThreadLeavesNothingBehind() throws IOException {
        SafeTensorsWriter writer = new SafeTensorsWriter().add("w", random(DType.F32, Shape.of(100_000), 1));
        Thread.currentThread().interrupt();
        assertThatThrownBy(() -> writer.write(folder.resolve("w.safetensors")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("cannot be written: the thread was interrupted");
        assertThat(Thread.interrupted()).isTrue();
        assertThat(files()).isEmpty();
    }

    @Test
    void aPlaceThatCannotBeWrittenToIsExplained() throws IOException {
        Path inside = Files.writeString(folder.resolve("file"), "text").resolve("w.safetensors");
        assertThatThrownBy(() -> new SafeTensorsWriter().write(inside))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(inside + ": cannot be written: its folder does not exist");
        Path nowhere = folder.resolve("missing/w.safetensors");
        assertThatThrownBy(() -> new SafeTensorsWriter().write(nowhere))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(nowhere + ": cannot be written: its folder does not exist");
        assertThatThrownBy(() -> new SafeTensorsWriter().write(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(folder + ": cannot be written: it is a folder");
    }

    @Test
    void namesMustBeUniqueAndNotTheFormatsOwn() {
        NdArray one = random(DType.F32, Shape.of(1), 1);
        SafeTensorsWriter writer = new SafeTensorsWriter().add("w", one);
        assertThatThrownBy(() -> writer.add("w", one)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> writer.add("__metadata__", one)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> writer.add("\ud800", one)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> writer.metadata("key", "\udc00")).isInstanceOf(IllegalArgumentException.class);
        Path file = folder.resolve("w.safetensors");
        assertThatCode(() -> writer.write(file)).doesNotThrowAnyException();
    }

    @Test
    void aPyTorchFileConvertsToTheBit() throws IOException {
        byte[] pickle = PickleBytes.protocol2()
                .op("}(")
                .text("model")
                .op("}")
                .text("flipped")
                .tensor("FloatStorage", "0", 6, 0, new long[] {3, 2}, new long[] {1, 3})
                .op("s")
                .text("epoch")
                .integer(3)
                .op("u")
                .stop();
        byte[] six = SafeTensorsBytes.floats(1, 2, 3, 4, 5, 6);
        Path source = Files.write(folder.resolve("m.pth"), ZipBytes.torch(pickle, Map.of("0", six)));
        Path target = folder.resolve("m.safetensors");
        try (Checkpoint c = Checkpoint.open(source)) {
            SafeTensorsWriter.convert(c, target);
        }
        try (Checkpoint c = Checkpoint.open(target)) {
            assertThat(c.metadata()).containsEntry("format", "pt");
            assertThat(c.names()).containsExactly("model.flipped");
            assertThat(c.tensor("model.flipped").isContiguous()).isTrue();
            assertThat(Bits.of(c.tensor("model.flipped"))).isEqualTo(SafeTensorsBytes.floats(1, 4, 2, 5, 3, 6));
        }
    }
}
