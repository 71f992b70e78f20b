package dev.palimpsest.examples;

import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import dev.palimpsest.weights.ShardedCheckpoint;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/// `palimpsest convert`: any checkpoint to one safetensors file, bit for bit.
@Command(
        name = "convert",
        mixinStandardHelpOptions = true,
        description = {
            "Writes the tensors of a checkpoint (safetensors, PyTorch, a folder of shards) to one safetensors file.",
            "Names, types and bits stay as they are. The file appears when it is complete."
        })
final class ConvertCommand implements Callable<Integer> {
    private static final long MEBIBYTE = 1 << 20;

    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Main main;

    @Parameters(index = "0", paramLabel = "IN", description = "A checkpoint: file or folder.")
    private Path in;

    @Parameters(index = "1", paramLabel = "OUT", description = "The safetensors file to write.")
    private Path out;

    @Option(names = "--force", description = "Replace OUT if it exists.")
    private boolean force;

    @Option(names = "--json", description = "Write what was done as JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(in)) {
            refuseOverwriting(checkpoint);
            long bytes = checkpoint.names().stream()
                    .mapToLong(name -> checkpoint.info(name).bytes())
                    .reduce(0, Math::addExact);
            requireSpace(bytes);
            int total = Math.toIntExact(Math.max(1, Math.ceilDiv(bytes, MEBIBYTE)));
            PrintWriter err = spec.commandLine().getErr();
            Interruption.guard(err, cancellation -> {
                try (var progress = new ProgressDisplay(err, main.surroundings.terminal())) {
                    checkpoint.verify();
                    progress.update("write MiB", 0, total);
                    SafeTensorsWriter.convert(checkpoint, out, written -> {
                        cancellation.check();
                        progress.update("write MiB", (int) Math.min(total, Math.ceilDiv(written, MEBIBYTE)), total);
                    });
                } catch (IllegalArgumentException e) {
                    // a tensor that safetensors has no way to name
                    throw new CheckpointException(in, "cannot be converted: " + e.getMessage(), e);
                }
            });
            report(checkpoint.names().size(), bytes);
        }
        return ExitCode.OK;
    }

    private void refuseOverwriting(Checkpoint checkpoint) throws IOException {
        if (!Files.exists(out)) {
            return;
        }
        List<Path> sources = new ArrayList<>(List.of(in, checkpoint.path()));
        if (checkpoint instanceof ShardedCheckpoint sharded) {
            sources.addAll(sharded.shards());
        }
        for (Path source : sources) {
            if (Files.isSameFile(source, out)) {
                throw new UserException(out + ": is what is to be converted; name another file");
            }
        }
        if (Files.isDirectory(out)) {
            throw new UserException(out + ": is a folder; name a file to write");
        }
        if (!force) {
            throw new UserException(out + ": exists already; give --force to replace it");
        }
    }

    /// A few kilobytes of a PyTorch file may describe tensors that repeat one number terabytes over.
    private void requireSpace(long bytes) throws IOException {
        Path folder = out.toAbsolutePath().getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new UserException(out + ": cannot be written: its folder does not exist");
        }
        long usable = Files.getFileStore(folder).getUsableSpace();
        if (bytes > usable) {
            throw new UserException(out + ": cannot be written: it would have " + Text.bytes(bytes) + ", and "
                    + Text.bytes(usable) + " are free");
        }
    }

    private void report(int tensors, long bytes) {
        PrintWriter o = spec.commandLine().getOut();
        if (json) {
            JsonOutput.write(o, g -> {
                g.writeStringProperty("file", out.toString());
                g.writeNumberProperty("tensors", tensors);
                g.writeNumberProperty("bytes", bytes);
            });
        } else {
            o.println(out + ": " + Text.count(tensors, "tensor") + ", " + Text.bytes(bytes));
            o.flush();
        }
    }
}
