package dev.palimpsest.examples;

import dev.palimpsest.models.api.Cancellation;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// Writes [RandomCheckpoint]s for a command: watched, stoppable, and without overwriting anything unasked.
final class RandomFiles {
    private static final long MEBIBYTE = 1 << 20;

    private final PrintWriter out;
    private final PrintWriter err;
    private final @Nullable PrintStream terminal;
    private final boolean force;

    /// @param force whether files that exist are replaced
    RandomFiles(CommandLine command, @Nullable PrintStream terminal, boolean force) {
        this.out = command.getOut();
        this.err = command.getErr();
        this.terminal = terminal;
        this.force = force;
    }

    /// Checks the disk before anything is written.
    ///
    /// @throws UserException if there is not enough room
    void requireRoom(Path target, long bytes) throws IOException {
        Path folder = target.toAbsolutePath();
        while (folder != null && !Files.isDirectory(folder)) {
            folder = folder.getParent();
        }
        long usable = folder == null ? 0 : Files.getFileStore(folder).getUsableSpace();
        if (bytes > usable) {
            throw new UserException(target + ": cannot be written: it would have " + Text.bytes(bytes) + ", and "
                    + Text.bytes(usable) + " are free");
        }
    }

    /// Writes one file.
    void write(Path file, RandomCheckpoint checkpoint) {
        refuseOverwriting(file);
        watched(file, checkpoint, listener -> checkpoint.write(file, listener));
    }

    /// Writes a folder of shards.
    void writeShards(Path folder, RandomCheckpoint checkpoint, int shards) throws IOException {
        if (Files.isDirectory(folder)) {
            try (var files = Files.list(folder)) {
                if (!force && files.findAny().isPresent()) {
                    throw new UserException(folder + ": is there and not empty; give --force to write into it");
                }
            }
        } else {
            refuseOverwriting(folder);
        }
        watched(folder, checkpoint, listener -> checkpoint.writeShards(folder, shards, listener));
    }

    private void refuseOverwriting(Path target) {
        if (Files.exists(target) && !(force && Files.isRegularFile(target))) {
            throw new UserException(target + ": exists already; "
                    + (Files.isRegularFile(target) ? "give --force to replace it" : "name another file"));
        }
    }

    private interface Writing {
        void write(LongConsumer listener) throws IOException;
    }

    private void watched(Path target, RandomCheckpoint checkpoint, Writing writing) {
        int total = Math.toIntExact(Math.max(1, Math.ceilDiv(checkpoint.bytes(), MEBIBYTE)));
        Interruption.guard(err, cancellation -> {
            try (var progress = new ProgressDisplay(err, terminal)) {
                progress.task(String.valueOf(target.getFileName()));
                progress.update("write MiB", 0, total);
                writing.write(written -> report(progress, cancellation, written, total));
            } catch (IOException e) {
                throw new UserException(target + ": cannot be written: " + e.getMessage(), e);
            }
        });
        out.println(target + ": " + Text.count(checkpoint.shapes().size(), "tensor") + ", "
                + Text.bytes(checkpoint.bytes()));
        out.flush();
    }

    private static void report(ProgressDisplay progress, Cancellation cancellation, long written, int total) {
        cancellation.check();
        progress.update("write MiB", (int) Math.min(total, Math.ceilDiv(written, MEBIBYTE)), total);
    }
}
