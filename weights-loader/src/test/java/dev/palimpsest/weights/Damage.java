package dev.palimpsest.weights;

import java.nio.file.Path;

/// Reads files that were damaged at random.
final class Damage {
    private Damage() {}

    /// Opens a file and touches every element of it. Any exception but the expected one escapes.
    ///
    /// @return false if the file was refused
    static boolean readEverything(Path path) {
        try (Checkpoint c = Checkpoint.open(path)) {
            for (String name : c.names()) {
                Bits.of(c.tensor(name));
            }
            c.verify();
            return true;
        } catch (CheckpointException e) {
            return false;
        }
    }
}
