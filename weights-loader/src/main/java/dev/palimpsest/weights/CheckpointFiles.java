package dev.palimpsest.weights;

import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Locale;

/// Tells kinds of checkpoint files apart by their first bytes.
final class CheckpointFiles {
    private CheckpointFiles() {}

    /// Opens a file of any kind, or the shards that an index lists.
    static Checkpoint open(Path path) {
        MappedFile file = MappedFile.open(path);
        if (ShardedCheckpoint.isIndex(file)) {
            try (file) {
                return ShardedCheckpoint.openIndex(file);
            }
        }
        return read(file);
    }

    /// Opens a file that holds tensors itself.
    static Checkpoint openShard(Path path) {
        return read(MappedFile.open(path));
    }

    private static Checkpoint read(MappedFile file) {
        try {
            return detect(file);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static Checkpoint detect(MappedFile file) {
        if (file.size() == 0) {
            throw file.broken(-1, "is empty");
        }
        if (TorchFile.isZip(file)) {
            return TorchFile.readZip(file);
        }
        if (TorchFile.isLegacy(file)) {
            return TorchFile.readLegacy(file);
        }
        // A damaged file is best explained by the format that its name promises.
        if (SafeTensorsHeader.isLikely(file) || hasExtension(file.path(), "safetensors")) {
            return SafeTensors.read(file);
        }
        int shown = (int) Math.min(file.size(), 8);
        throw file.broken(
                -1,
                "is neither a safetensors nor a PyTorch file: it begins with the bytes "
                        + HexFormat.ofDelimiter(" ").formatHex(file.bytes(0, shown)));
    }

    static boolean hasExtension(Path path, String extension) {
        Path name = path.getFileName();
        return name != null && name.toString().toLowerCase(Locale.ROOT).endsWith("." + extension);
    }
}
