package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TorchFileWriterTest {
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

    private static void assertSame(Path file, Map<String, NdArray> tensors) {
        try (Checkpoint c = Checkpoint.open(file)) {
            c.verify();
            assertThat(c).isInstanceOf(TorchFile.class);
            assertThat(c.names()).containsExactlyElementsOf(tensors.keySet());
            tensors.forEach((name, t) ->
                    assertThat(Bits.difference(c.tensor(name), t)).as(name).isEmpty());
        }
    }

    @Test
    void everyTypeComesBackToTheBit() {
        Map<String, NdArray> tensors = new LinkedHashMap<>();
        for (DType dtype : List.of(
                DType.F32,
                DType.F64,
                DType.F16,
                DType.BF16,
                DType.I64,
                DType.I32,
                DType.I16,
                DType.I8,
                DType.U8,
                DType.BOOL)) {
            tensors.put(dtype.label(), random(dtype, Shape.of(3, 5), tensors.size()));
        }
        tensors.put("scalar", random(DType.F32, Shape.scalar(), 1));
        tensors.put("empty", random(DType.F32, Shape.of(4, 0, 2), 1));
        tensors.put("h\u00e9 \u4e16 \ud83d\ude00", random(DType.F32, Shape.of(1), 1));
        tensors.put("many axes", random(DType.F32, Shape.of(1, 2, 1, 3, 1, 2), 5));
        TorchFileWriter writer = new TorchFileWriter();
        tensors.forEach(writer::add);
        Path file = folder.resolve("all.pth");
        writer.write(file);
        assertSame(file, tensors);
    }

    @Test
    void stridedTensorsAreWrittenDensely() {
        Map<String, NdArray> tensors = new LinkedHashMap<>();
        NdArray large = random(DType.F32, Shape.of(300, 400), 1);
        tensors.put("dense", large);
        tensors.put("transposed", large.transpose(0, 1));
        tensors.put("columns", large.slice(1, 7, 200));
        tensors.put("expanded", large.slice(0, 3, 4).expand(Shape.of(50, 400)));
        TorchFileWriter writer = new TorchFileWriter();
        tensors.forEach(writer::add);
        Path file = folder.resolve("strided.pth");
        writer.write(file);
        assertSame(file, tensors);
    }

    /// What `torch.save` writes: names, order, alignment and the forms of the records.
    @Test
    void theArchiveIsLaidOutAsPyTorchDoes() throws IOException {
        Path file = folder.resolve("model.tiny.pth");
        new TorchFileWriter()
                .add("w", random(DType.BF16, Shape.of(3, 5), 1))
                .add("b", random(DType.F32, Shape.of(3), 2))
                .write(file);
        List<String> names = new ArrayList<>();
        try (ZipFile zip = new ZipFile(file.toFile())) {
            for (var entry : zip.stream().toList()) {
                names.add(entry.getName());
                assertThat(entry.getMethod()).isZero();
            }
            byte[] order =
                    zip.getInputStream(zip.getEntry("model.tiny/byteorder")).readAllBytes();
            assertThat(new String(order, StandardCharsets.US_ASCII)).isEqualTo("little");
            byte[] version =
                    zip.getInputStream(zip.getEntry("model.tiny/version")).readAllBytes();
            assertThat(new String(version, StandardCharsets.US_ASCII)).isEqualTo("3\n");
        }
        assertThat(names)
                .containsExactly(
                        "model.tiny/data.pkl",
                        "model.tiny/byteorder",
                        "model.tiny/data/0",
                        "model.tiny/data/1",
                        "model.tiny/version");
        try (var mapped = MappedFile.open(file)) {
            assertThat(ZipDirectory.read(mapped).records())
                    .allSatisfy(r -> assertThat(r.begin() % 64).as(r.name()).isZero());
        }
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(bytes.getInt(bytes.capacity() - 22 - 20))
                .as("64-bit locator")
                .isEqualTo(0x07064b50);
    }

    @Test
    void aStateDictIsAnOrderedDictAndMayBeWrapped() {
        Path file = folder.resolve("vae.pth");
        TorchFileWriter.under("vae")
                .add("encoder.weight", random(DType.F32, Shape.of(2, 2), 1))
                .write(file);
        try (Checkpoint c = Checkpoint.open(file)) {
            assertThat(c.names()).containsExactly("vae.encoder.weight");
            assertThat(c.under("vae").names()).containsExactly("encoder.weight");
        }
    }

    @Test
    void tiedTensorsShareOneRecord() throws IOException {
        NdArray table = random(DType.F32, Shape.of(4, 2), 1);
        Path file = folder.resolve("tied.bin");
        new TorchFileWriter()
                .add("shared.weight", table)
                .add("other", random(DType.F32, Shape.of(3), 2))
                .alias("embed_tokens.weight", "shared.weight")
                .write(file);
        try (Checkpoint c = Checkpoint.open(file)) {
            assertThat(Bits.difference(c.tensor("embed_tokens.weight"), table)).isEmpty();
            assertThat(c.tensor("embed_tokens.weight").memory().address())
                    .isEqualTo(c.tensor("shared.weight").memory().address());
        }
        try (ZipFile zip = new ZipFile(file.toFile())) {
            assertThat(zip.stream().filter(e -> e.getName().contains("/data/"))).hasSize(2);
        }
    }

    @Test
    void elementsAreAskedForOneAfterAnother() {
        NdArray reused = random(DType.F32, Shape.of(2), 1);
        List<String> asked = new ArrayList<>();
        TensorInfo info = new TensorInfo(DType.F32, Shape.of(2));
        Map<String, NdArray> expected = new LinkedHashMap<>();
        TorchFileWriter writer = new TorchFileWriter();
        for (int i = 0; i < 3; i++) {
            String name = "w" + i;
            int seed = i;
            expected.put(name, random(DType.F32, Shape.of(2), seed));
            writer.add(name, info, () -> {
                asked.add(name);
                reused.memory().copyFrom(random(DType.F32, Shape.of(2), seed).memory());
                return reused;
            });
        }
        assertThat(asked).isEmpty();
        Path file = folder.resolve("lazy.pth");
        writer.write(file);
        assertThat(asked).containsExactly("w0", "w1", "w2");
        assertSame(file, expected);
    }

    @Test
    void elementsMustBeWhatWasPromised() throws IOException {
        TorchFileWriter writer = new TorchFileWriter()
                .add("w", new TensorInfo(DType.F32, Shape.of(2)), () -> random(DType.F32, Shape.of(3), 1));
        assertThatThrownBy(() -> writer.write(folder.resolve("w.pth")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("f32(3), not f32 (2)");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).isEmpty();
        }
    }

    @Test
    void theSameContentGivesTheSameBytes() throws IOException {
        List<byte[]> files = new ArrayList<>();
        for (String parent : List.of("a", "b")) {
            Path file = Files.createDirectory(folder.resolve(parent)).resolve("m.pth");
            new TorchFileWriter().add("w", random(DType.F16, Shape.of(7), 1)).write(file);
            files.add(Files.readAllBytes(file));
        }
        assertThat(files.get(0)).isEqualTo(files.get(1));
    }

    @Test
    void whatCannotBeNamedOrStoredIsRefused() {
        NdArray one = random(DType.F32, Shape.of(1), 1);
        TorchFileWriter writer = new TorchFileWriter().add("w", one);
        assertThatThrownBy(() -> writer.add("w", one)).hasMessageContaining("two tensors called");
        assertThatThrownBy(() -> writer.alias("w", "w")).hasMessageContaining("two tensors called");
        assertThatThrownBy(() -> writer.alias("v", "u")).hasMessageContaining("no tensor called");
        assertThatThrownBy(() -> writer.add("\ud800", one)).hasMessageContaining("not valid Unicode");
        NdArray wide = random(DType.U32, Shape.of(1), 1);
        assertThatThrownBy(() -> writer.add("u", wide)).hasMessage("PyTorch has no storages of u32");
    }

    @Test
    void aFileThatPyTorchWroteComesBackToTheBit() {
        Optional<Path> shared = Shared.find("golden/pth/vae_bf16.pth");
        assumeTrue(shared.isPresent(), "needs ../shared");
        Path original = shared.orElseThrow();
        Path copy = folder.resolve("copy.pth");
        try (Checkpoint c = Checkpoint.open(original)) {
            TorchFileWriter writer = new TorchFileWriter();
            Map<String, NdArray> tensors = new LinkedHashMap<>();
            for (String name : c.names()) {
                tensors.put(name, c.tensor(name));
                writer.add(name, c.tensor(name));
            }
            writer.write(copy);
            assertSame(copy, tensors);
        }
    }

    /// Records that begin and end beyond what 32 bits can say. The file takes 4 GiB on disk.
    @Test
    @Tag("slow")
    void recordsLieBeyondFourGibibytes() throws IOException {
        int million = 1 << 20;
        NdArray row = random(DType.F32, Shape.of(million), 1);
        NdArray last = random(DType.F32, Shape.of(3), 2);
        Path file = folder.resolve("huge.pth");
        new TorchFileWriter()
                .add("huge", row.reshape(Shape.of(1, million)).expand(Shape.of(1025, million)))
                .add("last", last)
                .write(file);
        assertThat(Files.size(file)).isGreaterThan(1L << 32);
        try (Checkpoint c = Checkpoint.open(file)) {
            assertThat(Bits.difference(c.tensor("huge").select(0, 1024), row)).isEmpty();
            assertThat(Bits.difference(c.tensor("last"), last)).isEmpty();
        }
        try (ZipFile zip = new ZipFile(file.toFile())) {
            assertThat(zip.getEntry("huge/data/0").getSize()).isEqualTo(1025L * million * 4);
            byte[] bytes = zip.getInputStream(zip.getEntry("huge/data/1")).readAllBytes();
            assertThat(bytes).isEqualTo(Bits.of(last));
        }
    }
}
