package dev.palimpsest.models.editinfinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.nio.file.Path;
import java.util.List;

/// Learned prompts in files: one tensor, `text_embedding_offset` `(1, rows, text channels)`. Adapters have files of
/// their own, see [dev.palimpsest.models.layers.LoraFiles].
public final class LearnedPromptFiles {
    private static final String PROMPT = "text_embedding_offset";

    private LearnedPromptFiles() {}

    /// Writes a learned prompt as safetensors.
    ///
    /// @throws CheckpointException if that fails
    public static void save(LearnedPrompt prompt, Path file) {
        SafeTensorsWriter writer = new SafeTensorsWriter().metadata("format", "pt");
        add(prompt, writer);
        writer.write(file);
    }

    /// Adds a learned prompt to a file that holds other things too.
    static void add(LearnedPrompt prompt, SafeTensorsWriter writer) {
        writer.add(PROMPT, prompt.embedding().array());
    }

    /// Reads a learned prompt of [LearnedPrompt#USED] rows, which belongs to the current scope.
    ///
    /// @param file with the tensor, beside which there may be others, or with a single tensor of any name
    /// @throws CheckpointException if the file cannot be read or holds no learned prompt
    public static LearnedPrompt load(Path file) {
        return load(file, LearnedPrompt.USED);
    }

    /// Reads a learned prompt, which belongs to the current scope.
    ///
    /// @param file with the tensor, beside which there may be others, or with a single tensor of any name
    /// @param used how many of its rows count
    /// @throws CheckpointException if the file cannot be read or holds no learned prompt
    public static LearnedPrompt load(Path file, int used) {
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            List<String> names = checkpoint.names().contains(PROMPT)
                    ? List.of(PROMPT)
                    : checkpoint.names().stream().limit(2).toList();
            if (names.size() != 1) {
                throw new CheckpointException(file, "holds no learned prompt, a tensor called " + PROMPT);
            }
            NdArray stored = checkpoint.tensor(names.getFirst());
            return Scope.run(() -> {
                try {
                    return new LearnedPrompt(
                            Tensor.borrow(stored, PROMPT).copy().to(DType.F32), used);
                } catch (IllegalArgumentException e) {
                    throw new CheckpointException(file, "holds no learned prompt: " + e.getMessage(), e);
                }
            });
        }
    }
}
