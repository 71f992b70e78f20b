package dev.palimpsest.examples;

import dev.palimpsest.models.image.ImageFiles;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/// `palimpsest compose`: several pictures become one.
@Command(
        name = "compose",
        mixinStandardHelpOptions = true,
        description = {
            "Makes one picture of several with VINCIE, for example a person, a dog and a place.",
            "With a single prompt, all that VINCIE expects around it is added: 'the man of <IMG0> walks the dog of <IMG1>'.",
            "With as many prompts as pictures or more, all are used as they are: one for each picture but the last, then one "
                    + "for each turn.",
            "The environment variable CAMERA_PREFIX is put in front of every prompt."
        })
final class ComposeCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @ParentCommand
    private Main main;

    @Option(
            names = "--image",
            paramLabel = "FILE",
            required = true,
            description = "A picture, <IMG0> in the prompt; the next one is <IMG1>, and so on.")
    private List<Path> images;

    @Mixin
    private VincieOptions options;

    @Override
    public Integer call() {
        new VincieRun(spec, main.surroundings, options)
                .compose(
                        images.stream().map(EditCommand::name).toList(),
                        images.stream().map(ImageFiles::read).toList());
        return ExitCode.OK;
    }
}
