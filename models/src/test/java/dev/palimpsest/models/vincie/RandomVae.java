package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.SafeTensorsWriter;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Checkpoints of autoencoders with random weights in which every tensor matters.
final class RandomVae {
    private RandomVae() {}

    /// Small sizes that differ from each other.
    static CausalVideoVaeConfig config(int temporalScaleNum, Integer... widths) {
        return new CausalVideoVaeConfig(
                3,
                3,
                4,
                List.of(widths),
                1,
                2,
                temporalScaleNum,
                KernelInflation.NONE,
                List.of(0.9152),
                List.of(0.0),
                true,
                0);
    }

    /// Names and shapes of all tensors of such a model, built over a checkpoint that has none of them.
    static Map<String, Shape> shapes(Path folder, CausalVideoVaeConfig config) {
        Path path = folder.resolve("nothing.safetensors");
        new SafeTensorsWriter().write(path);
        Map<String, Shape> shapes = new LinkedHashMap<>();
        try (Checkpoint nothing = Checkpoint.open(path)) {
            CausalVideoVae vae = new CausalVideoVae(WeightTree.of(nothing), config);
            vae.parameters().forEach((name, parameter) -> shapes.put(name, parameter.shape()));
        }
        return shapes;
    }

    /// Random tensors of such a model, in the current scope.
    static Map<String, Tensor> tensors(Path folder, CausalVideoVaeConfig config, long seed) {
        TorchCpuRandom random = new TorchCpuRandom(seed);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        shapes(folder, config).forEach((name, shape) -> {
            float[] values = new float[Math.toIntExact(shape.elements())];
            random.randn(values);
            boolean vector = shape.rank() == 1;
            double scale = vector ? 0.1 : 1 / Math.sqrt((double) values.length / shape.dim(0));
            double centre = vector && name.contains("norm") && name.endsWith("weight") ? 1 : 0;
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) (centre + scale * values[i]);
            }
            tensors.put(name, Tensor.of(values, shape.dims()));
        });
        return tensors;
    }

    /// Writes tensors to a file.
    static Path write(Path path, Map<String, Tensor> tensors) {
        SafeTensorsWriter writer = new SafeTensorsWriter();
        tensors.forEach((name, tensor) -> writer.add(name, tensor.array()));
        writer.write(path);
        return path;
    }

    /// Writes a checkpoint of random tensors.
    static Path checkpoint(Path folder, CausalVideoVaeConfig config, long seed) {
        return Scope.run(() -> write(folder.resolve("vae" + seed + ".safetensors"), tensors(folder, config, seed)));
    }

    /// Writes a checkpoint whose tensors all repeat the same few random numbers, which is soon done for large ones.
    static Path largeCheckpoint(Path folder, CausalVideoVaeConfig config, DType dtype) {
        return Scope.run(() -> {
            Map<String, Shape> shapes = shapes(folder, config);
            long most =
                    shapes.values().stream().mapToLong(Shape::elements).max().orElseThrow();
            float[] values = new float[Math.toIntExact(most)];
            new TorchCpuRandom(1).randn(values);
            Tensor kernels = Tensor.of(values).mul(0.01).to(dtype); // (most)
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            shapes.forEach((name, shape) -> tensors.put(
                    name,
                    name.contains("norm") && name.endsWith("weight")
                            ? Tensor.full(dtype, shape, 1)
                            : kernels.slice(0, 0, Math.toIntExact(shape.elements()))
                                    .reshape(shape)));
            return write(folder.resolve("large.safetensors"), tensors);
        });
    }
}
