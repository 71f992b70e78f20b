package dev.palimpsest.models.editinfinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.layers.LoraFiles;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Where an inversion lies on disk, finished or under way.
///
/// | file | holds |
/// | --- | --- |
/// | `inversion.json` | what it is made of, see [InversionDescription]; the first file to be written |
/// | `source.png` | the picture |
/// | `source.safetensors` | its bits, `bits_<scale>` `(1, 1, h, w, channels)` |
/// | `checkpoint.safetensors` | the state of learning, until it is finished; see [TrainingState] |
/// | `learned.safetensors` | what was learned, in the original's names: `text_embedding_offset`, `<layer>.lora_A`,
/// `<layer>.lora_B`. Once it is there the inversion is finished |
///
/// Every file appears under its name only when it is complete.
final class InversionFolder {
    private static final String DESCRIPTION = "inversion.json";
    private static final String PICTURE = "source.png";
    private static final String BITS = "source.safetensors";
    private static final String BITS_OF_SCALE = "bits_";
    private static final String STATE = "checkpoint.safetensors";
    private static final String LEARNED = "learned.safetensors";

    private final Path folder;
    private final InversionDescription description;

    private InversionFolder(Path folder, InversionDescription description) {
        this.folder = folder;
        this.description = description;
    }

    /// Begins an inversion, or goes on with one of the same description.
    ///
    /// @throws IllegalArgumentException if there is one of another description, or something else
    /// @throws CheckpointException if the folder cannot be written
    static InversionFolder begin(Path folder, InversionDescription description, RgbImage picture) {
        InversionFolder begun = new InversionFolder(folder, description);
        if (Files.exists(folder.resolve(DESCRIPTION))) {
            InversionDescription there = InversionDescription.read(JsonObject.read(folder.resolve(DESCRIPTION)));
            description.difference(there).ifPresent(difference -> {
                throw new IllegalArgumentException(folder + ": holds an inversion with other settings (asked for "
                        + difference + "); give the same settings as before, or another folder");
            });
        } else {
            requireEmpty(folder);
            try {
                Files.createDirectories(folder);
            } catch (IOException e) {
                throw new CheckpointException(folder, "cannot be made: " + CheckpointException.describe(e), e);
            }
            write(folder.resolve(DESCRIPTION), description.toJson());
        }
        if (!Files.exists(folder.resolve(PICTURE))) {
            ImageFiles.writePng(picture, folder.resolve(PICTURE), Map.of());
        }
        return begun;
    }

    /// Opens a finished inversion.
    ///
    /// @throws CheckpointException if there is none
    static InversionFolder open(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new CheckpointException(
                    folder,
                    Files.exists(folder) ? "is a file, not the folder of an inversion" : "there is no such folder");
        }
        Path json = folder.resolve(DESCRIPTION);
        if (!Files.exists(json)) {
            throw new CheckpointException(folder, "is not the folder of an inversion, it lacks " + DESCRIPTION);
        }
        InversionFolder opened = new InversionFolder(folder, InversionDescription.read(JsonObject.read(json)));
        if (!opened.isFinished()) {
            throw new CheckpointException(
                    folder, "holds an inversion that is not finished; invert the picture again to go on with it");
        }
        return opened;
    }

    /// Files that begin with a dot do not count: they may be left over from a process that was killed.
    private static void requireEmpty(Path folder) {
        if (!Files.exists(folder)) {
            return;
        }
        if (!Files.isDirectory(folder)) {
            throw new IllegalArgumentException(folder + ": is a file; give a folder for the inversion");
        }
        try (Stream<Path> files = Files.list(folder)) {
            if (files.anyMatch(file -> !String.valueOf(file.getFileName()).startsWith("."))) {
                throw new IllegalArgumentException(
                        folder + ": is not empty and holds no inversion; give another folder");
            }
        } catch (IOException e) {
            throw new CheckpointException(folder, "cannot be listed: " + CheckpointException.describe(e), e);
        }
    }

    private static void write(Path file, String text) {
        Path part = file.resolveSibling("." + file.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                ByteBuffer bytes = StandardCharsets.UTF_8.encode(text);
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            }
            try {
                Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(part);
            }
        } catch (IOException e) {
            throw new CheckpointException(file, "cannot be written: " + CheckpointException.describe(e), e);
        }
    }

    InversionDescription description() {
        return description;
    }

    boolean isFinished() {
        return Files.exists(folder.resolve(LEARNED));
    }

    /// The picture as it was given.
    RgbImage picture() {
        Path file = folder.resolve(PICTURE);
        if (!Files.exists(file)) {
            throw new CheckpointException(folder, "lacks " + PICTURE);
        }
        return ImageFiles.read(file);
    }

    /// Whether the picture's bits are stored.
    boolean hasBits() {
        return Files.exists(folder.resolve(BITS));
    }

    /// Stores the picture's bits.
    void keepBits(List<Tensor> bits) {
        SafeTensorsWriter writer = new SafeTensorsWriter();
        for (int k = 0; k < bits.size(); k++) {
            writer.add(BITS_OF_SCALE + k, bits.get(k).array());
        }
        writer.write(folder.resolve(BITS));
    }

    /// The bits that are stored; they belong to the current scope.
    ///
    /// @throws CheckpointException if they are not bits
    List<Tensor> bits() {
        Path file = folder.resolve(BITS);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            return Scope.run(() -> {
                List<Tensor> bits = new ArrayList<>();
                for (int k = 0; k < description.layout().schedule().size(); k++) {
                    String name = BITS_OF_SCALE + k;
                    Tensor stored = Tensor.borrow(checkpoint.tensor(name), name);
                    if (stored.dtype() != DType.U8
                            || stored.elements() == 0
                            || stored.to(DType.F32).max().item() > 1) {
                        throw new CheckpointException(file, name + " " + stored.shape() + " does not hold bits");
                    }
                    bits.add(stored.copy());
                }
                return bits;
            });
        }
    }

    /// Where the state of learning lies.
    Path state() {
        return folder.resolve(STATE);
    }

    /// Writes what was learned and removes the state of learning.
    void finish(@Nullable LearnedPrompt prompt, @Nullable Lora adapters) {
        SafeTensorsWriter writer = new SafeTensorsWriter().metadata("format", "pt");
        if (prompt != null) {
            LearnedPromptFiles.add(prompt, writer);
        }
        if (adapters != null) {
            LoraFiles.add(adapters, writer);
        }
        writer.write(folder.resolve(LEARNED));
        try {
            Files.deleteIfExists(state());
        } catch (IOException e) {
            throw new CheckpointException(state(), "cannot be removed: " + CheckpointException.describe(e), e);
        }
    }

    /// The learned prompt, which belongs to the current scope; null if none was learned.
    ///
    /// @param textChannels width of the model's text features
    /// @throws CheckpointException if it is damaged
    @Nullable
    LearnedPrompt prompt(int textChannels) {
        if (description.promptUpdates() == 0) {
            return null;
        }
        Path file = folder.resolve(LEARNED);
        return prompt(file, description.learnedRows(), textChannels);
    }

    /// A learned prompt in any file, which belongs to the current scope.
    ///
    /// @throws CheckpointException if it is damaged or of another model
    static LearnedPrompt prompt(Path file, int rows, int textChannels) {
        LearnedPrompt prompt = LearnedPromptFiles.load(file, rows);
        int width = prompt.embedding().dim(2);
        if (width != textChannels) {
            throw new CheckpointException(
                    file, "holds a learned prompt of width " + width + ", but the model's texts have " + textChannels);
        }
        requireFinite(file, prompt);
        return prompt;
    }

    /// The learned adapters, which belong to the current scope and are not attached; null if none were learned.
    ///
    /// @throws CheckpointException if they are damaged
    @Nullable
    Lora adapters(Module model) {
        if (description.adapterUpdates() == 0) {
            return null;
        }
        return adapters(folder.resolve(LEARNED), description.lora(), model);
    }

    /// Adapters in any file, which belong to the current scope and are not attached.
    ///
    /// @throws CheckpointException if they are damaged or of another model
    static Lora adapters(Path file, Lora.Settings settings, Module model) {
        Lora adapters = LoraFiles.load(model, file, settings);
        requireFinite(file, adapters);
        return adapters;
    }

    private static void requireFinite(Path file, Scope.Holder learned) {
        for (Tensor tensor : learned.tensors()) {
            for (float value : tensor.toFloatArray()) {
                if (!Float.isFinite(value)) {
                    throw new CheckpointException(file, "holds learned numbers that are not finite");
                }
            }
        }
    }
}
