package dev.palimpsest.examples;

import dev.palimpsest.kernels.KernelSelection;
import dev.palimpsest.models.conformance.Conformance;
import dev.palimpsest.models.conformance.ConformanceResult;
import dev.palimpsest.models.conformance.ConformanceResult.Outcome;
import dev.palimpsest.models.conformance.Goldens;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.core.JsonGenerator;

/// `palimpsest golden`: does everything still compute what the originals computed?
@Command(
        name = "golden",
        mixinStandardHelpOptions = true,
        description = {
            "Compares every component with numbers of the original implementations.",
            "Prints one line a file:",
            "PASS|FAIL  kind  file  rel_l2  max_abs  (worst tensor)",
            "In another arithmetic than f32 golden files are measured, not judged: DIFF in place of PASS or FAIL.",
            "A golden file names its kind in its metadata; lists of verdicts and of tokens are known by their structure."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            "0:everything passed",
            "1:something failed",
            "2:a mistake in what was asked",
            "3:nothing failed, but files of some kind cannot be checked"
        })
final class GoldenCommand implements Callable<Integer> {
    private static final int NOT_IMPLEMENTED = 3;
    private static final int MOST_PROBLEMS = 5;

    @Spec
    private CommandSpec spec;

    @Parameters(arity = "1..*", paramLabel = "PATH", description = "Files, or folders that are searched for them.")
    private List<Path> paths;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            defaultValue = "../shared/data",
            description = "Where the vocabularies lie (default: ${DEFAULT-VALUE}).")
    private Path data;

    @Mixin
    private ArithmeticOption arithmetic;

    @Option(names = "--json", description = "Write JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        KernelSelection kernels = Engine.kernels();
        PrintWriter out = spec.commandLine().getOut();
        List<ConformanceResult> results = new ArrayList<>();
        Conformance conformance = new Conformance(Goldens.runner(), data, arithmetic.load());
        Map<Outcome, Integer> totals = conformance.check(paths, result -> {
            results.add(result);
            if (!json) {
                print(out, result);
            }
        });
        if (results.isEmpty()) {
            throw new UserException("there is nothing to check in "
                    + paths.stream().map(Path::toString).toList());
        }
        int passed = totals.getOrDefault(Outcome.PASS, 0);
        int failed = totals.getOrDefault(Outcome.FAIL, 0);
        int measured = totals.getOrDefault(Outcome.MEASURED, 0);
        int notImplemented = totals.getOrDefault(Outcome.NOT_IMPLEMENTED, 0);
        if (json) {
            JsonOutput.write(out, g -> {
                g.writeStringProperty("kernels", kernels.name());
                g.writeNumberProperty("threads", kernels.parallel().threads());
                g.writeNumberProperty("passed", passed);
                g.writeNumberProperty("failed", failed);
                g.writeNumberProperty("measured", measured);
                g.writeNumberProperty("not_implemented", notImplemented);
                g.writeArrayPropertyStart("files");
                results.forEach(r -> write(g, r));
                g.writeEndArray();
            });
        } else {
            out.printf(
                    "%d passed, %d failed%s%s, on the %s kernels with %s%n",
                    passed,
                    failed,
                    measured == 0 ? "" : ", " + measured + " measured",
                    notImplemented == 0 ? "" : ", " + notImplemented + " of kinds that are not implemented",
                    kernels.name(),
                    Text.count(kernels.parallel().threads(), "thread"));
            out.flush();
        }
        return failed > 0 ? ExitCode.SOFTWARE : notImplemented > 0 ? NOT_IMPLEMENTED : ExitCode.OK;
    }

    private static void print(PrintWriter out, ConformanceResult r) {
        String verdict = switch (r.outcome()) {
            case PASS -> "PASS";
            case FAIL -> "FAIL";
            case MEASURED -> "DIFF";
            case NOT_IMPLEMENTED -> "NONE";
        };
        out.printf(
                "%s  %-26s  %-62s  %8s  %8s%s%n",
                verdict,
                Text.printable(r.kind()),
                Text.printable(r.file().toString()),
                number(r.relL2()),
                number(r.maxAbs()),
                r.worst().isEmpty() ? "" : "  (" + Text.printable(r.worst()) + ")");
        r.problems().stream().limit(MOST_PROBLEMS).forEach(p -> out.println("      " + Text.printable(p)));
        if (r.problems().size() > MOST_PROBLEMS) {
            out.println("      and " + (r.problems().size() - MOST_PROBLEMS) + " more");
        }
        out.flush();
    }

    private static String number(double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.2e", value);
    }

    private static void write(JsonGenerator g, ConformanceResult r) {
        g.writeStartObject();
        g.writeStringProperty("verdict", r.outcome().name().toLowerCase(Locale.ROOT));
        g.writeStringProperty("kind", r.kind());
        g.writeStringProperty("file", r.file().toString());
        JsonOutput.number(g, "rel_l2", r.relL2());
        JsonOutput.number(g, "max_abs", r.maxAbs());
        g.writeStringProperty("worst", r.worst());
        g.writeArrayPropertyStart("problems");
        r.problems().forEach(g::writeString);
        g.writeEndArray();
        g.writeEndObject();
    }
}
