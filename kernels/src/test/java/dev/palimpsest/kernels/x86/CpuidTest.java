package dev.palimpsest.kernels.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

@EnabledOnOs(value = OS.LINUX, architectures = "amd64", disabledReason = "machine code for x86-64 Linux")
class CpuidTest {
    private final Cpuid cpu = Cpuid.read(new ExecutableMemory());

    @Test
    void agreesWithTheOperatingSystemOnEveryInstructionSetThatItKnows() throws IOException {
        Set<String> listed = new TreeSet<>(Set.of(value("flags").split(" ", -1)));

        // what an old kernel does not list may still be there
        assertThat(cpu.flags()).isNotEmpty();
        for (String known : new String[] {"sse4_2", "avx", "fma", "avx2", "avx512f", "avx512bw", "avx512vl"}) {
            assertThat(cpu.has(known)).as(known).isEqualTo(listed.contains(known));
        }
        listed.retainAll(Set.of("avx512_vnni", "avx512_bf16", "avx_vnni", "f16c", "bmi2", "avx512_vbmi2", "amx_bf16"));
        assertThat(cpu.flags()).containsAll(listed);
    }

    @Test
    void knowsTheNameOfTheProcessor() throws IOException {
        assertThat(cpu.model()).isEqualTo(value("model name"));
    }

    private static String value(String key) throws IOException {
        Path file = Path.of("/proc/cpuinfo");
        assumeTrue(Files.isReadable(file), "no /proc/cpuinfo to compare with");
        return Files.readAllLines(file).stream()
                .filter(line -> line.startsWith(key))
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .findFirst()
                .orElse("");
    }
}
