package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Memory of mapped files that is not needed any more leaves the process, and comes back when it is touched.
class UnloadTest {
    private static final Path MAPPINGS = Path.of("/proc/self/smaps");
    private static final int SIZE = 4 << 20;

    @TempDir
    Path folder;

    /// A file with two tensors of 4 MiB.
    private Path write() throws IOException {
        Path file = folder.resolve("two.safetensors");
        try (Arena arena = Arena.ofConfined()) {
            SafeTensorsWriter writer = new SafeTensorsWriter();
            for (String name : List.of("x.a", "x.b")) {
                MemorySegment memory = arena.allocate(SIZE, 64).fill((byte) (name.equals("x.a") ? 1 : 2));
                writer.add(name, NdArray.of(memory, DType.U8, Shape.of(SIZE)));
            }
            writer.write(file);
        }
        return file;
    }

    private static long sum(NdArray x) {
        return x.memory()
                .elements(ValueLayout.JAVA_BYTE)
                .mapToLong(e -> e.get(ValueLayout.JAVA_BYTE, 0))
                .sum();
    }

    /// Bytes of a file that are mapped and in memory at the moment.
    private static long resident(Path file) throws IOException {
        long kilobytes = 0;
        boolean mine = false;
        for (String line : Files.readAllLines(MAPPINGS)) {
            if (line.endsWith(file.toString())) {
                mine = true;
            } else if (mine && line.startsWith("Rss:")) {
                kilobytes += Long.parseLong(line.replaceAll("\\D", ""));
                mine = false;
            }
        }
        return kilobytes << 10;
    }

    @Test
    void whatIsNotNeededLeavesTheProcessUntilItIsTouched() throws IOException {
        assumeTrue(Files.isReadable(MAPPINGS));
        Path file = write();
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            NdArray a = checkpoint.tensor("x.a");
            NdArray b = checkpoint.tensor("x.b");
            assertThat(sum(a) + sum(b)).isEqualTo(3L * SIZE);
            assertThat(resident(file)).isGreaterThan(2L * SIZE - SIZE / 8);

            checkpoint.under("x").unload(a.memory());
            assertThat(resident(file)).isBetween(SIZE - SIZE / 8L, SIZE + SIZE / 8L);
            assertThat(sum(a)).isEqualTo(SIZE);
            assertThat(resident(file)).isGreaterThan(2L * SIZE - SIZE / 8);
        }
    }

    @Test
    void memoryOfOthersStaysAsItIs() throws IOException {
        Path file = write();
        Files.writeString(
                folder.resolve("model.safetensors.index.json"),
                "{\"weight_map\": {\"x.a\": \"two.safetensors\", \"x.b\": \"two.safetensors\"}}");
        try (Arena arena = Arena.ofConfined();
                Checkpoint checkpoint = Checkpoint.open(folder.resolve("model.safetensors.index.json"));
                Checkpoint other = Checkpoint.open(file)) {
            MemorySegment memory = arena.allocate(SIZE).fill((byte) 3);
            checkpoint.unload(memory);
            checkpoint.unload(MemorySegment.NULL);
            checkpoint.unload(other.tensor("x.a").memory());
            checkpoint.unload(checkpoint.tensor("x.a").memory());
            assertThat(memory.get(ValueLayout.JAVA_BYTE, SIZE - 1)).isEqualTo((byte) 3);
            assertThat(Map.of("x.a", sum(checkpoint.tensor("x.a")), "x.b", sum(other.tensor("x.b"))))
                    .isEqualTo(Map.of("x.a", (long) SIZE, "x.b", 2L * SIZE));
        }
    }
}
