package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MappedFileTest {
    @TempDir
    Path folder;

    @Test
    void memoryIsOfTheClassThatKernelsAreCompiledFor() throws IOException {
        Path path = Files.write(folder.resolve("file"), new byte[] {1, 2, 3, 4, 5, 6, 7, (byte) 0x88});
        try (MappedFile file = MappedFile.open(path);
                Arena arena = Arena.ofConfined()) {
            assertThat(file.slice(0, 8)).hasSameClassAs(arena.allocate(8));
            assertThat(file.slice(0, 8).isReadOnly()).isTrue();
        }
    }

    @Test
    void readsAreLittleEndianAndStayInsideTheFile() throws IOException {
        Path path = Files.write(folder.resolve("file"), new byte[] {1, 2, 3, 4, 5, 6, 7, (byte) 0x88});
        try (MappedFile file = MappedFile.open(path)) {
            assertThat(file.u8(7)).isEqualTo(0x88);
            assertThat(file.u16(1)).isEqualTo(0x0302);
            assertThat(file.i32(4)).isEqualTo(0x88070605);
            assertThat(file.u32(4)).isEqualTo(0x88070605L);
            assertThat(file.i64(0)).isEqualTo(0x8807060504030201L);
            assertThat(file.bytes(2, 2)).containsExactly(3, 4);
            assertThat(file.slice(8, 0).byteSize()).isZero();
            assertThatThrownBy(() -> file.i64(1))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(path + ", byte 1: the file has 8 bytes, but 8 are needed from here on");
            assertThatThrownBy(() -> file.u8(-1)).isInstanceOf(CheckpointException.class);
            assertThatThrownBy(() -> file.slice(0, -1)).isInstanceOf(CheckpointException.class);
            assertThatThrownBy(() -> file.slice(1, Long.MAX_VALUE)).isInstanceOf(CheckpointException.class);
        }
    }

    @Test
    void aFolderIsNotAFile() {
        assertThatThrownBy(() -> MappedFile.open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(folder + ": is not a regular file");
    }
}
