package dev.palimpsest.models.editinfinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LearnedPromptFilesTest {
    @Test
    void aSingleTensorOfAnyNameAndTypeIsALearnedPrompt(@TempDir Path folder) {
        Scope.run(() -> {
            Path file = folder.resolve("embedding_it9.safetensors");
            Tensor stored = Tensor.full(DType.BF16, Shape.of(1, 24, 3), 0.5);
            new SafeTensorsWriter().add("tensor", stored.array()).write(file);
            LearnedPrompt prompt = LearnedPromptFiles.load(file);
            assertThat(prompt.embedding().dtype()).isEqualTo(DType.F32);
            assertThat(prompt.embedding().shape()).isEqualTo(stored.shape());
            assertThat(prompt.embedding().min().item()).isEqualTo(0.5);
            return null;
        });
    }

    @Test
    void aFileWithoutALearnedPromptIsRefused(@TempDir Path folder) {
        Scope.run(() -> {
            Path two = folder.resolve("two.safetensors");
            new SafeTensorsWriter()
                    .add("a", Tensor.ones(1, 20, 3).array())
                    .add("b", Tensor.ones(1, 20, 3).array())
                    .write(two);
            assertThatThrownBy(() -> LearnedPromptFiles.load(two))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("text_embedding_offset");
            Path few = folder.resolve("few.safetensors");
            new SafeTensorsWriter().add("a", Tensor.ones(1, 19, 3).array()).write(few);
            assertThatThrownBy(() -> LearnedPromptFiles.load(few))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("few.safetensors")
                    .hasMessageContaining("(1, 19, 3)");
            return null;
        });
    }
}
