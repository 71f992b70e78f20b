package dev.palimpsest.kernels.x86;

import static dev.palimpsest.kernels.x86.Gpr.RAX;
import static dev.palimpsest.kernels.x86.Gpr.RDI;
import static dev.palimpsest.kernels.x86.Operand.Memory.at;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

@EnabledOnOs(value = OS.LINUX, architectures = "amd64", disabledReason = "machine code for x86-64 Linux")
class ExecutableMemoryTest {
    private ExecutableMemory memory;

    @BeforeEach
    void bindTheSystemCalls() {
        memory = new ExecutableMemory();
    }

    private static byte[] increment() {
        Assembler a = new Assembler();
        a.mov(RAX, at(RDI));
        a.add(RAX, 1);
        a.mov(at(RDI), RAX);
        a.ret();
        return a.toBytes();
    }

    @Test
    void runsAProgramOnItsArguments() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment number = arena.allocateFrom(JAVA_LONG, 41);

            memory.install(increment(), arena).run(number.address());

            assertThat(number.get(JAVA_LONG, 0)).isEqualTo(42);
        }
    }

    @Test
    void programsLongerThanAPageFit() {
        Assembler a = new Assembler();
        for (int i = 0; i < 10_000; i++) {
            a.add(RAX, 1);
        }
        a.ret();
        try (Arena arena = Arena.ofShared()) {
            Program program = memory.install(a.toBytes(), arena);

            program.run(0);

            assertThat(program.code().byteSize()).isEqualTo(40_960);
        }
    }

    @Test
    void thePagesAreExecutableAndNotWritableUntilTheArenaCloses() throws IOException {
        MemorySegment code;
        try (Arena arena = Arena.ofShared()) {
            code = memory.install(increment(), arena).code();

            assertThat(permissions(code.address()))
                    .hasValueSatisfying(p -> assertThat(p).startsWith("r-x"));
        }
        assertThat(code.scope().isAlive()).isFalse();
        assertThatThrownBy(() -> code.get(JAVA_LONG, 0)).isInstanceOf(IllegalStateException.class);
        assertThat(permissions(code.address())).isEmpty();
    }

    /// The access rights of the page at an address, as the kernel lists them.
    private static Optional<String> permissions(long address) throws IOException {
        List<String> mappings = Files.readAllLines(Path.of("/proc/self/maps"));
        return mappings.stream()
                .filter(line -> {
                    String[] range = line.substring(0, line.indexOf(' ')).split("-", -1);
                    return Long.parseUnsignedLong(range[0], 16) <= address
                            && address < Long.parseUnsignedLong(range[1], 16);
                })
                .map(line -> line.substring(line.indexOf(' ') + 1))
                .findFirst();
    }
}
