package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/// A mistake in `invert` or `rewrite` gives exit code 2 and one sentence, and leaves nothing behind.
class EditInfinityMistakesTest {
    private static final String MODEL = "data/checkpoints/infinity-tiny";

    @TempDir
    private Path folder;

    /// A command, right but for these options, and part of what is said of it.
    private DynamicTest mistake(String command, String says, List<?> right, Object... options) {
        List<Object> args = new ArrayList<>(List.of(command));
        for (int i = 0; i < right.size(); i += 2) {
            if (!List.of(options).contains(right.get(i))) {
                args.addAll(right.subList(i, i + 2));
            }
        }
        args.addAll(List.of(options));
        return DynamicTest.dynamicTest(says + ": " + args, () -> {
            List<Path> before = tree();
            var run = Cli.run(args.toArray());
            assertThat(run.code()).as(run.err()).isEqualTo(2);
            assertThat(run.out()).isEmpty();
            List<String> sentences = run.err()
                    .lines()
                    .filter(line -> !line.matches("(encode|look|predict|decode|learn) .*"))
                    .toList();
            assertThat(sentences).hasSize(1);
            assertThat(sentences.getFirst())
                    .startsWith("palimpsest " + command + ": ")
                    .contains(says)
                    .endsWith(".");
            assertThat(tree()).isEqualTo(before);
        });
    }

    private List<Path> tree() throws IOException {
        try (Stream<Path> tree = Files.walk(folder)) {
            return tree.sorted().toList();
        }
    }

    private DynamicTest invert(String says, Object... options) {
        Path empty = folder.resolve("empty");
        return mistake(
                "invert",
                says,
                List.of(
                        "--model",
                        Cli.shared(MODEL).orElse(empty),
                        "--image",
                        folder.resolve("picture.png"),
                        "--prompt",
                        "a hill",
                        "--out",
                        folder.resolve("new/inversion")),
                options);
    }

    @TestFactory
    Stream<DynamicTest> ofInvertingAreToldInOneSentence() throws IOException {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        Path file = Files.writeString(folder.resolve("file"), "in the way");
        Path full = Files.createDirectory(folder.resolve("full"));
        Files.writeString(full.resolve("letter.txt"), "dear");
        Path other = Files.createDirectory(folder.resolve("other"));
        Files.writeString(other.resolve("inversion.json"), "{\"format\": 7}");
        Path broken = Files.createDirectory(folder.resolve("broken"));
        Files.writeString(broken.resolve("inversion.json"), "{\"format\": ");
        ImageFiles.writePng(TestPicture.draw(), folder.resolve("picture.png"), Map.of());
        List<DynamicTest> tests = new ArrayList<>(List.of(
                mistake("invert", "Missing required options: '--model", List.of()),
                mistake("invert", "Unknown option: '--colour'", List.of(), "--colour"),
                invert("--prompt is empty", "--prompt", " "),
                invert("there is no such picture", "--image", folder.resolve("absent.png")),
                invert("is not a PNG, JPEG", "--image", file),
                invert("no text encoder by its released name", "--model", empty),
                invert("there is no such model folder", "--model", folder.resolve("absent")),
                invert("--out: files cannot be written", "--out", file.resolve("inversion")),
                invert("--preview: files cannot be written", "--preview", file),
                invert("--prompt-updates: -1 must not be negative", "--prompt-updates", -1),
                invert("--lora-updates: -3 must not be negative", "--lora-updates", -3),
                invert("'many' is not an int", "--lora-updates", "many"),
                invert("--save-every: 0 must be at least 1", "--save-every", 0),
                invert("--prompt-rows: 0 must be at least 1", "--prompt-rows", 0),
                invert("learning rate 0.0 is not above 0", "--prompt-rate", 0),
                invert("learning rate NaN is not above 0", "--lora-rate", "NaN"),
                invert("--betas: there are 3 values", "--betas", "0.9,0.97,0.9"),
                invert("betas must lie in [0, 1)", "--betas", "0.9,1"),
                invert("--clip-norm: there are 3 values", "--clip-norm", "1,2,3"),
                invert("share of wrong bits 1.5 does not lie in", "--flips", 1.5),
                invert("drop path -0.1 does not lie in", "--drop-path", -0.1),
                invert("rank 0 is below 1", "--lora-rank", 0),
                invert("dropout 1.0 does not lie in", "--lora-dropout", 1),
                invert("weight -1.0 of the divergence", "--kl-weight", -1),
                invert("'median' is neither mean nor sum", "--bit-loss", "median"),
                invert("'2M' is not one of", "--pixels", "2M"),
                invert("'tall' is no ratio", "--aspect", "tall"),
                invert(
                        "--lora-start: " + folder.resolve("absent") + " does not exist",
                        "--lora-start",
                        folder.resolve("absent")),
                invert("--adopt-lora: " + folder.resolve("absent"), "--adopt-lora", folder.resolve("absent")),
                invert("neither original nor editinfinity", "--bias-mode", "none")));
        if (Cli.shared(MODEL).isPresent()) {
            tests.addAll(List.of(
                    invert("is not empty and holds no inversion", "--out", full),
                    invert("is an inversion of format 7", "--out", other),
                    invert("is not valid JSON", "--out", broken),
                    invert(
                            "holds no learned prompt",
                            "--adopt-prompt",
                            Cli.requireShared(MODEL + "/example/lora_init.safetensors")),
                    invert("512", "--prompt", "many words ".repeat(400)),
                    invert("file: ", "--lora-start", file),
                    invert(
                            "holds no adapters for this model",
                            "--lora-start",
                            Cli.requireShared(MODEL + "/example/expected_weights.safetensors"))));
        }
        return tests.stream();
    }

    private DynamicTest rewrite(String says, Path model, Object... options) {
        return mistake(
                "rewrite",
                says,
                List.of(
                        "--model",
                        model,
                        "--inversion",
                        folder.resolve("inversion"),
                        "--prompt",
                        "a green hill",
                        "--out",
                        folder.resolve("new/rewritten.png")),
                options);
    }

    @TestFactory
    Stream<DynamicTest> ofRewritingAreToldInOneSentence() throws IOException {
        Path model = Cli.requireShared(MODEL);
        Path picture = folder.resolve("picture.png");
        ImageFiles.writePng(TestPicture.draw(), picture, Map.of());
        Path inversion = folder.resolve("inversion");
        Object[] invert = {
            "invert",
            "--model",
            model,
            "--image",
            picture,
            "--prompt",
            "a hill with a hut.",
            "--prompt-updates",
            1,
            "--lora-updates",
            1,
            "--out",
            inversion
        };
        assertThat(Cli.run(invert).code()).isZero();
        Path file = Files.writeString(folder.resolve("file"), "in the way");
        Path empty = Files.createDirectory(folder.resolve("empty"));
        Path narrow = folder.resolve("narrow.png");
        ImageFiles.writePng(RgbImage.of(40, 100, new byte[12000]), narrow, Map.of());
        Path foreign = copy(inversion, "foreign");
        Path json = foreign.resolve("inversion.json");
        Files.writeString(json, Files.readString(json).replaceFirst("(\"model\" *: *)\"[^\"]*\"", "$1\"another\""));
        Path unfinished = copy(inversion, "unfinished");
        Files.delete(unfinished.resolve("learned.safetensors"));
        Path damaged = copy(inversion, "damaged");
        Files.writeString(damaged.resolve("learned.safetensors"), "damage");
        Path exchanged = copy(inversion, "exchanged");
        Files.copy(
                exchanged.resolve("learned.safetensors"),
                exchanged.resolve("source.safetensors"),
                StandardCopyOption.REPLACE_EXISTING);
        return Stream.of(
                mistake("rewrite", "Missing required options: '--model", List.of()),
                rewrite("--prompt is empty", model, "--prompt", ""),
                rewrite("there is no such folder", model, "--inversion", folder.resolve("absent")),
                rewrite("is a file, not the folder of an inversion", model, "--inversion", file),
                rewrite("it lacks inversion.json", model, "--inversion", empty),
                rewrite("was inverted with another model", model, "--inversion", foreign),
                rewrite("is not finished", model, "--inversion", unfinished),
                rewrite("learned.safetensors: ", model, "--inversion", damaged),
                rewrite("source.safetensors: ", model, "--inversion", exchanged),
                rewrite("there is no such model folder", folder.resolve("absent")),
                rewrite("both say what may change", model, "--mask", picture, "--target-word", "hut."),
                rewrite("--mask: " + narrow + " has 40 x 100 pixels", model, "--mask", narrow),
                rewrite("is not a PNG, JPEG", model, "--mask", file),
                rewrite("there is no such picture", model, "--mask", folder.resolve("absent.png")),
                rewrite("the words \"tree\" are not in the prompt", model, "--target-word", "tree"),
                rewrite("--target-word is empty", model, "--target-word", " "),
                rewrite(
                        "threshold: 1.5 does not lie between 0 and 1",
                        model,
                        "--target-word",
                        "hut.",
                        "--threshold",
                        1.5),
                rewrite("threshold: NaN does not lie", model, "--target-word", "hut.", "--threshold", "NaN"),
                rewrite("--threshold says nothing without --target-word", model, "--threshold", 0.5),
                rewrite("--smoothing says nothing without --mask", model, "--smoothing", "paper"),
                rewrite("--masks says nothing without --mask", model, "--masks", folder.resolve("new/masks")),
                rewrite("'soft' is neither code nor paper", model, "--mask", picture, "--smoothing", "soft"),
                rewrite("neither direct nor plotted", model, "--target-word", "hut.", "--mask-method", "x"),
                rewrite("neither rounded nor exact", model, "--mask", picture, "--mask-blocks", "x"),
                rewrite("there are 2 values for the picture's 7 scales", model, "--tau", "1,2"),
                rewrite("is not the name of a PNG file", model, "--out", folder.resolve("rewritten.gif")),
                rewrite("--out: files cannot be written", model, "--out", file.resolve("rewritten.png")),
                rewrite("--masks: files cannot be written", model, "--mask", picture, "--masks", file),
                rewrite("--preview: files cannot be written", model, "--preview", file));
    }

    private Path copy(Path from, String name) throws IOException {
        Path to = Files.createDirectory(folder.resolve(name));
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
        return to;
    }
}
