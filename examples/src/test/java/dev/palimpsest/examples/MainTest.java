package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.models.json.JsonObject;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// The root command, `doctor`, and how errors read.
class MainTest {
    @Test
    void helpListsTheCommands() {
        var run = Cli.run("--help");
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains("inspect", "convert", "golden", "doctor");
    }

    @Test
    void versionNamesTheJvm() {
        assertThat(Cli.run("--version").out())
                .startsWith("palimpsest ")
                .contains(Runtime.version().toString());
    }

    @Test
    void doctorNamesTheKernelsAndTheReason() {
        var run = Cli.run("doctor");
        assertThat(run.code()).isZero();
        assertThat(run.out().lines())
                .anyMatch(l -> l.matches("Kernels +\\w+ on [0-9]+ threads?, .+"))
                .anyMatch(l -> l.matches(" +scalar +on +.+"))
                .anyMatch(l -> l.startsWith("Memory"));
    }

    @Test
    void doctorWritesJsonForPrograms() {
        var json = JsonObject.parse(Cli.run("doctor", "--json").out(), "doctor");
        assertThat(json.object("kernels").list("tiers")).hasSizeGreaterThan(1);
        assertThat(json.object("kernels").integer("threads")).isPositive();
        assertThat(json.object("memory").integer("heap_max_bytes")).isPositive();
        assertThat(json.object("java").text("version"))
                .isEqualTo(Runtime.version().toString());
    }

    @Test
    void aSentenceIsOneLineWithAFullStop() {
        assertThat(ErrorMessages.sentence("two\n  lines")).isEqualTo("two; lines.");
        assertThat(ErrorMessages.sentence("done.")).isEqualTo("done.");
        assertThat(ErrorMessages.sentence("a\u001b[31mred")).isEqualTo("a\\u{1b}[31mred.");
    }

    @Test
    void bytesHaveReadableUnits() {
        assertThat(Text.bytes(0)).isEqualTo("0 B");
        assertThat(Text.bytes(1023)).isEqualTo("1023 B");
        assertThat(Text.bytes(1536)).isEqualTo("1.50 KiB");
        assertThat(Text.bytes(6_783_607_912L)).isEqualTo("6.32 GiB");
    }

    @Test
    void theCacheLiesWhereTheSystemWantsIt() {
        assertThat(Surroundings.cache(Map.of("XDG_CACHE_HOME", "/x"), "Linux", "/home/a"))
                .isEqualTo(Path.of("/x/palimpsest"));
        assertThat(Surroundings.cache(Map.of(), "Linux", "/home/a")).isEqualTo(Path.of("/home/a/.cache/palimpsest"));
        assertThat(Surroundings.cache(Map.of(), "Mac OS X", "/Users/a"))
                .isEqualTo(Path.of("/Users/a/Library/Caches/palimpsest"));
        assertThat(Surroundings.cache(Map.of("LOCALAPPDATA", "/local"), "Windows 11", "/home/a"))
                .isEqualTo(Path.of("/local/palimpsest"));
    }
}
