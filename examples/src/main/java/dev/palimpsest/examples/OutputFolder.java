package dev.palimpsest.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The folder that results go to: made before anything is computed, so that a long run cannot end in finding that it
/// cannot write, and removed again if nothing was written.
final class OutputFolder implements AutoCloseable {
    /// Folders that were not there before, innermost first.
    private final List<Path> made = new ArrayList<>();

    /// Makes the folder if need be, and tries whether files can be written there.
    ///
    /// @param option what asks for the folder
    /// @throws UserException if they cannot
    OutputFolder(String option, Path folder) {
        for (Path p = folder.toAbsolutePath(); p != null && !Files.exists(p); p = p.getParent()) {
            made.add(p);
        }
        try {
            Files.createDirectories(folder);
            Files.delete(Files.createTempFile(folder, ".palimpsest-", ".part"));
        } catch (IOException e) {
            close();
            throw new UserException(
                    option + ": files cannot be written to the folder " + folder + "; name another one", e);
        }
    }

    /// Removes what was made and is still empty.
    @Override
    public void close() {
        try {
            for (Path folder : made) {
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            // it holds results, which is what it was made for
            made.clear();
        }
    }
}
