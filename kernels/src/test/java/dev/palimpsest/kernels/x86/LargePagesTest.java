package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@EnabledOnOs(value = OS.LINUX, architectures = "amd64", disabledReason = "system calls of x86-64 Linux")
class LargePagesTest {
    private final LargePages pages = new LargePages(new SystemMemory());

    @ParameterizedTest
    @ValueSource(
            longs = {1, 100, LargePages.BYTES - 1, LargePages.BYTES, LargePages.BYTES + 8, 5 * LargePages.BYTES - 64})
    void memoryHoldsZerosAndCanBeWritten(long bytes) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = pages.allocate(bytes, arena);
            assertThat(memory.byteSize()).isEqualTo(bytes);
            assertThat(memory.address() % 64).isZero();
            assertThat(memory.mismatch(MemorySegment.ofArray(new byte[(int) bytes])))
                    .isEqualTo(-1);
            memory.fill((byte) 7);
            assertThat(memory.get(JAVA_BYTE, bytes - 1)).isEqualTo((byte) 7);
        }
    }

    @Test
    void memoryOfAPageOrMoreBeginsWithAPage() {
        try (Arena arena = Arena.ofShared()) {
            assertThat(pages.allocate(3 * LargePages.BYTES, arena).address() % LargePages.BYTES)
                    .isZero();
        }
    }

    @Test
    void memoryGoesWithTheArena() throws IOException {
        MemorySegment memory;
        try (Arena arena = Arena.ofShared()) {
            memory = pages.allocate(3 * LargePages.BYTES, arena);
            assertThat(isMapped(memory.address())).isTrue();
            assertThat(isMapped(memory.address() + memory.byteSize() - 1)).isTrue();
        }
        assertThatThrownBy(() -> memory.get(JAVA_LONG, 0)).isInstanceOf(IllegalStateException.class);
        assertThat(isMapped(memory.address())).isFalse();
        assertThat(isMapped(memory.address() + memory.byteSize() - 1)).isFalse();
    }

    @Test
    void aClosedArenaGivesNothing() {
        Arena arena = Arena.ofShared();
        arena.close();
        assertThatThrownBy(() -> pages.allocate(3 * LargePages.BYTES, arena)).isInstanceOf(IllegalStateException.class);
    }

    private static boolean isMapped(long address) throws IOException {
        return Files.readAllLines(Path.of("/proc/self/maps")).stream()
                .map(line -> line.split("[- ]"))
                .anyMatch(f -> Long.compareUnsigned(Long.parseUnsignedLong(f[0], 16), address) <= 0
                        && Long.compareUnsigned(address, Long.parseUnsignedLong(f[1], 16)) < 0);
    }
}
