package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.LoadReport;
import dev.palimpsest.weights.SafeTensorsWriter;
import dev.palimpsest.weights.WeightTree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/// Checkpoints for tests: whatever tensors a model asks for, filled with random numbers of a sensible size.
public final class RandomWeights {
    private RandomWeights() {}

    /// Writes a checkpoint with everything that `build` takes from a tree.
    ///
    /// @param rename gives a tensor another name in the file, or leaves it out by giving null
    public static Path write(Path file, long seed, Consumer<WeightTree> build, UnaryOperator<String> rename) {
        Path empty = file.resolveSibling(file.getFileName() + ".empty");
        new SafeTensorsWriter().write(empty);
        try (Checkpoint nothing = Checkpoint.open(empty)) {
            WeightTree tree = WeightTree.of(nothing);
            build.accept(tree);
            Random random = new Random(seed);
            Scope.run(() -> {
                SafeTensorsWriter writer = new SafeTensorsWriter();
                for (LoadReport.Missing m : tree.report().missing()) {
                    Tensor values = values(m.name(), m.expected(), random);
                    String name = rename.apply(m.name());
                    if (name != null) {
                        writer.add(name, values.array());
                    }
                }
                writer.write(file);
                return null;
            });
        }
        try {
            Files.delete(empty);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return file;
    }

    private static Tensor values(String name, Shape shape, Random random) {
        boolean matrix = shape.rank() > 1;
        double spread = matrix ? 1 / Math.sqrt(shape.dim(1)) : 0.3;
        double centre = !matrix && (name.contains("norm") || name.contains("scale") || name.contains("gate")) ? 1 : 0;
        float[] values = new float[Math.toIntExact(shape.elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (centre + spread * random.nextGaussian());
        }
        return Tensor.of(values, shape.dims());
    }
}
