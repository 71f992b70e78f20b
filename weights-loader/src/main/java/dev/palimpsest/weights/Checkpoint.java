package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;

/// Named tensors in a file or folder, mapped into memory.
///
/// Opening reads headers only, so a file of many gigabytes opens at once; elements are fetched by the operating system
/// when they are touched. Tensors are views of the mapped file: they are read-only and live until [#close], after
/// which touching one is an `IllegalStateException`. A checkpoint may be read by several threads.
///
/// ```java
/// try (Checkpoint weights = Checkpoint.open(Path.of("vae.safetensors"))) {
///     NdArray bias = weights.tensor("encoder.conv_in.bias");
/// }
/// ```
public sealed interface Checkpoint extends AutoCloseable
        permits SafeTensors, TorchFile, ShardedCheckpoint, RenamedCheckpoint {

    /// Opens a file or folder, whose kind is told by its content and not by its name:
    /// - a safetensors file,
    /// - a PyTorch file, a zip archive or the older form before it (`.pth`, `.pt`, `.bin`),
    /// - a `*.index.json` that lists shards, or a folder with one,
    /// - a folder with a single file of weights.
    ///
    /// @throws CheckpointException if there is nothing, nothing known, or something broken
    static Checkpoint open(Path path) {
        return Files.isDirectory(path) ? ShardedCheckpoint.openFolder(path) : CheckpointFiles.open(path);
    }

    /// The file or folder that was opened.
    Path path();

    /// Names of all tensors in the order in which the file lists them; unmodifiable.
    Set<String> names();

    /// Type and shape of a tensor.
    ///
    /// @throws CheckpointException if there is no such tensor; the message names the nearest one
    TensorInfo info(String name);

    /// A tensor as a read-only view of the mapped file.
    ///
    /// @throws CheckpointException if there is no such tensor or its bytes turn out to be damaged
    /// @throws IllegalStateException if the checkpoint is closed
    NdArray tensor(String name);

    /// Says that some memory of a tensor is not needed for the time being. Pages of the mapped files that lie there
    /// leave the process and are fetched again when they are touched; other memory is none of ours and stays as it is.
    ///
    /// @param memory that of a tensor, or any other
    /// @throws IllegalStateException if the checkpoint is closed
    void unload(MemorySegment memory);

    /// Free text that the file carries; empty where the format has none.
    Map<String, String> metadata();

    /// Reads everything and compares it with the file's checksums where the format has them.
    ///
    /// @throws CheckpointException naming the first damaged part
    void verify();

    /// Unmaps the files. Closing twice is fine; closing a view closes what it views.
    @Override
    void close();

    /// This checkpoint with every occurrence of `text` taken out of the names: wrappers such as activation
    /// checkpointing or flop counters leave a marker in the middle of names.
    ///
    /// @throws CheckpointException if two tensors would get the same name
    default Checkpoint stripping(String text) {
        return renaming(name -> name.replace(text, ""));
    }

    /// The tensors below a prefix, without it: `under("vae")` calls `vae.encoder.weight` by the name `encoder.weight`.
    ///
    /// @throws CheckpointException if no name begins with the prefix and a dot
    default Checkpoint under(String prefix) {
        return RenamedCheckpoint.under(this, prefix);
    }

    /// This checkpoint with other names.
    ///
    /// @param rule maps a name of this checkpoint to the new one
    /// @throws CheckpointException if two tensors would get the same name
    default Checkpoint renaming(UnaryOperator<String> rule) {
        return RenamedCheckpoint.renaming(this, rule);
    }
}
