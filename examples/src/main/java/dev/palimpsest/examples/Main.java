package dev.palimpsest.examples;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// The root of the command line `palimpsest`.
///
/// Exit codes: 0 for success, 1 for a failure, 2 for a mistake of the user, told in one sentence.
@Command(
        name = "palimpsest",
        mixinStandardHelpOptions = true,
        versionProvider = BuildVersion.class,
        description = "Edits pictures by words, over several turns, on the JVM alone.")
public final class Main implements Runnable {

    @Spec
    private CommandSpec spec;

    /// Runs one command and ends the JVM with its exit code.
    ///
    /// @param args the command and its options
    public static void main(String[] args) {
        System.exit(new CommandLine(new Main()).execute(args));
    }

    /// Without a command there is nothing to do, which is the user's mistake.
    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "A command is missing.");
    }
}
