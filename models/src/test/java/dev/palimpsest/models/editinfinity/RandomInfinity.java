package dev.palimpsest.models.editinfinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.models.infinity.BsqVae;
import dev.palimpsest.models.infinity.BsqVaeConfig;
import dev.palimpsest.models.infinity.InfinityConfig;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.Rope2d;
import dev.palimpsest.models.infinity.T5Config;
import dev.palimpsest.models.infinity.T5Encoder;
import dev.palimpsest.models.text.TinyVocabulary;
import dev.palimpsest.models.vincie.RandomWeights;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/// Writes folders of tiny models with random weights.
final class RandomInfinity {
    private RandomInfinity() {}

    /// A model like the released one: a transformer in f32, a token to a position of the latent.
    static Path plain(Path folder, long seed) throws IOException {
        return write(folder, seed, false, "\"pn\": \"0.06M\", \"cfg\": 2, \"tau\": 0.5");
    }

    /// A model of the other kind: tokens stand for 2 x 2 positions, the transformer lies in shards of bf16, and the
    /// folder names other settings.
    static Path patchified(Path folder, long seed) throws IOException {
        return write(
                folder,
                seed,
                true,
                "\"pn\": \"0.06M\", \"h_div_w_template\": 1.5, \"cfg\": 3, \"tau\": 1, \"apply_spatial_patchify\": 1, "
                        + "\"rope2d_normalized_by_hw\": 0, \"add_lvl_embeding_only_first_block\": 0, "
                        + "\"concat_length\": 7, \"instruction\": \", the cat is\", \"lora_r\": 2, \"lora_alpha\": 8");
    }

    private static Path write(Path folder, long seed, boolean patchify, String settings) throws IOException {
        Path text = Files.createDirectories(folder.resolve("flan-t5-xl"));
        TinyVocabulary.write(text.resolve("spiece.model"));
        T5Config t5 = new T5Config(128, 12, 1, 2, 6, 16, 32, 128, 1e-6f);
        RandomWeights.write(text.resolve("model.safetensors"), seed, tree -> new T5Encoder(tree, t5), name -> name);
        int channels = 4;
        List<Integer> widths = List.of(24, 24, 24, 24, 24).subList(0, patchify ? 4 : 5);
        BsqVaeConfig vae = new BsqVaeConfig(channels, widths, widths, 1, patchify ? 3 : 4);
        RandomWeights.write(
                folder.resolve("infinity_vae_random.safetensors"), seed + 1, tree -> new BsqVae(tree, vae), n -> n);
        InfinityConfig config = new InfinityConfig(
                2,
                2,
                16,
                2,
                24,
                12,
                96,
                2,
                patchify ? 4 * channels : channels,
                15,
                patchify,
                patchify ? Rope2d.Mode.of(0) : Rope2d.Mode.STRETCHED,
                !patchify,
                1e-6f);
        Path whole = folder.resolve("whole.tmp");
        RandomWeights.write(whole, seed + 2, tree -> new InfinityTransformer(tree, config), name -> name);
        if (patchify) {
            shards(whole, Files.createDirectories(folder.resolve("infinity_8b_random")));
            Files.delete(whole);
        } else {
            Files.move(whole, folder.resolve("infinity_random.safetensors"));
        }
        Files.writeString(folder.resolve("config.json"), "{" + settings + "}");
        return folder;
    }

    /// Three shards of bf16 with their index.
    private static void shards(Path whole, Path folder) throws IOException {
        List<SafeTensorsWriter> writers =
                List.of(new SafeTensorsWriter(), new SafeTensorsWriter(), new SafeTensorsWriter());
        StringJoiner index = new StringJoiner(", ", "{\"weight_map\": {", "}}");
        try (Checkpoint checkpoint = Checkpoint.open(whole)) {
            Scope.run(() -> {
                List<String> names = new ArrayList<>(checkpoint.names());
                for (int i = 0; i < names.size(); i++) {
                    String name = names.get(i);
                    Tensor narrow = Tensor.borrow(checkpoint.tensor(name), name).to(DType.BF16);
                    writers.get(i % writers.size()).add(name, narrow.array());
                    index.add("\"" + name + "\": \"" + shard(i % writers.size()) + "\"");
                }
                for (int i = 0; i < writers.size(); i++) {
                    writers.get(i).write(folder.resolve(shard(i)));
                }
                return null;
            });
        }
        Files.writeString(folder.resolve("model.safetensors.index.json"), index.toString());
    }

    private static String shard(int index) {
        return "model-0000" + (index + 1) + "-of-00003.safetensors";
    }
}
