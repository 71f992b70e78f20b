package dev.palimpsest.bench.compare;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The command line.
///
/// @param quick fewer shapes and shorter turns
/// @param json where the rows go, or null
/// @param markdown where the table goes, or null
/// @param groups what is measured
/// @param threads numbers of threads
/// @param kernels our providers
record Options(
        boolean quick,
        @Nullable Path json,
        @Nullable Path markdown,
        List<String> groups,
        List<Integer> threads,
        List<String> kernels) {
    private static final String USAGE =
            "usage: bench/compare [--quick] [--json FILE] [--markdown FILE] [--group NAME,...] [--threads N,...]"
                    + " [--kernels NAME,...]";

    /// Reads it.
    ///
    /// @param known groups that there are
    /// @throws IllegalArgumentException saying what is wrong
    static Options parse(String[] args, Set<String> known) {
        boolean quick = false;
        Path json = null;
        Path markdown = null;
        List<String> groups = List.copyOf(known);
        List<Integer> threads = Stream.of(1, Runtime.getRuntime().availableProcessors())
                .distinct()
                .toList();
        List<String> kernels = List.of("vector", "x86");
        for (int i = 0; i < args.length; i++) {
            if (args[i].equals("--quick")) {
                quick = true;
                continue;
            }
            if (i + 1 == args.length) {
                throw new IllegalArgumentException(args[i] + " is not an option or lacks its value; " + USAGE);
            }
            String value = args[++i];
            switch (args[i - 1]) {
                case "--json" -> json = Path.of(value);
                case "--markdown" -> markdown = Path.of(value);
                case "--group" -> groups = words(value);
                case "--threads" ->
                    threads = words(value).stream().map(Options::threads).toList();
                case "--kernels" -> kernels = words(value);
                default -> throw new IllegalArgumentException(args[i - 1] + " is not an option; " + USAGE);
            }
        }
        for (String group : groups) {
            if (!known.contains(group)) {
                throw new IllegalArgumentException("there is no group " + group + ", only " + String.join(", ", known));
            }
        }
        return new Options(quick, json, markdown, List.copyOf(groups), threads, kernels);
    }

    private static List<String> words(String value) {
        return Arrays.asList(value.split(",", -1));
    }

    private static int threads(String word) {
        if (!word.matches("[1-9][0-9]{0,3}")) {
            throw new IllegalArgumentException("--threads " + word + " is not a number of threads");
        }
        return Integer.parseInt(word);
    }
}
