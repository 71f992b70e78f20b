package dev.palimpsest.examples;

import dev.palimpsest.examples.RandomCheckpoint.Format;
import dev.palimpsest.kernels.Shape;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/// `palimpsest random-infinity`: a model folder as Infinity is released, with random elements.
@Command(
        name = "random-infinity",
        mixinStandardHelpOptions = true,
        description = {
            "Writes a folder in the layout of Infinity's released files from lists of names and shapes, with random elements:",
            "infinity_2b_reg.pth, infinity_vae_d32reg.pth and the shards of flan-t5-xl.",
            "Its pictures are noise, but it takes the memory and the time of the trained model."
        })
final class RandomInfinityCommand implements Callable<Integer> {
    private static final String EMBEDDINGS = "shared.weight";

    /// Names that the released files give to tensors they hold already.
    private static final Map<String, String> TIES = Map.of(
            "encoder.embed_tokens.weight", EMBEDDINGS,
            "decoder.embed_tokens.weight", EMBEDDINGS,
            "quantize.lfq.mask", "quantizer.lfq.mask");
    private static final String FIRST_BLOCK = "encoder.block.0.layer.";

    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Main main;

    @Option(
            names = "--transformer-keys",
            required = true,
            paramLabel = "FILE",
            description = "Names and shapes of the transformer, as 'random-checkpoint --keys' reads them.")
    private Path transformer;

    @Option(
            names = "--vae-keys",
            required = true,
            paramLabel = "FILE",
            description = "Names and shapes of the autoencoder.")
    private Path vae;

    @Option(
            names = "--text-encoder-keys",
            required = true,
            paramLabel = "FILE",
            description = "Names and shapes of the text encoder.")
    private Path textEncoder;

    @Option(
            names = "--vocabulary",
            required = true,
            paramLabel = "FILE",
            description = "The text encoder's spiece.model, which is copied.")
    private Path vocabulary;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "The model folder to write.")
    private Path out;

    @Option(
            names = "--shards",
            paramLabel = "N",
            defaultValue = "2",
            description = "Shards of the text encoder; default: ${DEFAULT-VALUE}.")
    private int shards;

    @Option(
            names = "--format",
            paramLabel = "torch|safetensors",
            defaultValue = "torch",
            converter = RandomCheckpointCommand.FormatConverter.class,
            description = "Format of those shards; default: ${DEFAULT-VALUE}.")
    private Format format;

    @Mixin
    private RandomCheckpointCommand.Elements elements;

    @Option(names = "--force", description = "Replace what is there.")
    private boolean force;

    @Override
    public Integer call() throws IOException {
        if (shards < 1) {
            throw new UserException("--shards: " + shards + " is below 1");
        }
        if (!Files.isRegularFile(vocabulary)) {
            throw new UserException("--vocabulary: there is no file " + vocabulary);
        }
        Map<String, Shape> text = RandomTensors.shapes(textEncoder);
        RandomCheckpoint first = checkpoint(RandomTensors.shapes(transformer), Format.TORCH, null);
        RandomCheckpoint second = checkpoint(RandomTensors.shapes(vae), Format.TORCH, "vae");
        RandomCheckpoint third = checkpoint(text, format, null);
        String config = config(text);

        RandomFiles files = new RandomFiles(spec.commandLine(), main.surroundings.terminal(), force);
        files.requireRoom(out, first.bytes() + second.bytes() + third.bytes());
        Files.createDirectories(out);
        files.write(out.resolve("infinity_2b_reg.pth"), first);
        files.write(out.resolve("infinity_vae_d32reg.pth"), second);
        Path folder = out.resolve("flan-t5-xl");
        files.writeShards(folder, third, shards);
        Files.writeString(folder.resolve("config.json"), config);
        Files.write(folder.resolve("spiece.model"), Files.readAllBytes(vocabulary));
        return ExitCode.OK;
    }

    private RandomCheckpoint checkpoint(Map<String, Shape> shapes, Format format, @Nullable String wrapper) {
        Map<String, String> ties = new LinkedHashMap<>(TIES);
        ties.entrySet().removeIf(tie -> !shapes.containsKey(tie.getKey()) || !shapes.containsKey(tie.getValue()));
        return new RandomCheckpoint(shapes, elements.dtype, format, wrapper, ties, elements.seed);
    }

    /// The text encoder's configuration as far as its shapes tell it.
    private String config(Map<String, Shape> text) {
        Shape table = shape(text, EMBEDDINGS);
        Shape queries = shape(text, FIRST_BLOCK + "0.SelfAttention.q.weight");
        Shape bias = shape(text, FIRST_BLOCK + "0.SelfAttention.relative_attention_bias.weight");
        Shape inner = shape(text, FIRST_BLOCK + "1.DenseReluDense.wi_0.weight");
        long layers = text.keySet().stream()
                .filter(name -> name.startsWith("encoder.") && name.endsWith("SelfAttention.q.weight"))
                .count();
        var json = new StringWriter();
        JsonOutput.write(new PrintWriter(json), g -> {
            g.writeStringProperty("model_type", "t5");
            g.writeNumberProperty("vocab_size", table.dim(0));
            g.writeNumberProperty("d_model", table.dim(1));
            g.writeNumberProperty("d_kv", queries.dim(0) / bias.dim(1));
            g.writeNumberProperty("d_ff", inner.dim(0));
            g.writeNumberProperty("num_layers", layers);
            g.writeNumberProperty("num_heads", bias.dim(1));
            g.writeNumberProperty("relative_attention_num_buckets", bias.dim(0));
            g.writeNumberProperty("relative_attention_max_distance", 128);
            g.writeStringProperty("feed_forward_proj", "gated-gelu");
            g.writeNumberProperty("layer_norm_epsilon", 1e-6);
        });
        return json.toString();
    }

    private Shape shape(Map<String, Shape> text, String name) {
        Shape shape = text.get(name);
        if (shape == null || shape.rank() != 2 || shape.dim(1) == 0) {
            throw new UserException("--text-encoder-keys: " + textEncoder + " has no matrix " + name
                    + "; it must list the tensors of a T5 encoder");
        }
        return shape;
    }
}
