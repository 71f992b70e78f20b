package dev.palimpsest.examples;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/// A tiny VINCIE with random weights in a folder laid out as a real one, to show how everything works without any
/// download. Its pictures are noise.
final class DemoModel {
    private static final String FOLDER = "demo-model-1";
    private static final int VOCABULARY = 256;
    private static final int SPECIAL_TOKENS = 208;

    private static final int WIDTH = 64;
    private static final int HEADS = 4;
    private static final int HEAD_WIDTH = 16;
    private static final int HIDDEN = 256;
    private static final int LAYERS = 3;
    private static final int SEPARATE_LAYERS = 1;
    private static final int TEXT_WIDTH = 32;
    private static final int TEXT_HIDDEN = 64;
    private static final int TEXT_LAYERS = 2;
    private static final int PROMPTS = 64;
    private static final int LATENT = 16;
    private static final int TIME_FREQUENCIES = 256;
    private static final int[] VAE_WIDTHS = {16, 16, 32, 32};

    private static final String CONFIG = """
            {
              "vae": {"norm_num_groups": 4, "use_sample": false},
              "diffusion": {"timesteps": {"sampling": {"type": "uniform_trailing", "steps": 8}}},
              "generation": {"resolution": 128, "negative_prompt": "Blurry"}
            }
            """;

    private static final String TEXT_CONFIG = """
            {"kv_channels": 8, "rotary_emb_base": 10000, "layer_norm_epsilon": 1e-6}
            """;

    /// Weights of a layer are drawn so that its output has about the deviation of its input.
    private final SplittableRandom random = new SplittableRandom(20_260_101);

    private final Arena arena;
    private SafeTensorsWriter writer = new SafeTensorsWriter();

    private DemoModel(Arena arena) {
        this.arena = arena;
    }

    /// A folder with the model, for as long as it is open.
    ///
    /// @param path the folder
    /// @param temporary whether it is removed when it is closed
    record Folder(Path path, boolean temporary) implements AutoCloseable {
        /// A folder that stays.
        static Folder of(Path path) {
            return new Folder(path, false);
        }

        @Override
        public void close() {
            if (temporary) {
                try {
                    delete(path);
                } catch (IOException e) {
                    throw new UserException(path + ": a temporary folder cannot be removed: " + e.getMessage(), e);
                }
            }
        }
    }

    /// The folder of the model, written on first use.
    ///
    /// @param cache where to look and to write; if it cannot be written, a temporary folder is
    static Folder provide(Path cache) {
        Path folder = cache.resolve(FOLDER);
        if (Files.isDirectory(folder)) {
            return Folder.of(folder);
        }
        try {
            try {
                Files.createDirectories(cache);
                write(Files.createTempDirectory(cache, FOLDER), folder);
                return Folder.of(folder);
            } catch (FileSystemException e) {
                Path temporary = Files.createTempDirectory("palimpsest-");
                write(temporary, temporary);
                return new Folder(temporary, true);
            }
        } catch (IOException e) {
            throw new UserException(
                    "the demo model can be written neither to " + cache + " nor to the system's folder for "
                            + "temporary files: " + e.getMessage(),
                    e);
        }
    }

    /// Writes the model to a folder, which then becomes `target`, so that nobody finds half a model. If that fails the
    /// folder is removed.
    private static void write(Path folder, Path target) throws IOException {
        boolean done = false;
        try {
            fill(folder);
            if (!folder.equals(target)) {
                rename(folder, target);
            }
            done = true;
        } finally {
            if (!done) {
                delete(folder);
            }
        }
    }

    private static void fill(Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            var model = new DemoModel(arena);
            Path text = Files.createDirectories(folder.resolve("llm14b"));
            model.transformer();
            model.finish(folder.resolve("dit.safetensors"));
            model.autoencoder();
            model.finish(folder.resolve("vae.safetensors"));
            model.textEncoder();
            model.finish(text.resolve("model.safetensors"));
            Files.writeString(text.resolve("qwen.tiktoken"), vocabulary());
            Files.writeString(text.resolve("config.json"), TEXT_CONFIG);
            Files.writeString(folder.resolve("config.json"), CONFIG);
        }
    }

    private static void rename(Path folder, Path target) throws IOException {
        try {
            Files.move(folder, target);
        } catch (FileSystemException e) {
            if (!Files.isDirectory(target)) {
                throw e;
            }
            delete(folder); // another process was faster
        }
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> tree = Files.walk(folder)) {
            for (Path file : tree.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /// Every byte is a token of its own.
    private static String vocabulary() {
        var lines = new StringBuilder();
        for (int i = 0; i < VOCABULARY; i++) {
            lines.append(Base64.getEncoder().encodeToString(new byte[] {(byte) i}))
                    .append(' ')
                    .append(i)
                    .append('\n');
        }
        return lines.toString();
    }

    private void transformer() {
        linear("vid_in.proj", 4 * (2 * LATENT + 1), WIDTH, true);
        linear("txt_in", TEXT_WIDTH, WIDTH, true);
        linear("emb_in.proj_in", TIME_FREQUENCIES, WIDTH, true);
        linear("emb_in.proj_hid", WIDTH, WIDTH, true);
        linear("emb_in.proj_out", WIDTH, 6 * WIDTH, true);
        for (int i = 0; i < LAYERS; i++) {
            String block = "blocks." + i + ".";
            String[] streams = i < SEPARATE_LAYERS ? new String[] {"vid", "txt"} : new String[] {"all"};
            for (String s : streams) {
                linear(block + "attn.proj_qkv." + s, WIDTH, 3 * HEADS * HEAD_WIDTH, false);
                linear(block + "attn.proj_out." + s, HEADS * HEAD_WIDTH, WIDTH, true);
                around(1, block + "attn.norm_q." + s + ".weight", HEAD_WIDTH);
                around(1, block + "attn.norm_k." + s + ".weight", HEAD_WIDTH);
                linear(block + "mlp." + s + ".proj_in_gate", WIDTH, HIDDEN, false);
                linear(block + "mlp." + s + ".proj_in", WIDTH, HIDDEN, false);
                linear(block + "mlp." + s + ".proj_out", HIDDEN, WIDTH, false);
                for (String part : new String[] {"attn", "mlp"}) {
                    around(0, block + "ada." + s + "." + part + "_shift", WIDTH);
                    around(1, block + "ada." + s + "." + part + "_scale", WIDTH);
                    around(0.5, block + "ada." + s + "." + part + "_gate", WIDTH);
                }
            }
        }
        around(1, "vid_out_norm.weight", WIDTH);
        around(0, "vid_out_ada.out_shift", WIDTH);
        around(1, "vid_out_ada.out_scale", WIDTH);
        linear("vid_out.proj", WIDTH, 4 * LATENT, true);
        normal(1, "prompt_id_embedding.embedding.weight", PROMPTS, TEXT_WIDTH);
    }

    private void autoencoder() {
        int last = VAE_WIDTHS.length - 1;
        convolution("encoder.conv_in", 3, VAE_WIDTHS[0], 3, 3);
        for (int i = 0; i <= last; i++) {
            String block = "encoder.down_blocks." + i + ".";
            resnet(block + "resnets.0", i == 0 ? VAE_WIDTHS[0] : VAE_WIDTHS[i - 1], VAE_WIDTHS[i]);
            if (i < last) {
                convolution(block + "downsamplers.0.conv", VAE_WIDTHS[i], VAE_WIDTHS[i], i == 0 ? 1 : 3, 3);
            }
        }
        middle("encoder", VAE_WIDTHS[last]);
        norm("encoder.conv_norm_out", VAE_WIDTHS[last]);
        convolution("encoder.conv_out", VAE_WIDTHS[last], 2 * LATENT, 3, 3);

        convolution("decoder.conv_in", LATENT, VAE_WIDTHS[last], 3, 3);
        middle("decoder", VAE_WIDTHS[last]);
        for (int i = 0; i <= last; i++) {
            String block = "decoder.up_blocks." + i + ".";
            int width = VAE_WIDTHS[last - i];
            for (int j = 0; j < 2; j++) {
                resnet(block + "resnets." + j, i > 0 && j == 0 ? VAE_WIDTHS[last - i + 1] : width, width);
            }
            if (i < last) {
                convolution(block + "upsamplers.0.upscale_conv", width, width * (i < 2 ? 8 : 4), 1, 1);
                convolution(block + "upsamplers.0.conv", width, width, 3, 3);
            }
        }
        norm("decoder.conv_norm_out", VAE_WIDTHS[0]);
        convolution("decoder.conv_out", VAE_WIDTHS[0], 3, 3, 3);
    }

    private void resnet(String name, int in, int out) {
        norm(name + ".norm1", in);
        convolution(name + ".conv1", in, out, 3, 3);
        norm(name + ".norm2", out);
        convolution(name + ".conv2", out, out, 3, 3);
        if (in != out) {
            convolution(name + ".conv_shortcut", in, out, 1, 1);
        }
    }

    private void middle(String half, int width) {
        String block = half + ".mid_block.";
        resnet(block + "resnets.0", width, width);
        norm(block + "attentions.0.group_norm", width);
        for (String part : new String[] {"to_q", "to_k", "to_v", "to_out.0"}) {
            linear(block + "attentions.0." + part, width, width, true);
        }
        resnet(block + "resnets.1", width, width);
    }

    private void textEncoder() {
        normal(1, "transformer.wte.weight", VOCABULARY + SPECIAL_TOKENS, TEXT_WIDTH);
        for (int i = 0; i < TEXT_LAYERS; i++) {
            String layer = "transformer.h." + i + ".";
            around(1, layer + "ln_1.weight", TEXT_WIDTH);
            linear(layer + "attn.c_attn", TEXT_WIDTH, 3 * TEXT_WIDTH, true);
            linear(layer + "attn.c_proj", TEXT_WIDTH, TEXT_WIDTH, false);
            around(1, layer + "ln_2.weight", TEXT_WIDTH);
            linear(layer + "mlp.w1", TEXT_WIDTH, TEXT_HIDDEN, false);
            linear(layer + "mlp.w2", TEXT_WIDTH, TEXT_HIDDEN, false);
            linear(layer + "mlp.c_proj", TEXT_HIDDEN, TEXT_WIDTH, false);
        }
        around(1, "transformer.ln_f.weight", TEXT_WIDTH);
    }

    private void norm(String name, int width) {
        around(1, name + ".weight", width);
        around(0, name + ".bias", width);
    }

    private void linear(String name, int in, int out, boolean bias) {
        normal(1 / Math.sqrt(in), name + ".weight", out, in);
        if (bias) {
            around(0, name + ".bias", out);
        }
    }

    /// A causal convolution with a kernel of `time * space * space`.
    private void convolution(String name, int in, int out, int time, int space) {
        normal(1 / Math.sqrt((double) in * time * space * space), name + ".weight", out, in, time, space, space);
        around(0, name + ".bias", out);
    }

    private void around(double centre, String name, int width) {
        add(name, centre, 0.02, width);
    }

    private void normal(double deviation, String name, int... dims) {
        add(name, 0, deviation, dims);
    }

    private void add(String name, double centre, double deviation, int... dims) {
        Shape shape = Shape.of(dims);
        MemorySegment memory = arena.allocate(ValueLayout.JAVA_FLOAT, shape.elements());
        for (long i = 0; i < shape.elements(); i++) {
            memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian(centre, deviation));
        }
        writer.add(name, NdArray.of(memory, DType.F32, shape));
    }

    private void finish(Path file) {
        writer.metadata("format", "pt").write(file);
        writer = new SafeTensorsWriter();
    }
}
