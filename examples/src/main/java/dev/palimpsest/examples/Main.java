package dev.palimpsest.examples;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/// The root of the command line `palimpsest`.
///
/// Exit codes: 0 for success, 1 for a failure, 2 for a mistake of the user, told in one sentence; commands list what
/// else they have.
@Command(
        name = "palimpsest",
        mixinStandardHelpOptions = true,
        versionProvider = BuildVersion.class,
        description = "Makes pictures from words and edits them over several turns, on the JVM alone.",
        subcommands = {
            EditCommand.class,
            ComposeCommand.class,
            GenerateCommand.class,
            InvertCommand.class,
            RewriteCommand.class,
            InspectCommand.class,
            ConvertCommand.class,
            RandomCheckpointCommand.class,
            RandomInfinityCommand.class,
            GoldenCommand.class,
            DoctorCommand.class
        })
public final class Main implements Runnable {

    final Surroundings surroundings;

    @Spec
    private CommandSpec spec;

    @Option(names = "--verbose", scope = ScopeType.INHERIT, description = "Show where an error comes from.")
    boolean verbose;

    private Main(Surroundings surroundings) {
        this.surroundings = surroundings;
    }

    /// Runs one command and ends the JVM with its exit code.
    ///
    /// @param args the command and its options
    public static void main(String[] args) {
        System.exit(execute(commandLine(Surroundings.ofProcess()), args));
    }

    /// The command line, ready to execute.
    static CommandLine commandLine(Surroundings surroundings) {
        var errors = new ErrorMessages();
        return new CommandLine(new Main(surroundings))
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler(errors)
                .setExecutionExceptionHandler(errors);
    }

    /// Runs one command.
    ///
    /// @return its exit code
    static int execute(CommandLine commandLine, String... args) {
        try {
            return commandLine.execute(args);
        } catch (OutOfMemoryError e) {
            commandLine
                    .getErr()
                    .println("palimpsest: The memory is not enough (" + e.getMessage()
                            + "); 'palimpsest doctor' tells how much there is.");
            return ExitCode.SOFTWARE;
        }
    }

    /// Without a command there is nothing to do, which is the user's mistake.
    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "A command is missing.");
    }
}
