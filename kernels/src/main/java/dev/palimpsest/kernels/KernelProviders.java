package dev.palimpsest.kernels;

import dev.palimpsest.kernels.KernelSelection.Tier;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import dev.palimpsest.kernels.vector.VectorKernels;
import dev.palimpsest.kernels.x86.MachineCode;
import dev.palimpsest.kernels.x86.X86Kernels;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Chooses the kernels for this process: the fastest provider that works here, or the one that is asked for.
///
/// - `-Dpalimpsest.kernels=scalar|vector|x86` forces a provider.
/// - `-Dpalimpsest.x86=off` takes the machine code out of the choice.
/// - `-Dpalimpsest.threads=N` sets the number of threads, by default one for each processor that Java sees.
///
/// The vector provider needs the module `jdk.incubator.vector`. A program on the module path gets it by itself because
/// this module requires it; on the class path Java must be started with `--add-modules jdk.incubator.vector`. Classes
/// that name the Vector API are touched only when the module is there, so that a process without it still has the
/// scalar kernels.
public final class KernelProviders {
    /// System property that forces a provider.
    public static final String KERNELS_PROPERTY = "palimpsest.kernels";

    /// System property for the number of threads.
    public static final String THREADS_PROPERTY = "palimpsest.threads";

    private static final String VECTOR_MODULE = "jdk.incubator.vector";
    private static final String START_JAVA = "start Java with";
    private static final String ADD_MODULE = START_JAVA + " --add-modules " + VECTOR_MODULE;
    private static final int MAX_THREADS = 1024;

    /// The choice is made once, when it is first asked for; a failure is kept too, so that every caller gets the same
    /// sentence.
    private static final class Once {
        static final @Nullable KernelSelection SELECTION;
        static final @Nullable RuntimeException FAILURE;

        static {
            KernelSelection selection = null;
            RuntimeException failure = null;
            try {
                selection = select(
                        Runtime.version(),
                        System.getProperty(KERNELS_PROPERTY),
                        System.getProperty(THREADS_PROPERTY),
                        tiers());
                log(selection);
            } catch (IllegalArgumentException | IllegalStateException e) {
                failure = e;
            }
            SELECTION = selection;
            FAILURE = failure;
        }
    }

    private KernelProviders() {}

    /// The kernels of this process; chosen, and the choice logged, on the first call.
    ///
    /// @throws IllegalArgumentException if one of the system properties has a value that means nothing
    /// @throws IllegalStateException if the forced provider does not work here, or if this Java is one of those that
    ///     can corrupt memory under native calls
    public static KernelSelection lookup() {
        if (Once.SELECTION != null) {
            return Once.SELECTION;
        }
        throw Once.FAILURE instanceof IllegalArgumentException
                ? new IllegalArgumentException(Once.FAILURE.getMessage(), Once.FAILURE)
                : new IllegalStateException(Once.FAILURE == null ? null : Once.FAILURE.getMessage(), Once.FAILURE);
    }

    /// A provider by name on threads of the caller's, beside whatever this process uses: for tests and measurements.
    ///
    /// @throws IllegalArgumentException if there is no provider of this name
    /// @throws IllegalStateException if it does not work here
    public static Kernels create(String name, Parallel parallel) {
        requireAvailable("kernels " + name, name, tiers());
        return instantiate(name, parallel);
    }

    /// Every provider there could be, slowest first, and whether it can be used here.
    public static List<Tier> tiers() {
        String obstacle = vectorObstacle();
        return List.of(
                new Tier("scalar", true, "plain loops in double precision on one thread"),
                obstacle == null
                        ? new Tier("vector", true, PreferredVector.bits() + "-bit vectors")
                        : new Tier("vector", false, obstacle),
                obstacle != null
                        ? new Tier("x86", false, "it needs the vector kernels, which are off: " + obstacle)
                        : new Tier("x86", MachineCode.isAvailable(), MachineCode.detail()));
    }

    /// The choice as a function of everything that it depends on.
    static KernelSelection select(
            Runtime.Version java, @Nullable String forced, @Nullable String threads, List<Tier> tiers) {
        requireSafeJava(java);
        int count = threads(threads);
        String name;
        String reason;
        if (forced != null) {
            requireAvailable(KERNELS_PROPERTY + "=" + forced, forced, tiers);
            name = forced;
            reason = "forced by -D" + KERNELS_PROPERTY;
        } else {
            Tier fastest = tiers.reversed().stream()
                    .filter(Tier::available)
                    .findFirst()
                    .orElseThrow();
            name = fastest.name();
            // the obstacle of the next faster one is the first on the way to all of them
            int next = tiers.indexOf(fastest) + 1;
            reason = next == tiers.size()
                    ? "the fastest available"
                    : "the " + tiers.get(next).name() + " kernels are off: "
                            + tiers.get(next).detail();
        }
        Parallel parallel = new Parallel(name.equals("scalar") ? 1 : count);
        return new KernelSelection(instantiate(name, parallel), parallel, reason, tiers);
    }

    private static Kernels instantiate(String name, Parallel parallel) {
        return switch (name) {
            case "scalar" -> new ScalarKernels();
            case "vector" -> new VectorKernels(parallel);
            case "x86" -> new X86Kernels(parallel);
            default -> throw new IllegalArgumentException("kernels " + name + " do not exist");
        };
    }

    private static void requireAvailable(String what, String name, List<Tier> tiers) {
        String usable = tiers.stream().filter(Tier::available).map(Tier::name).collect(Collectors.joining(", "));
        Tier tier =
                tiers.stream().filter(t -> t.name().equals(name)).findFirst().orElse(null);
        if (tier == null) {
            throw new IllegalArgumentException(what + ": there are no such kernels; available here: " + usable);
        }
        if (!tier.available()) {
            throw new IllegalStateException(what + ": not available, " + tier.detail() + "; available here: " + usable);
        }
    }

    /// Java 25.0.0 to 25.0.2 can move an array that native code holds pinned (JDK-8377811).
    private static void requireSafeJava(Runtime.Version java) {
        if (java.feature() == 25 && java.interim() == 0 && java.update() < 3) {
            throw new IllegalStateException("Java " + java
                    + " can move memory while native code uses it (JDK-8377811); install Java 25.0.3 or newer");
        }
    }

    private static int threads(@Nullable String value) {
        if (value == null) {
            return Math.min(Runtime.getRuntime().availableProcessors(), MAX_THREADS);
        }
        int n;
        try {
            n = Integer.parseInt(value.strip());
        } catch (NumberFormatException e) {
            n = 0;
        }
        if (n < 1 || n > MAX_THREADS) {
            throw new IllegalArgumentException(
                    THREADS_PROPERTY + "=" + value + ": must be a whole number from 1 to " + MAX_THREADS);
        }
        return n;
    }

    /// Why the vector kernels would not work or not be fast, with the remedy; null if nothing is in their way.
    private static @Nullable String vectorObstacle() {
        if (vectorModule() == null) {
            return "the module " + VECTOR_MODULE + " is not loaded; " + ADD_MODULE;
        }
        // Without the optimising compiler every vector operation is a call that allocates, hundreds of times slower
        // than a loop.
        String mode = System.getProperty("java.vm.info", "");
        if (mode.contains("interpreted") || mode.contains("emulated-client")) {
            return "the optimising compiler is off (" + mode + "); start Java without -Xint and -XX:TieredStopAtLevel";
        }
        int bits = PreferredVector.bits();
        return bits >= 128
                ? null
                : "this processor's vectors have " + bits + " bits and 128 are needed; nothing can be done";
    }

    /// Width of the Vector API's preferred shape, 0 where the API is not loaded.
    static int vectorBits() {
        return vectorModule() == null ? 0 : PreferredVector.bits();
    }

    /// The module of the Vector API if this module can use it, else null.
    private static @Nullable Module vectorModule() {
        Module vector = ModuleLayer.boot().findModule(VECTOR_MODULE).orElse(null);
        return vector != null && KernelProviders.class.getModule().canRead(vector) ? vector : null;
    }

    private static void log(KernelSelection selection) {
        Logger logger = System.getLogger("dev.palimpsest.kernels");
        // worth a line where something can be done about it, or ought to be
        boolean slow = selection.name().equals("scalar") && !selection.reason().startsWith("forced");
        Level level = slow || selection.reason().contains(START_JAVA) ? Level.WARNING : Level.DEBUG;
        logger.log(
                level,
                "kernels: {0} on {1} threads, {2}",
                selection.name(),
                selection.parallel().threads(),
                selection.reason());
    }

    /// The only mention of the Vector API here, in a class of its own so that it is resolved only where the API
    /// exists.
    private static final class PreferredVector {
        static int bits() {
            return jdk.incubator.vector.VectorShape.preferredShape().vectorBitSize();
        }
    }
}
