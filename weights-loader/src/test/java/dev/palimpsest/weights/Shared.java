package dev.palimpsest.weights;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// Data beside the repository, which is not part of it.
final class Shared {
    private Shared() {}

    /// A file or folder of the shared data, if this machine has it.
    static Optional<Path> find(String path) {
        for (Path root = Path.of("").toAbsolutePath(); root != null; root = root.getParent()) {
            if (Files.exists(root.resolve("mvnw"))) {
                Path found = root.resolveSibling("shared").resolve(path);
                return Files.exists(found) ? Optional.of(found) : Optional.empty();
            }
        }
        return Optional.empty();
    }
}
