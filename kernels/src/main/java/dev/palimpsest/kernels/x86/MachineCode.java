package dev.palimpsest.kernels.x86;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Whether machine code can be used in this process; found out once, when it is first asked for.
///
/// The order of the questions is that of their cost, and nothing is executed that an earlier answer forbids: the
/// switch, the operating system and architecture, the permission for native access, memory that may be executed, the
/// processor's instruction sets, and last a test of the kernels on numbers whose sums are exact.
public final class MachineCode {
    /// System property that turns machine code off: `-Dpalimpsest.x86=off`.
    public static final String PROPERTY = "palimpsest.x86";

    private static final List<String> REQUIRED = List.of("avx512f", "avx512bw", "avx512dq", "avx512vl");

    /// What was found out.
    ///
    /// @param kernels the kernels, null if they cannot be used
    /// @param cpu what the processor says of itself, null if it cannot be asked
    /// @param detail what the kernels compute with, else why there are none and what would help
    record Found(@Nullable MicroKernels kernels, @Nullable Cpuid cpu, String detail) {}

    private static final class Once {
        static final Found FOUND = find(
                System.getProperty(PROPERTY, ""), System.getProperty("os.name", ""), System.getProperty("os.arch", ""));
    }

    private MachineCode() {}

    /// Whether the kernels can be used.
    public static boolean isAvailable() {
        return Once.FOUND.kernels() != null;
    }

    /// What the kernels compute with if they can be used, else why not and what would help.
    public static String detail() {
        return Once.FOUND.detail();
    }

    /// What the processor says of itself, where it can be asked.
    public static Optional<Cpuid> cpu() {
        return Optional.ofNullable(Once.FOUND.cpu());
    }

    /// The kernels of this process.
    ///
    /// @throws IllegalStateException if they cannot be used
    static MicroKernels kernels() {
        MicroKernels kernels = Once.FOUND.kernels();
        if (kernels == null) {
            throw new IllegalStateException("x86 kernels: " + detail());
        }
        return kernels;
    }

    /// The answer as a function of what can be known without executing anything.
    static Found find(String property, String os, String architecture) {
        if (property.toLowerCase(Locale.ROOT).equals("off")) {
            return new Found(null, null, "turned off by -D" + PROPERTY + "=off");
        }
        if (!architecture.equals("amd64") && !architecture.equals("x86_64")) {
            return new Found(null, null, "this processor is " + architecture + ", not x86-64; nothing can be done");
        }
        if (!os.equals("Linux")) {
            return new Found(null, null, "machine code is written for Linux only, and this is " + os);
        }
        Module module = MachineCode.class.getModule();
        if (!module.isNativeAccessEnabled()) {
            return new Found(
                    null,
                    null,
                    "native access is not allowed; start Java with --enable-native-access="
                            + (module.isNamed() ? module.getName() : "ALL-UNNAMED"));
        }
        Cpuid cpu;
        ExecutableMemory memory;
        try {
            memory = new ExecutableMemory();
            cpu = Cpuid.read(memory);
        } catch (IllegalStateException e) {
            return new Found(null, null, e.getMessage() + "; a security policy may forbid it");
        }
        for (String flag : REQUIRED) {
            if (!cpu.has(flag)) {
                return new Found(
                        null, cpu, "the processor or the operating system lacks " + flag + "; nothing can be done");
            }
        }
        MicroKernels kernels = new MicroKernels(memory, cpu);
        String wrong = new SelfTest(kernels).firstFailure();
        return wrong == null
                ? new Found(kernels, cpu, description(kernels))
                : new Found(null, cpu, "the self-test failed: " + wrong);
    }

    private static String description(MicroKernels kernels) {
        return "AVX-512 machine code" + (kernels.supports(TileType.BF16) ? ", bf16" : "")
                + (kernels.supports(TileType.U8_I8) ? ", int8" : "");
    }
}
