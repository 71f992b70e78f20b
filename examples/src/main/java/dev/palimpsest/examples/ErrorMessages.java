package dev.palimpsest.examples;

import dev.palimpsest.models.image.ImageException;
import dev.palimpsest.models.json.JsonException;
import dev.palimpsest.weights.CheckpointException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.concurrent.CancellationException;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/// Turns exceptions into one sentence and an exit code.
///
/// What a user can put right (a file, an option, a setting of the machine) is told in the sentence alone; where it
/// comes from is shown with `--verbose`. Anything else is a fault of this program.
final class ErrorMessages implements IParameterExceptionHandler, IExecutionExceptionHandler {
    /// Exit code of work that was stopped by the user: what a shell reports for Ctrl-C.
    static final int CANCELLED = 130;

    @Override
    public int handleParseException(ParameterException e, String[] args) {
        CommandLine command = e.getCommandLine();
        PrintWriter err = command.getErr();
        String name = command.getCommandSpec().qualifiedName();
        // An option that does not exist explains why another one is missing, so it is told first.
        List<String> unmatched = e instanceof MissingParameterException ? command.getUnmatchedArguments() : List.of();
        String message =
                sentence(message(unmatched.isEmpty() ? e : new UnmatchedArgumentException(command, unmatched)));
        err.println(name + ": " + message.substring(0, message.length() - 1) + "; see '" + name + " --help'.");
        err.flush();
        return ExitCode.USAGE;
    }

    @Override
    public int handleExecutionException(Exception e, CommandLine command, ParseResult parsed) {
        PrintWriter err = command.getErr();
        String name = command.getCommandSpec().qualifiedName();
        Main main = (Main) command.getCommandSpec().root().userObject();
        int code;
        if (e instanceof CancellationException) {
            code = CANCELLED; // told already, while there was time
        } else if (isUsersToMend(e)) {
            err.println(name + ": " + sentence(message(e)));
            code = ExitCode.USAGE;
        } else {
            err.println(name + ": " + sentence("This is a fault of palimpsest: " + e)
                    + (main.verbose ? "" : " Run it again with --verbose to see where it comes from."));
            code = ExitCode.SOFTWARE;
        }
        if (main.verbose) {
            e.printStackTrace(err);
        }
        err.flush();
        return code;
    }

    /// Whether the exception speaks of a file, an option or the machine rather than of this program.
    private static boolean isUsersToMend(Exception e) {
        return switch (e) {
            case CheckpointException x -> true;
            case ImageException x -> true;
            case JsonException x -> true;
            case IOException x -> true;
            case UncheckedIOException x -> true;
            case UserException x -> true;
            default -> false;
        };
    }

    private static String message(Exception e) {
        return switch (e) {
            case UncheckedIOException x when x.getCause() != null -> message(x.getCause());
            case AccessDeniedException x -> x.getFile() + ": access is denied";
            case NoSuchFileException x -> x.getFile() + ": does not exist";
            case FileSystemException x when x.getReason() == null -> x.getFile() + ": cannot be read or written";
            default -> e.getMessage() == null ? e.toString() : e.getMessage();
        };
    }

    /// The message on one line, with a full stop.
    static String sentence(String message) {
        String line = Text.printable(message.strip().replaceAll("\\s*\\R\\s*", "; "));
        return line.endsWith("?") ? line : line.replaceFirst("[.!]*$", ".");
    }
}
