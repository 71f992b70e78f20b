package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.CpuFeatures.Cache;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CpuFeaturesTest {
    @TempDir
    private Path root;

    @Test
    void tellsWhatJavaKnowsAnywhere() {
        CpuFeatures cpu = CpuFeatures.detect(root);

        assertThat(cpu.os()).isEqualTo(System.getProperty("os.name"));
        assertThat(cpu.architecture()).isEqualTo(System.getProperty("os.arch"));
        assertThat(cpu.logicalProcessors()).isPositive();
        assertThat(cpu.vectorBits()).isGreaterThanOrEqualTo(64);
        assertThat(cpu.model()).isEmpty();
        assertThat(cpu.flags()).isEmpty();
        assertThat(cpu.caches()).isEmpty();
        assertThat(cpu.cacheBytes(1)).isZero();
    }

    @Test
    void readsLinuxOnX86() throws IOException {
        write("proc/cpuinfo", """
                processor\t: 0
                model name\t: Some CPU @ 3.0 GHz
                flags\t\t: fpu avx2 fma avx512_bf16
                bugs\t\t: none

                processor\t: 1
                model name\t: Another CPU
                flags\t\t: fpu
                """);

        CpuFeatures cpu = CpuFeatures.detect(root);

        assertThat(cpu.model()).isEqualTo("Some CPU @ 3.0 GHz");
        assertThat(cpu.flags()).containsExactly("avx2", "avx512_bf16", "fma", "fpu");
        assertThat(cpu.has("fma")).isTrue();
        assertThat(cpu.has("avx512_vnni")).isFalse();
    }

    @Test
    void readsLinuxOnArm() throws IOException {
        write("proc/cpuinfo", "processor : 0\nBogoMIPS : 50.00\nFeatures : fp asimd sve\n\n");

        assertThat(CpuFeatures.detect(root).flags()).containsExactly("asimd", "fp", "sve");
    }

    @Test
    void readsCachesAndSkipsWhatIsNotOne() throws IOException {
        cache(0, "1", "Data", "48K");
        cache(1, "1", "Instruction", "32K");
        cache(2, "2", "Unified", "1M");
        cache(3, "3", "Unified", "0x20");
        cache(4, "?", "Unified", "32M");

        CpuFeatures cpu = CpuFeatures.detect(root);

        assertThat(cpu.caches()).containsExactly(new Cache(1, 48 << 10), new Cache(2, 1 << 20));
        assertThat(cpu.cacheBytes(2)).isEqualTo(1 << 20);
    }

    @Test
    void survivesNonsense() throws IOException {
        write("proc/cpuinfo", ":\n::::\nflags\nflags :\n\0\n");

        assertThat(CpuFeatures.detect(root).flags()).isEmpty();
    }

    private void cache(int index, String level, String type, String size) throws IOException {
        String folder = "sys/devices/system/cpu/cpu0/cache/index" + index + "/";
        write(folder + "level", level + "\n");
        write(folder + "type", type + "\n");
        write(folder + "size", size + "\n");
    }

    private void write(String name, String text) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }
}
