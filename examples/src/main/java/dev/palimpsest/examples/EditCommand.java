package dev.palimpsest.examples;

import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/// `palimpsest edit`: a picture, changed as the prompts say, one turn after another.
@Command(
        name = "edit",
        mixinStandardHelpOptions = true,
        description = {
            "Edits a picture over several turns with VINCIE: every prompt gives a picture, which the next one starts from.",
            "The environment variable CAMERA_PREFIX is put in front of every prompt."
        })
final class EditCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Main main;

    @Option(
            names = "--image",
            paramLabel = "FILE",
            description =
                    "The picture to edit: PNG, JPEG, GIF, BMP or WebP. May be left out together with --model: then a "
                            + "test picture is drawn.")
    private @Nullable Path image;

    @Mixin
    private VincieOptions options;

    @Override
    public Integer call() {
        if (image == null && options.model != null) {
            throw new UserException("--image is missing: name the picture to edit");
        }
        RgbImage source = image == null ? TestPicture.draw() : ImageFiles.read(image);
        new VincieRun(spec, main.surroundings, options).edit(image == null ? "a test picture" : name(image), source);
        return ExitCode.OK;
    }

    static String name(Path file) {
        return String.valueOf(file.getFileName());
    }
}
