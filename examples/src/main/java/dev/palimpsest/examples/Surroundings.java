package dev.palimpsest.examples;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What a command sees of the process around it, so that a test can give it another.
///
/// @param environment environment variables
/// @param cache folder for what can be made again at any time
/// @param terminal where a progress bar may be drawn; null if nobody watches, because the output is piped
record Surroundings(
        Map<String, String> environment,
        Path cache,
        @Nullable PrintStream terminal) {

    /// The surroundings of this process.
    @SuppressWarnings("SystemConsoleNull") // since JDK 25 there is no console again where there is no terminal
    static Surroundings ofProcess() {
        var console = System.console();
        Map<String, String> environment = System.getenv();
        return new Surroundings(
                environment,
                cache(environment, System.getProperty("os.name", ""), System.getProperty("user.home", ".")),
                console != null && console.isTerminal() ? System.err : null);
    }

    /// The folder that the operating system's conventions give programs for their caches.
    static Path cache(Map<String, String> environment, String os, String home) {
        String system = os.toLowerCase(Locale.ROOT);
        String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
        String local = environment.getOrDefault("LOCALAPPDATA", "");
        Path folder;
        if (!xdg.isBlank()) {
            folder = Path.of(xdg);
        } else if (system.startsWith("windows") && !local.isBlank()) {
            folder = Path.of(local);
        } else if (system.startsWith("mac")) {
            folder = Path.of(home, "Library", "Caches");
        } else {
            folder = Path.of(home, ".cache");
        }
        return folder.resolve("palimpsest");
    }
}
