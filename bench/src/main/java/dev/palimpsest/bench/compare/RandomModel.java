package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.Inputs;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.LoadReport;
import dev.palimpsest.weights.SafeTensorsWriter;
import dev.palimpsest.weights.WeightTree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/// A checkpoint with whatever tensors a model asks for, filled with random numbers of a sensible size, and mapped as a
/// real one is. Both sides read the same memory.
final class RandomModel implements AutoCloseable {
    private static final double SQRT_3 = Math.sqrt(3);
    private static final String PREFIX = "palimpsest-bench";

    /// Linux keeps files of this folder in memory. Elsewhere a gigabyte would first have to reach the disk.
    private static final Path MEMORY = Path.of("/dev/shm");

    private final Checkpoint checkpoint;

    private RandomModel(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    /// A checkpoint with everything that `build` takes from a tree.
    ///
    /// @param type of every tensor
    static RandomModel of(DType type, Consumer<WeightTree> build) {
        try {
            Path folder = Files.isWritable(MEMORY)
                    ? Files.createTempDirectory(MEMORY, PREFIX)
                    : Files.createTempDirectory(PREFIX);
            Path empty = folder.resolve("empty.safetensors");
            Path file = folder.resolve("model.safetensors");
            new SafeTensorsWriter().write(empty);
            List<LoadReport.Missing> wanted;
            try (Checkpoint nothing = Checkpoint.open(empty)) {
                WeightTree tree = WeightTree.of(nothing);
                build.accept(tree);
                wanted = tree.report().missing();
            }
            try (Arena arena = Arena.ofShared()) {
                SafeTensorsWriter writer = new SafeTensorsWriter();
                Inputs random = new Inputs(arena);
                for (LoadReport.Missing m : wanted) {
                    writer.add(m.name(), values(random, type, m.name(), m.expected()));
                }
                writer.write(file);
            }
            Checkpoint checkpoint = Checkpoint.open(file);
            // on Linux what is mapped stays readable
            Files.delete(file);
            Files.delete(empty);
            Files.delete(folder);
            return new RandomModel(checkpoint);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Matrices keep the size of what they are multiplied with; factors are about 1.
    private static NdArray values(Inputs random, DType type, String name, Shape shape) {
        boolean matrix = shape.rank() > 1 && shape.elements() > shape.dim(shape.rank() - 1);
        long inner = matrix ? shape.elements() / shape.dim(0) : 1;
        boolean factor = !matrix && (name.contains("norm") || name.contains("scale") || name.contains("gate"));
        double spread = matrix ? SQRT_3 / Math.sqrt((double) inner) : 0.3;
        double centre = factor ? 1 : 0;
        return random.uniform(type, centre - spread, centre + spread, shape);
    }

    /// The tree of the tensors.
    WeightTree tree() {
        return WeightTree.of(checkpoint);
    }

    /// A tensor.
    NdArray get(String name) {
        return checkpoint.tensor(name);
    }

    /// Whether there is one.
    boolean has(String name) {
        return checkpoint.names().contains(name);
    }

    @Override
    public void close() {
        checkpoint.close();
    }
}
