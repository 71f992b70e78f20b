package dev.palimpsest.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Linear;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.Parameter;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LoraFilesTest {
    private static final class Net extends Module {
        Net() {
            child("block_chunks.0.fc1", new Linear(Tensor.ones(6, 4), null));
        }
    }

    @Test
    void adaptersComeBackAsTheyWereWithTheirStrength(@TempDir Path folder) {
        Scope.run(() -> {
            Net net = new Net();
            Lora saved = Lora.create(net, new Lora.Settings(3, 7, 0.2), new TorchCpuRandom(1), "*");
            Path file = folder.resolve("lora.safetensors");
            LoraFiles.save(saved, file);
            Lora loaded = LoraFiles.load(net, file, Lora.Settings.DEFAULTS);
            assertThat(loaded.settings()).isEqualTo(new Lora.Settings(3, 7, Lora.Settings.DEFAULTS.dropout()));
            assertThat(loaded.parameters().keySet())
                    .isEqualTo(saved.parameters().keySet());
            saved.parameters()
                    .forEach((name, p) -> assertThat(value(loaded, name)).containsExactly(numbers(p)));
            return null;
        });
    }

    @Test
    void flatTensorsWithoutStrengthAreRead(@TempDir Path folder) {
        Scope.run(() -> {
            Path file = folder.resolve("lora_weight_10iter.safetensors");
            Tensor down = Tensor.of(new float[] {1, 2, 3, 4, 5, 6, 7, 8});
            Tensor up = Tensor.ones(12);
            new SafeTensorsWriter()
                    .add("block_chunks.0.fc1.lora_A", down.array())
                    .add("block_chunks.0.fc1.lora_B", up.array())
                    .write(file);
            Lora loaded = LoraFiles.load(new Net(), file, Lora.Settings.DEFAULTS);
            assertThat(value(loaded, "block_chunks.0.fc1.lora_A")).containsExactly(1, 2, 3, 4, 5, 6, 7, 8);
            assertThat(loaded.parameters().values())
                    .extracting(Parameter::shape)
                    .containsExactly(Shape.of(2, 4), Shape.of(6, 2));
            assertThat(loaded.settings()).isEqualTo(Lora.Settings.DEFAULTS);
            return null;
        });
    }

    @Test
    void aFileForAnotherModelIsRefusedByName(@TempDir Path folder) {
        Scope.run(() -> {
            Path file = folder.resolve("other.safetensors");
            new SafeTensorsWriter()
                    .add("blocks.0.fc1.lora_A", Tensor.ones(2, 4).array())
                    .write(file);
            assertThatThrownBy(() -> LoraFiles.load(new Net(), file, Lora.Settings.DEFAULTS))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("other.safetensors")
                    .hasMessageContaining("blocks.0.fc1.lora_A");
            return null;
        });
    }

    private static float[] value(Lora lora, String name) {
        return lora.parameters().entrySet().stream()
                .filter(e -> e.getKey().equals(name))
                .map(e -> numbers(e.getValue()))
                .findFirst()
                .orElseThrow();
    }

    private static float[] numbers(Parameter p) {
        return p.value().toFloatArray();
    }
}
