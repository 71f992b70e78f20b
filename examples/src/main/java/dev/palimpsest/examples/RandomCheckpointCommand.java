package dev.palimpsest.examples;

import dev.palimpsest.examples.RandomCheckpoint.Format;
import dev.palimpsest.kernels.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/// `palimpsest random-checkpoint`: a checkpoint of real names and shapes with random elements, to try loading, memory
/// and speed without trained weights.
@Command(
        name = "random-checkpoint",
        mixinStandardHelpOptions = true,
        description = {
            "Writes a checkpoint with the names and shapes of a list and random elements: a PyTorch or safetensors file,",
            "or a folder of shards with their index.",
            "The same list, type and seed give the same elements, in whatever form they are written."
        })
final class RandomCheckpointCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Main main;

    @Option(
            names = "--keys",
            required = true,
            paramLabel = "FILE",
            description = "The list: a JSON object of names with their shapes, {\"layer.weight\": [512, 2048], ...}.")
    private Path keys;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "FILE|DIR",
            description = "Where it goes. A name that ends in .safetensors asks for that format, others for PyTorch's.")
    private Path out;

    @Option(
            names = "--shards",
            paramLabel = "N",
            description = "Write a folder of so many shards with an index, pytorch_model-0000i-of-0000n.bin.")
    private @Nullable Integer shards;

    @Option(
            names = "--format",
            paramLabel = "torch|safetensors",
            converter = FormatConverter.class,
            description = "Format of the files, where the name does not tell.")
    private @Nullable Format format;

    @Option(
            names = "--under",
            paramLabel = "KEY",
            description = "Wrap the tensors in a dictionary with this key, as an autoencoder's under 'vae'.")
    private @Nullable String under;

    @Option(
            names = "--tie",
            paramLabel = "NAME=OTHER",
            description = "A tensor that shares the elements of another one; safetensors leaves it out.")
    private Map<String, String> ties = new LinkedHashMap<>();

    @Mixin
    private Elements elements;

    @Option(names = "--force", description = "Replace what is there.")
    private boolean force;

    /// What the elements are, the same for all commands that make some.
    static final class Elements {
        @Option(
                names = "--dtype",
                paramLabel = "bf16|f16|f32",
                defaultValue = "bf16",
                converter = TypeConverter.class,
                description = "Type of the elements; default: ${DEFAULT-VALUE}.")
        DType dtype = DType.BF16;

        @Option(names = "--seed", paramLabel = "N", defaultValue = "0", description = "Default: ${DEFAULT-VALUE}.")
        long seed;
    }

    @Override
    public Integer call() throws IOException {
        if (shards != null && shards < 1) {
            throw new UserException("--shards: " + shards + " is below 1");
        }
        var checkpoint =
                new RandomCheckpoint(RandomTensors.shapes(keys), elements.dtype, format(), under, ties, elements.seed);
        RandomFiles files = new RandomFiles(spec.commandLine(), main.surroundings.terminal(), force);
        files.requireRoom(out, checkpoint.bytes());
        if (shards == null) {
            files.write(out, checkpoint);
        } else {
            files.writeShards(out, checkpoint, shards);
        }
        return ExitCode.OK;
    }

    private Format format() {
        if (format != null) {
            return format;
        }
        Path name = out.getFileName();
        return name != null && name.toString().endsWith(".safetensors") ? Format.SAFETENSORS : Format.TORCH;
    }

    /// Reads `bf16`, `f16`, `f32`.
    static final class TypeConverter implements ITypeConverter<DType> {
        @Override
        public DType convert(String value) {
            return Words.constant(new DType[] {DType.BF16, DType.F16, DType.F32}, value);
        }
    }

    /// Reads `torch` and `safetensors`.
    static final class FormatConverter implements ITypeConverter<Format> {
        @Override
        public Format convert(String value) {
            return Words.constant(Format.values(), value);
        }
    }
}
