package dev.palimpsest.examples;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

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
}
