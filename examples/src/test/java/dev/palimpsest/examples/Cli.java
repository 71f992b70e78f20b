package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.models.image.RgbImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Runs commands in this process and catches what they print.
final class Cli {
    private Cli() {}

    /// What a command did.
    record Run(int code, String out, String err) {}

    /// Runs a command that may not touch a cache.
    static Run run(Object... args) {
        return run(new Surroundings(Map.of(), Path.of("there", "is", "no", "cache"), null), args);
    }

    static Run run(Surroundings surroundings, Object... args) {
        var out = new StringWriter();
        var err = new StringWriter();
        var commandLine =
                Main.commandLine(surroundings).setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
        String[] words = new String[args.length];
        for (int i = 0; i < args.length; i++) {
            words[i] = args[i].toString();
        }
        int code = Main.execute(commandLine, words);
        return new Run(code, out.toString(), err.toString());
    }

    /// Runs a command in a process of its own, which is asked to end when it prints a line.
    ///
    /// @param text part of the line
    /// @return all that it printed, as one
    static Run terminated(String text, Object... args) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                Main.class.getName()));
        for (Object arg : args) {
            command.add(arg.toString());
        }
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        var printed = new StringBuilder();
        try (var reader = process.inputReader()) {
            for (@Nullable String line = reader.readLine(); line != null; line = reader.readLine()) {
                printed.append(line).append('\n');
                if (line.contains(text)) {
                    process.toHandle().destroy(); // leaves its output open, unlike Process.destroy
                }
            }
        }
        return new Run(process.waitFor(), printed.toString(), "");
    }

    /// A file or folder of the data beside the project, if this machine has it.
    static Optional<Path> shared(String path) {
        for (Path root = Path.of("").toAbsolutePath(); root != null; root = root.getParent()) {
            if (Files.exists(root.resolve("mvnw"))) {
                Path found = root.resolveSibling("shared").resolve(path);
                return Files.exists(found) ? Optional.of(found) : Optional.empty();
            }
        }
        return Optional.empty();
    }

    /// A file or folder of the data beside the project; skips the calling test if it is absent.
    static Path requireShared(String path) {
        Optional<Path> found = shared(path);
        assumeTrue(found.isPresent(), "needs ../shared/" + path);
        return found.orElseThrow();
    }

    /// The largest difference of two pictures of the same size, in grey levels.
    static int largestDifference(RgbImage a, RgbImage b) {
        assertThat(a).hasToString(b.toString());
        int largest = 0;
        for (int y = 0; y < a.height(); y++) {
            for (int x = 0; x < a.width(); x++) {
                for (int c = 0; c < 3; c++) {
                    largest = Math.max(largest, Math.abs(a.get(x, y, c) - b.get(x, y, c)));
                }
            }
        }
        return largest;
    }
}
