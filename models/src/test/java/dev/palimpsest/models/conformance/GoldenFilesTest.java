package dev.palimpsest.models.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.KernelSelection.Tier;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.models.api.LoadOptions;
import dev.palimpsest.tensor.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;

/// Every golden file that is there, on every kernel provider that works here: the files that come with the sources,
/// and those in a folder `shared/golden` beside the project where it exists.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GoldenFilesTest {
    private static final Set<String> NETWORKS =
            Set.of("vincie.nadit", "vincie.text_encoder", "infinity.forward", "infinity.t5_encoder");

    private final Parallel parallel = new Parallel(2);
    private final List<Kernels> providers = new ArrayList<>();

    @BeforeAll
    void createProviders() {
        for (Tier tier : KernelProviders.tiers()) {
            if (tier.available()) {
                providers.add(KernelProviders.create(tier.name(), parallel));
            }
        }
    }

    @AfterAll
    void stopThreads() {
        parallel.close();
    }

    @TestFactory
    Stream<DynamicTest> everyGoldenFilePasses() throws IOException {
        GoldenRunner runner = Goldens.runner();
        List<DynamicTest> tests = new ArrayList<>();
        for (Path path : goldenFiles()) {
            String kind;
            try (GoldenFile file = GoldenFile.open(path)) {
                kind = file.kind();
            } catch (RuntimeException e) {
                continue; // a file for the loaders' own tests
            }
            if (!runner.kinds().contains(kind)) {
                continue; // a kind of a model that is not there yet
            }
            for (Kernels kernels : providers) {
                tests.add(DynamicTest.dynamicTest(
                        kernels.name() + " " + kind + " " + path.getFileName(), () -> check(runner, kernels, path)));
            }
        }
        assertThat(tests).isNotEmpty();
        return tests.stream();
    }

    private static void check(GoldenRunner runner, Kernels kernels, Path path) {
        try (GoldenFile file = GoldenFile.open(path)) {
            GoldenReport report = Backend.with(kernels, () -> runner.check(file));
            assertThat(report.problems()).isEmpty();
            assertThat(report.passed()).isTrue();
        }
    }

    /// How far whole networks may move in the arithmetics that are less exact, relative to their outputs.
    private static double bound(Arithmetic arithmetic, String kind) {
        boolean encoder = kind.endsWith("_encoder");
        return switch (arithmetic) {
            case F32 -> throw new IllegalArgumentException("has tolerances of its own");
            case BF16 -> 2e-2;
            case INT8 -> encoder ? 1e-5 : 6e-2;
            case INT8_WEIGHT_ONLY -> encoder ? 1e-5 : 5e-2;
        };
    }

    @TestFactory
    Stream<DynamicTest> otherArithmeticsStayClose() throws IOException {
        GoldenRunner runner = Goldens.runner();
        List<DynamicTest> tests = new ArrayList<>();
        for (Path path : goldenFiles()) {
            String kind;
            try (GoldenFile file = GoldenFile.open(path)) {
                kind = file.kind();
            } catch (RuntimeException e) {
                continue; // a file for the loaders' own tests
            }
            if (!NETWORKS.contains(kind)) {
                continue;
            }
            for (Kernels kernels : providers) {
                for (Arithmetic arithmetic : List.of(Arithmetic.BF16, Arithmetic.INT8, Arithmetic.INT8_WEIGHT_ONLY)) {
                    tests.add(DynamicTest.dynamicTest(
                            kernels.name() + " " + arithmetic + " " + kind + " " + path.getFileName(),
                            () -> measure(runner, kernels, path, arithmetic)));
                }
            }
        }
        assertThat(tests).isNotEmpty();
        return tests.stream();
    }

    private static void measure(GoldenRunner runner, Kernels kernels, Path path, Arithmetic arithmetic) {
        LoadOptions options = LoadOptions.defaults().withArithmetic(arithmetic);
        try (GoldenFile file = GoldenFile.open(path, options)) {
            GoldenReport report = Backend.with(kernels, () -> runner.check(file));
            double bound = bound(arithmetic, file.kind());
            double error = report.farthest().orElseThrow().relL2();
            assertThat(error).isLessThan(bound);
            if (bound > 1e-3) {
                assertThat(error).as("the arithmetic is in use").isGreaterThan(1e-3);
            }
        }
    }

    private static List<Path> goldenFiles() throws IOException {
        List<Path> files = new ArrayList<>();
        for (Path folder : List.of(Path.of("src/test/resources/golden"), Path.of("../../shared/golden"))) {
            if (Files.isDirectory(folder)) {
                try (Stream<Path> tree = Files.walk(folder)) {
                    tree.filter(p -> p.toString().endsWith(".safetensors"))
                            .sorted()
                            .forEach(files::add);
                }
            }
        }
        return files;
    }
}
