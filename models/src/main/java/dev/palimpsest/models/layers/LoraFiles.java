package dev.palimpsest.models.layers;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/// Low-rank adapters in files: `<path of the layer>.lora_A` `(rank, in)` and `<path of the layer>.lora_B` `(out,
/// rank)`.
///
/// Files are written as safetensors, with alpha in the metadata. Those that the original of EditInfinity writes are
/// read as well: PyTorch files without alpha, in which every tensor is flat.
public final class LoraFiles {
    private static final String ALPHA = "lora_alpha";
    private static final String RANK = "lora_rank";

    private LoraFiles() {}

    /// Writes adapters.
    ///
    /// @throws CheckpointException if that fails
    public static void save(Lora lora, Path file) {
        SafeTensorsWriter writer = new SafeTensorsWriter().metadata("format", "pt");
        add(lora, writer);
        writer.write(file);
    }

    /// Adds adapters to a file that holds other things too.
    public static void add(Lora lora, SafeTensorsWriter writer) {
        writer.metadata(ALPHA, Double.toString(lora.settings().alpha()))
                .metadata(RANK, Integer.toString(lora.settings().rank()));
        lora.parameters()
                .forEach((name, parameter) -> writer.add(name, parameter.value().array()));
    }

    /// Reads adapters for a model; they are not attached yet and belong to the current scope.
    ///
    /// @param file safetensors or PyTorch; other tensors in it are passed over
    /// @param settings rank and alpha where the file does not say them; its tensors decide the rank
    /// @throws CheckpointException if the file cannot be read, or does not fit the model
    public static Lora load(Module root, Path file, Lora.Settings settings) {
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            Map<String, String> metadata = checkpoint.metadata();
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (String name : checkpoint.names()) {
                if (name.endsWith(Lora.DOWN) || name.endsWith(Lora.UP)) {
                    tensors.put(name, Tensor.borrow(checkpoint.tensor(name), name));
                }
            }
            try {
                Lora.Settings own = new Lora.Settings(
                        Integer.parseInt(metadata.getOrDefault(RANK, Integer.toString(settings.rank()))),
                        Double.parseDouble(metadata.getOrDefault(ALPHA, Double.toString(settings.alpha()))),
                        settings.dropout());
                return Scope.run(() -> Lora.of(root, own, tensors));
            } catch (IllegalArgumentException e) {
                throw new CheckpointException(file, "holds no adapters for this model: " + e.getMessage(), e);
            }
        }
    }
}
