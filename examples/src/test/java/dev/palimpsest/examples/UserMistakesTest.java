package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.DeflaterOutputStream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/// A mistake of the user gives exit code 2 and one sentence that says what is wrong.
class UserMistakesTest {
    @TempDir
    private static Path cache;

    @TempDir
    private Path folder;

    private int outs;

    /// @param says part of the sentence
    private record Mistake(String says, List<Object> args) {
        Mistake(String says, Object... args) {
            this(says, List.of(args));
        }
    }

    @TestFactory
    Stream<DynamicTest> areToldInOneSentence() throws IOException {
        Path absent = folder.resolve("absent");
        Path empty = Files.createFile(folder.resolve("empty"));
        Path nothing = Files.createDirectory(folder.resolve("nothing"));
        Path text = Files.writeString(folder.resolve("text.json"), "{}");
        Path corruptPng = Files.write(folder.resolve("corrupt.png"), Arrays.copyOf(png(8, 8), 20));
        Path unknownType = Files.write(
                folder.resolve("unknown.safetensors"),
                safetensors("{\"w\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4));
        return run(
                new Mistake("A command is missing"),
                new Mistake("Unmatched argument", "paint"),
                new Mistake("Unknown option", "inspect", "--colour", text),
                new Mistake("Unknown option: '--foo'", "edit", "--foo"),
                new Mistake("Unmatched argument at index 1: 'blue'", "edit", "blue"),
                new Mistake("Missing required option: '--prompt", "edit"),
                new Mistake("Missing required parameter", "inspect"),
                new Mistake("does not exist", "inspect", absent),
                new Mistake("is empty", "inspect", empty),
                new Mistake("unknown dtype 'F99'", "inspect", unknownType),
                new Mistake("is damaged", "inspect", corruptPng),
                new Mistake("no weight_map", "inspect", text),
                new Mistake("Missing required parameter", "convert", text),
                new Mistake("does not exist", "convert", absent, folder.resolve("out")),
                new Mistake("unknown dtype 'F99'", "convert", unknownType, folder.resolve("out")),
                new Mistake("Missing required parameter", "golden"),
                new Mistake("absent: does not exist", "golden", absent),
                new Mistake("nothing to check", "golden", nothing));
    }

    @TestFactory
    Stream<DynamicTest> ofEditingAreToldInOneSentence() throws IOException {
        Path absent = folder.resolve("absent");
        Path empty = Files.createFile(folder.resolve("empty.png"));
        Path corrupt = Files.write(folder.resolve("corrupt.png"), Arrays.copyOf(png(8, 8), 50));
        Path zero = Files.write(folder.resolve("zero.png"), png(0, 0));
        Path thin = folder.resolve("thin.png");
        ImageFiles.writePng(RgbImage.of(1, 2000, new byte[6000]), thin, Map.of());
        Path good = folder.resolve("good.png");
        ImageFiles.writePng(TestPicture.draw(), good, Map.of());
        Path file = Files.writeString(folder.resolve("file"), "in the way");
        List<Object> many = new ArrayList<>(List.of("edit", "--image", good));
        for (int i = 0; i < 65; i++) {
            many.addAll(List.of("--prompt", "Turn " + i));
        }
        return run(
                new Mistake("Missing required option: '--prompt", "edit", "--image", good),
                edit("is no such picture", "--image", absent),
                edit("is not a PNG, JPEG", "--image", empty),
                edit("is damaged", "--image", corrupt),
                edit("is damaged", "--image", zero),
                edit("is not a PNG, JPEG", "--image", file),
                edit("smaller than 16 pixels on a side", "--image", thin),
                edit("--image is missing", "--model", folder),
                edit("--prompt", "--image", good, "--prompt"),
                edit("prompt 2 is empty", "--image", good, "--prompt", ""),
                edit("prompt 2 is empty", "--image", good, "--prompt", " \t"),
                new Mistake("65 prompts, and this model takes at most 64", many),
                edit("is not a multiple of 16; use 96 or 112", "--image", good, "--resolution", 100),
                edit("resolution: 0 does not lie", "--image", good, "--resolution", 0),
                edit("steps: 0 does not lie", "--image", good, "--steps", 0),
                edit("'many' is not an int", "--image", good, "--steps", "many"),
                edit("neither torch-cpu nor torch-cuda", "--image", good, "--noise", "gpu"),
                edit("neither mean nor sample", "--image", good, "--posterior", "median"),
                edit("aspect ratio \"wide\" is unknown", "--image", good, "--aspect", "wide"),
                edit("scale Infinity is not a number", "--image", good, "--guidance", "Infinity"),
                edit("--repeat: 0", "--image", good, "--repeat", 0),
                edit("--index: -1", "--image", good, "--index", -1),
                edit("cannot be written to the folder", "--image", good, "--out", file),
                edit("cannot be written to the folder", "--image", good, "--out", file.resolve("below")),
                new Mistake(
                        "3 pictures need one prompt, or 3 and more; there are 2",
                        "compose",
                        "--image",
                        good,
                        "--image",
                        good,
                        "--image",
                        good,
                        "--prompt",
                        "a",
                        "--prompt",
                        "b"),
                new Mistake("Missing required option: '--image", "compose", "--prompt", "a"));
    }

    @TestFactory
    Stream<DynamicTest> inTheModelFolderAreToldInOneSentence() throws IOException {
        Path demo = DemoModel.provide(cache).path();
        Path exchanged = copy(demo, "exchanged");
        Files.move(exchanged.resolve("dit.safetensors"), exchanged.resolve("other"));
        Files.move(exchanged.resolve("vae.safetensors"), exchanged.resolve("dit.safetensors"));
        Files.move(exchanged.resolve("other"), exchanged.resolve("vae.safetensors"));
        Path incomplete = copy(demo, "incomplete");
        Files.delete(incomplete.resolve("vae.safetensors"));
        Path withoutVocabulary = copy(demo, "vocabulary");
        Files.delete(withoutVocabulary.resolve("llm14b/qwen.tiktoken"));
        Path otherVocabulary = copy(demo, "other vocabulary");
        Files.writeString(otherVocabulary.resolve("llm14b/qwen.tiktoken"), "AAA= 256\n", StandardOpenOption.APPEND);
        Path misshaped = copy(demo, "misshaped");
        rewrite(misshaped.resolve("dit.safetensors"), "blocks.1.mlp.all.proj_in.weight");
        Path unknownType = copy(demo, "type");
        Files.write(
                unknownType.resolve("vae.safetensors"),
                safetensors("{\"w\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4));
        Path brokenConfig = copy(demo, "config");
        Files.writeString(brokenConfig.resolve("config.json"), "{\"generation\": ");
        Path sampler = copy(demo, "sampler");
        Files.writeString(sampler.resolve("config.json"), "{\"diffusion\": {\"sampler\": {\"type\": \"ddim\"}}}");
        Path outside = copy(demo, "outside");
        Files.writeString(outside.resolve("config.json"), """
                {"vae": {"norm_num_groups": 4}, "generation": {"output_filename": "../{turn_index}"}}""");
        return run(
                edit("there is no such model folder", "--model", folder.resolve("absent")),
                edit(
                        "it is not the folder of a VINCIE model",
                        "--model",
                        Files.createDirectory(folder.resolve("none"))),
                edit("has no vae.pth or vae.safetensors", "--model", incomplete),
                edit("dit.safetensors: ", "--model", exchanged),
                edit("qwen.tiktoken", "--model", withoutVocabulary),
                edit("they belong to different models", "--model", otherVocabulary),
                edit("blocks.1.mlp.all.proj_in.weight is (64, 256) instead of (256, 64)", "--model", misshaped),
                edit("unknown dtype 'F99'", "--model", unknownType),
                edit("is not valid JSON", "--model", brokenConfig),
                edit("\"ddim\" is not supported", "--model", sampler),
                edit("a name of its own in the output folder", "--model", outside));
    }

    /// A command that is right but for these options.
    private Mistake edit(String says, Object... options) {
        List<Object> args = new ArrayList<>(List.of("edit", "--prompt", "Blue."));
        args.addAll(List.of(options));
        if (args.contains("--model") && !args.contains(folder)) {
            args.addAll(List.of("--image", folder.resolve("picture.png")));
        }
        if (!args.contains("--out")) {
            args.addAll(List.of("--out", folder.resolve("out" + outs++)));
        }
        return new Mistake(says, args);
    }

    private Stream<DynamicTest> run(Mistake... mistakes) {
        ImageFiles.writePng(TestPicture.draw(), folder.resolve("picture.png"), Map.of());
        return Stream.of(mistakes)
                .map(m -> DynamicTest.dynamicTest(m.says() + ": " + m.args(), () -> isToldInOneSentence(m)));
    }

    private void isToldInOneSentence(Mistake mistake) throws IOException {
        var run =
                Cli.run(new Surroundings(Map.of(), cache, null), mistake.args().toArray());
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        List<String> sentences = run.err()
                .lines()
                .filter(line -> !line.startsWith("No --model is given") && !line.startsWith("turn 1 of "))
                .toList();
        assertThat(sentences).hasSize(1);
        assertThat(sentences.getFirst())
                .startsWith("palimpsest")
                .contains(mistake.says())
                .endsWith(".");
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left.map(f -> f.getFileName().toString())).noneMatch(f -> f.matches("out[0-9]+"));
        }
    }

    private Path copy(Path from, String name) throws IOException {
        Path to = folder.resolve(name);
        try (Stream<Path> tree = Files.walk(from)) {
            for (Path file : tree.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()));
            }
        }
        return to;
    }

    /// Writes a checkpoint again with one matrix transposed.
    private static void rewrite(Path file, String transposed) throws IOException {
        Path result = file.resolveSibling("rewritten");
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            var writer = new SafeTensorsWriter();
            for (String name : checkpoint.names()) {
                NdArray tensor = checkpoint.tensor(name);
                writer.add(name, name.equals(transposed) ? tensor.transpose(0, 1) : tensor);
            }
            writer.write(result);
        }
        Files.move(result, file, StandardCopyOption.REPLACE_EXISTING);
    }

    /// A grey PNG of this size, written by hand because no encoder would write one without pixels.
    private static byte[] png(int width, int height) throws IOException {
        var pixels = new ByteArrayOutputStream();
        try (var deflater = new DeflaterOutputStream(pixels)) {
            deflater.write(new byte[(width + 1) * height]);
        }
        var bytes = new ByteArrayOutputStream();
        bytes.write(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
        chunk(
                bytes,
                "IHDR",
                ByteBuffer.allocate(13)
                        .putInt(width)
                        .putInt(height)
                        .put(new byte[] {8, 0, 0, 0, 0})
                        .array());
        chunk(bytes, "IDAT", pixels.toByteArray());
        chunk(bytes, "IEND", new byte[0]);
        return bytes.toByteArray();
    }

    private static void chunk(ByteArrayOutputStream to, String type, byte[] data) throws IOException {
        byte[] body = new byte[4 + data.length];
        System.arraycopy(type.getBytes(StandardCharsets.US_ASCII), 0, body, 0, 4);
        System.arraycopy(data, 0, body, 4, data.length);
        var crc = new CRC32();
        crc.update(body);
        to.write(ByteBuffer.allocate(4).putInt(data.length).array());
        to.write(body);
        to.write(ByteBuffer.allocate(4).putInt((int) crc.getValue()).array());
    }

    @Test
    void verboseShowsWhereAnErrorComesFrom() {
        var run = Cli.run("inspect", "--verbose", folder.resolve("absent"));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("CheckpointException").contains("\tat ");
    }

    private static byte[] safetensors(String header, int data) {
        byte[] bytes = new byte[8 + header.length() + data];
        bytes[0] = (byte) header.length();
        for (int i = 0; i < header.length(); i++) {
            bytes[8 + i] = (byte) header.charAt(i);
        }
        return bytes;
    }
}
