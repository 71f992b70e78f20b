package dev.palimpsest.kernels;

import dev.palimpsest.kernels.x86.MachineCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;

/// What this machine is, as far as it says so without effort. Everything that an operating system does not tell is
/// empty or 0; asking never fails.
///
/// @param os name of the operating system
/// @param architecture processor architecture as Java names it: `amd64`, `aarch64`
/// @param model name of the processor, empty if unknown
/// @param logicalProcessors processors that this process may use
/// @param vectorBits width of the Vector API's preferred shape, 0 if the module `jdk.incubator.vector` is not loaded
/// @param flags instruction sets that programs can use, as Linux names them: `avx2`, `fma`, `avx512_bf16`, `asimd`
/// @param caches data and unified caches of the first processor, innermost first
public record CpuFeatures(
        String os,
        String architecture,
        String model,
        int logicalProcessors,
        int vectorBits,
        SortedSet<String> flags,
        List<Cache> caches) {

    /// One cache.
    ///
    /// @param level 1 for the innermost
    /// @param bytes its size
    public record Cache(int level, long bytes) {}

    /// Copies the collections.
    public CpuFeatures {
        flags = Collections.unmodifiableSortedSet(new TreeSet<>(flags));
        caches = List.copyOf(caches);
    }

    /// Looks at this machine: asks an x86-64 processor itself where machine code can be executed, the operating system
    /// elsewhere.
    public static CpuFeatures detect() {
        CpuFeatures listed = detect(Path.of("/"));
        return MachineCode.cpu()
                .map(cpu -> new CpuFeatures(
                        listed.os,
                        listed.architecture,
                        cpu.model(),
                        listed.logicalProcessors,
                        listed.vectorBits,
                        cpu.flags(),
                        listed.caches))
                .orElse(listed);
    }

    /// Whether the processor has an instruction set, by its Linux name.
    public boolean has(String flag) {
        return flags.contains(flag);
    }

    /// Size of the cache of a level in bytes, 0 if unknown.
    public long cacheBytes(int level) {
        return caches.stream()
                .filter(c -> c.level() == level)
                .mapToLong(Cache::bytes)
                .findFirst()
                .orElse(0);
    }

    /// Looks at the machine whose `proc` and `sys` lie in this folder.
    static CpuFeatures detect(Path root) {
        String model = "";
        Set<String> flags = Set.of();
        for (String line : lines(root.resolve("proc/cpuinfo"))) {
            int colon = line.indexOf(':');
            if (colon < 0) {
                if (!flags.isEmpty()) {
                    break; // the end of the first processor's paragraph
                }
                continue;
            }
            String value = line.substring(colon + 1).strip();
            switch (line.substring(0, colon).strip()) {
                case "model name" -> model = value;
                case "flags", "Features" -> flags = value.isEmpty() ? Set.of() : words(value);
                default -> {}
            }
        }
        return new CpuFeatures(
                System.getProperty("os.name", ""),
                System.getProperty("os.arch", ""),
                model,
                Runtime.getRuntime().availableProcessors(),
                KernelProviders.vectorBits(),
                new TreeSet<>(flags),
                caches(root.resolve("sys/devices/system/cpu/cpu0/cache")));
    }

    private static Set<String> words(String line) {
        return new TreeSet<>(List.of(line.split("\\s+", -1)));
    }

    private static List<Cache> caches(Path folder) {
        List<Cache> caches = new ArrayList<>();
        for (int i = 0; Files.isDirectory(folder.resolve("index" + i)); i++) {
            Path index = folder.resolve("index" + i);
            String level = first(index.resolve("level"));
            long bytes = bytes(first(index.resolve("size")));
            if (level.matches("[1-9]")
                    && bytes > 0
                    && !first(index.resolve("type")).equals("Instruction")) {
                caches.add(new Cache(Integer.parseInt(level), bytes));
            }
        }
        return caches;
    }

    /// A size as the kernel writes it: `48K`, `32M`, or 0 if it is written in any other way.
    private static long bytes(String size) {
        String upper = size.toUpperCase(Locale.ROOT);
        if (!upper.matches("[0-9]{1,9}[KMG]?")) {
            return 0;
        }
        char unit = upper.charAt(upper.length() - 1);
        long number = Long.parseLong(Character.isDigit(unit) ? upper : upper.substring(0, upper.length() - 1));
        return switch (unit) {
            case 'K' -> number << 10;
            case 'M' -> number << 20;
            case 'G' -> number << 30;
            default -> number;
        };
    }

    private static String first(Path file) {
        List<String> lines = lines(file);
        return lines.isEmpty() ? "" : lines.getFirst().strip();
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            return List.of(); // not this operating system, or a container that hides it
        }
    }
}
