package dev.palimpsest.models.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GoldenRunnerTest {
    @TempDir
    Path folder;

    /// Doubles `in.x`.
    private record Doubling() implements GoldenEvaluator {
        @Override
        public Set<String> kinds() {
            return Set.of("test.double");
        }

        @Override
        public Map<String, Tensor> evaluate(GoldenFile file) {
            return Map.of("out.y", file.input("x").mul(2), "out.unexpected", Tensor.zeros(1));
        }
    }

    @Test
    void whatIsComputedRightPasses() {
        GoldenReport report = check(Map.of("in.x", 3f, "out.y", 6f));
        assertThat(report.passed()).isTrue();
        assertThat(report.kind()).isEqualTo("test.double");
        assertThat(report.worst().orElseThrow().key()).isEqualTo("out.y");
    }

    @Test
    void whatIsComputedWrongFailsByName() {
        GoldenReport report = check(Map.of("in.x", 3f, "out.y", 6.1f));
        assertThat(report.passed()).isFalse();
        assertThat(report.problems()).singleElement().asString().startsWith("out.y relative error ");
    }

    @Test
    void whatIsNotComputedFailsByName() {
        GoldenReport report = check(Map.of("in.x", 3f, "out.y", 6f, "grad.x", 2f));
        assertThat(report.passed()).isFalse();
        assertThat(report.problems()).containsExactly("grad.x was not computed");
        assertThat(report.worst().orElseThrow().key()).isEqualTo("grad.x");
    }

    @Test
    void aFileThatExpectsNothingDoesNotPass() {
        assertThat(check(Map.of("in.x", 3f)).passed()).isFalse();
    }

    @Test
    void anUnknownKindIsRefused() {
        try (GoldenFile file = write("test.triple", Map.of("in.x", 3f, "out.y", 9f))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new GoldenRunner(List.of(new Doubling())).check(file))
                    .withMessageEndingWith("there is no evaluator for the kind test.triple");
        }
    }

    @Test
    void twoEvaluatorsOfOneKindAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new GoldenRunner(List.of(new Doubling(), new Doubling())))
                .withMessageContaining("test.double");
    }

    @Test
    void aFileWithoutAKindIsNoGoldenFile() {
        Path path = folder.resolve("plain.safetensors");
        new SafeTensorsWriter().write(path);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> GoldenFile.open(path))
                .withMessageEndingWith("is not a golden file, its metadata names no kind");
    }

    private GoldenReport check(Map<String, Float> tensors) {
        try (GoldenFile file = write("test.double", tensors)) {
            return new GoldenRunner(List.of(new Doubling())).check(file);
        }
    }

    private GoldenFile write(String kind, Map<String, Float> tensors) {
        Path path = folder.resolve("case.safetensors");
        Scope.run(() -> {
            SafeTensorsWriter writer = new SafeTensorsWriter()
                    .metadata("kind", kind)
                    .metadata("config", "{}")
                    .metadata("tol", "{\"rel_l2\": 1e-5, \"max_abs\": 1e-6}");
            tensors.forEach((name, value) ->
                    writer.add(name, Tensor.of(new float[] {value}).array()));
            writer.write(path);
            return null;
        });
        return GoldenFile.open(path);
    }
}
