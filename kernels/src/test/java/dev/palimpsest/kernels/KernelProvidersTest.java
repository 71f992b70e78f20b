package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.KernelSelection.Tier;
import dev.palimpsest.kernels.cases.TestArrays;
import dev.palimpsest.kernels.x86.MachineCode;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KernelProvidersTest {
    private static final Runtime.Version SAFE = Runtime.Version.parse("25.0.3+9");
    private static final String NO_MODULE =
            "the module jdk.incubator.vector is not loaded; start Java with --add-modules jdk.incubator.vector";
    private static final Tier SCALAR = new Tier("scalar", true, "loops");
    private static final Tier VECTOR = new Tier("vector", true, "512-bit vectors");
    private static final Tier NO_X86 = new Tier("x86", false, "the processor lacks avx512f");
    private static final List<Tier> ALL = List.of(SCALAR, VECTOR, NO_X86);
    private static final List<Tier> SCALAR_ONLY = List.of(SCALAR, new Tier("vector", false, NO_MODULE), NO_X86);

    @Test
    void machineCodeIsTheDefaultWhereItWorks() {
        assumeTrue(MachineCode.isAvailable(), MachineCode.detail());
        List<Tier> tiers = List.of(SCALAR, VECTOR, new Tier("x86", true, "AVX-512"));
        try (Parallel parallel = KernelProviders.select(SAFE, null, "3", tiers).parallel()) {
            KernelSelection selection = KernelProviders.select(SAFE, null, "1", tiers);
            assertThat(selection.name()).isEqualTo("x86");
            assertThat(selection.reason()).isEqualTo("the fastest available");
            assertThat(parallel.threads()).isEqualTo(3);
        }
    }

    @Test
    void theVectorKernelsStepInWithTheReason() {
        KernelSelection selection = KernelProviders.select(SAFE, null, "3", ALL);
        try (Parallel parallel = selection.parallel()) {
            assertThat(selection.name()).isEqualTo("vector");
            assertThat(selection.reason()).isEqualTo("the x86 kernels are off: the processor lacks avx512f");
            assertThat(parallel.threads()).isEqualTo(3);
            assertThat(selection.tiers()).isEqualTo(ALL);
        }
    }

    @Test
    void theScalarKernelsStepInWithTheReasonAndTheRemedy() {
        KernelSelection selection = KernelProviders.select(SAFE, null, "1", SCALAR_ONLY);

        assertThat(selection.name()).isEqualTo("scalar");
        assertThat(selection.reason()).isEqualTo("the vector kernels are off: " + NO_MODULE);
    }

    @Test
    void eitherKindCanBeForced() {
        assertThat(KernelProviders.select(SAFE, "scalar", "1", ALL).name()).isEqualTo("scalar");
        KernelSelection vector = KernelProviders.select(SAFE, "vector", "1", ALL);
        assertThat(vector.name()).isEqualTo("vector");
        assertThat(vector.reason()).isEqualTo("forced by -Dpalimpsest.kernels");
    }

    @Test
    void whatCannotBeForcedIsRefusedWithWhatCan() {
        assertThatThrownBy(() -> KernelProviders.select(SAFE, "x86", null, ALL))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("palimpsest.kernels=x86: not available, the processor lacks avx512f;"
                        + " available here: scalar, vector");
        assertThatThrownBy(() -> KernelProviders.select(SAFE, "vector", null, SCALAR_ONLY))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("palimpsest.kernels=vector: not available, " + NO_MODULE + "; available here: scalar");
        assertThatThrownBy(() -> KernelProviders.select(SAFE, "cuda", null, ALL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("palimpsest.kernels=cuda: there are no such kernels; available here: scalar, vector");
    }

    @Test
    void thereIsAThreadForEveryProcessorByDefault() {
        try (Parallel parallel =
                KernelProviders.select(SAFE, "vector", null, ALL).parallel()) {
            assertThat(parallel.threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
        }
    }

    @Test
    void theScalarKernelsHaveOneThread() {
        KernelSelection selection = KernelProviders.select(SAFE, "scalar", "3", ALL);
        try (Parallel parallel = selection.parallel()) {
            assertThat(parallel.threads()).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "two", "", "1.5", "1025", "99999999999"})
    void aNumberOfThreadsThatIsNoneIsRefused(String threads) {
        assertThatThrownBy(() -> KernelProviders.select(SAFE, null, threads, ALL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("palimpsest.threads=" + threads + ": must be a whole number from 1 to 1024");
    }

    @ParameterizedTest
    @ValueSource(strings = {"25", "25.0.1", "25.0.2+8", "25.0.2-ea"})
    void aJavaThatMovesPinnedArraysIsRefused(String version) {
        assertThatThrownBy(() -> KernelProviders.select(Runtime.Version.parse(version), "scalar", "1", ALL))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("Java " + version
                        + " can move memory while native code uses it (JDK-8377811); install Java 25.0.3 or newer");
    }

    @ParameterizedTest
    @ValueSource(strings = {"25.0.3", "25.0.3+9-LTS", "25.0.4", "25.1.0.1", "26", "27.0.1"})
    void aNewerJavaIsFine(String version) {
        assertThatCode(() -> KernelProviders.select(Runtime.Version.parse(version), "scalar", "1", ALL))
                .doesNotThrowAnyException();
    }

    @Test
    void thisProcessMakesItsChoiceOnce() {
        assertThat(KernelProviders.lookup()).isSameAs(KernelProviders.lookup());
        assertThat(KernelProviders.lookup().name()).isEqualTo(MachineCode.isAvailable() ? "x86" : "vector");
    }

    @Test
    void createsProvidersByName() {
        try (Parallel parallel = new Parallel(1)) {
            assertThat(KernelProviders.create("scalar", parallel).name()).isEqualTo("scalar");
            assertThat(KernelProviders.create("vector", parallel).name()).isEqualTo("vector");
            assertThatThrownBy(() -> KernelProviders.create("fast", parallel))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("kernels fast: there are no such kernels; available here: scalar, vector");
        }
    }

    @Test
    void aProcessWithoutTheVectorModuleComputesAndSaysWhatWouldHelp() throws Exception {
        assertThat(processWith())
                .contains("kernels: scalar on ")
                .contains(NO_MODULE)
                .contains("1 + 2 = 3.0 by scalar, vectors of 0 bits");
    }

    @Test
    void aProcessThatMayExecuteMachineCodeUsesTheFastestKernelsSilently() throws Exception {
        assertThat(processWith("--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"))
                .doesNotContain("kernels:")
                .containsPattern("1 \\+ 2 = 3.0 by " + (MachineCode.isAvailable() ? "x86" : "vector")
                        + ", vectors of [1-9][0-9]* bits");
    }

    @Test
    void aProcessWithoutNativeAccessUsesVectorsAndSaysWhatWouldHelp() throws Exception {
        assumeTrue(MachineCode.isAvailable(), MachineCode.detail());
        assertThat(processWith("--add-modules", "jdk.incubator.vector"))
                .contains("kernels: vector on ")
                .contains("start Java with --enable-native-access=ALL-UNNAMED")
                .contains("1 + 2 = 3.0 by vector");
    }

    @Test
    void aProcessThatOnlyInterpretsAvoidsVectors() throws Exception {
        assertThat(processWith("-Xint", "--add-modules", "jdk.incubator.vector"))
                .contains("the optimising compiler is off")
                .contains("by scalar");
    }

    @Test
    void everyLookupOfAProcessFailsWithTheSameSentence() throws Exception {
        String sentence = "palimpsest.kernels=x86: not available, turned off by -Dpalimpsest.x86=off;"
                + " available here: scalar, vector";

        assertThat(processWith(
                        "-Dpalimpsest.kernels=x86", "-Dpalimpsest.x86=off", "--add-modules", "jdk.incubator.vector"))
                .contains("1: " + sentence, "2: " + sentence);
    }

    /// Starts [Probe] in a Java process of its own and returns all that it writes.
    private static String processWith(String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
        command.addAll(List.of(options));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Probe.class.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        return output;
    }

    /// Adds 1 and 2 with the kernels of its process.
    static final class Probe {
        public static void main(String[] args) {
            for (int attempt = 1; attempt <= 2; attempt++) {
                try {
                    Kernels kernels = KernelProviders.lookup().kernels();
                    NdArray a = TestArrays.row(1);
                    kernels.binary(Binary.ADD, a, TestArrays.row(2), a);
                    System.out.printf(
                            Locale.ROOT,
                            "1 + 2 = %s by %s, vectors of %d bits%n",
                            a.get(0),
                            kernels.name(),
                            CpuFeatures.detect().vectorBits());
                } catch (IllegalStateException e) {
                    System.out.println(attempt + ": " + e.getMessage());
                }
            }
        }
    }
}
