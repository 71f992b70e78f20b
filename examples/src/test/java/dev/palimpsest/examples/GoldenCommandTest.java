package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// `golden`: lines, totals and exit codes.
class GoldenCommandTest {
    @TempDir
    private Path folder;

    /// A picture of one grey, which every resampling leaves as it is.
    private void pictures(String name, int expected) {
        new SafeTensorsWriter()
                .metadata("kind", "image.pil_resize")
                .metadata("config", "{\"size_wh\": [4, 4]}")
                .add("in.image", pixels(8, 8, 77))
                .add("out.resized", pixels(4, 4, expected))
                .write(folder.resolve(name));
    }

    private static NdArray pixels(int h, int w, int grey) {
        byte[] samples = new byte[h * w * 3];
        java.util.Arrays.fill(samples, (byte) grey);
        return NdArray.of(Arena.ofAuto().allocateFrom(ValueLayout.JAVA_BYTE, samples), DType.U8, Shape.of(h, w, 3));
    }

    private void unknown() {
        new SafeTensorsWriter()
                .metadata("kind", "weather.forecast")
                .add("out.rain", pixels(1, 1, 0))
                .write(folder.resolve("unknown.safetensors"));
    }

    private void verdicts(String verdict) throws IOException {
        new SafeTensorsWriter().add("w", pixels(1, 1, 0)).write(folder.resolve("w.safetensors"));
        Files.writeString(
                folder.resolve("list.json"),
                "{\"cases\": [{\"file\": \"w.safetensors\", \"verdict\": \"" + verdict + "\"}]}");
    }

    @Test
    void successIsExitCode0AndOneLineAFile() throws IOException {
        verdicts("load");
        var run = Cli.run("golden", folder);
        assertThat(run.code()).isZero();
        assertThat(run.out().lines().toList().getFirst())
                .matches("PASS  weights\\.load +" + folder + "/w\\.safetensors +- +-  \\(1 tensor\\)");
        assertThat(run.out().lines().toList().getLast()).startsWith("1 passed, 0 failed, on the ");
    }

    @Test
    void aGoldenFileShowsItsWorstTensor() {
        pictures("a.safetensors", 77);
        pictures("b.safetensors", 80);
        var run = Cli.run("golden", folder);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out().lines())
                .anyMatch(l -> l.matches(
                        "PASS  image\\.pil_resize .*a\\.safetensors +0\\.00e\\+00 +0\\.00e\\+00  \\(out\\.resized\\)"))
                .anyMatch(l -> l.matches(
                        "FAIL  image\\.pil_resize .*b\\.safetensors +3\\.75e-02 +3\\.00e\\+00  \\(out\\.resized\\)"));
    }

    @Test
    void aFailureIsExitCode1AndSaysWhatIsWrong() throws IOException {
        verdicts("reject");
        unknown();
        var run = Cli.run("golden", folder);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("FAIL  weights.reject").contains("was loaded: 1 tensor");
        assertThat(run.out()).contains("0 passed, 1 failed, 1 of kinds that are not implemented");
    }

    @Test
    void aKindThatIsNotImplementedIsExitCode3() throws IOException {
        verdicts("load");
        unknown();
        var run = Cli.run("golden", folder);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.out().lines()).anyMatch(l -> l.matches("NONE  weather\\.forecast .*\\(not implemented\\)"));
    }

    @Test
    void inAnotherArithmeticGoldenFilesAreMeasuredAndNothingElse() throws IOException {
        pictures("a.safetensors", 80);
        verdicts("load");
        var run = Cli.run("golden", "--arithmetic", "bf16", folder);
        assertThat(run.code()).isZero();
        assertThat(run.out().lines())
                .anyMatch(l -> l.matches(
                        "DIFF  image\\.pil_resize .*a\\.safetensors +3\\.75e-02 +3\\.00e\\+00  \\(out\\.resized\\)"));
        assertThat(run.out().lines().toList().getLast()).startsWith("1 passed, 0 failed, 1 measured, on the ");
        assertThat(Cli.run("golden", "--arithmetic", "bf17", folder).err())
                .contains("\"bf17\" is none of f32, bf16, int8, int8-weight-only");
    }

    @Test
    void programsReadJson() throws IOException {
        verdicts("load");
        unknown();
        var json = JsonObject.parse(Cli.run("golden", "--json", folder).out(), "golden");
        assertThat(json.integer("passed")).isEqualTo(1);
        assertThat(json.integer("not_implemented")).isEqualTo(1);
        assertThat(json.list("files")).hasSize(2);
        var first = (JsonObject) json.list("files").getFirst();
        assertThat(first.text("verdict")).isEqualTo("pass");
        assertThat(first.has("rel_l2")).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"golden/pth", "golden/safetensors", "golden/random", "golden/vincie"})
    void everythingBesideTheProjectPasses(String path) {
        Path shared = Cli.requireShared(path);
        var run = Cli.run("golden", "--data", Cli.requireShared("data"), shared);
        assertThat(run.code()).as(run.out()).isZero();
        assertThat(Path.of("/tmp/pwned")).doesNotExist();
    }
}
