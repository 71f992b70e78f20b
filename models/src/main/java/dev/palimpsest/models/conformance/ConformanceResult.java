package dev.palimpsest.models.conformance;

import java.nio.file.Path;
import java.util.List;

/// What came of checking one file.
///
/// @param file the file that was checked
/// @param kind what was checked: a golden file's kind, `weights.load`, `text.tokens`; `-` if it could not be told
/// @param outcome the verdict
/// @param relL2 relative error of the worst tensor; NaN where there is no such thing
/// @param maxAbs largest error of one element of the worst tensor; NaN where there is no such thing
/// @param worst the worst tensor, or what else was looked at
/// @param problems all that is wrong, one sentence each; empty if nothing failed
public record ConformanceResult(
        Path file, String kind, Outcome outcome, double relL2, double maxAbs, String worst, List<String> problems) {

    /// The verdict on one file.
    public enum Outcome {
        /// All is as it should be.
        PASS,
        /// Something is not.
        FAIL,
        /// It was compared but not judged, because it was not computed in the arithmetic that it was made for.
        MEASURED,
        /// There is nothing here that could check files of this kind.
        NOT_IMPLEMENTED
    }

    /// Copies the list.
    public ConformanceResult {
        problems = List.copyOf(problems);
    }

    static ConformanceResult of(GoldenReport report) {
        TensorComparison worst = report.worst().orElse(null);
        return new ConformanceResult(
                report.path(),
                report.kind(),
                report.passed() ? Outcome.PASS : Outcome.FAIL,
                worst == null ? Double.NaN : worst.relL2(),
                worst == null ? Double.NaN : worst.maxAbs(),
                worst == null ? "" : worst.key(),
                worst == null ? List.of("expects nothing: it has no tensor out.* or grad.*") : report.problems());
    }

    /// How far a file is off, with no tolerance to hold that against. What could not be compared at all is a failure.
    static ConformanceResult measured(GoldenReport report) {
        TensorComparison farthest = report.farthest().orElse(null);
        return farthest == null || Double.isNaN(farthest.relL2())
                ? of(report)
                : new ConformanceResult(
                        report.path(),
                        report.kind(),
                        Outcome.MEASURED,
                        farthest.relL2(),
                        farthest.maxAbs(),
                        farthest.key(),
                        List.of());
    }

    /// A file of which nothing but the verdict is known.
    ///
    /// @param looked what was looked at
    static ConformanceResult of(Path file, String kind, String looked, List<String> problems) {
        Outcome outcome = problems.isEmpty() ? Outcome.PASS : Outcome.FAIL;
        return new ConformanceResult(file, kind, outcome, Double.NaN, Double.NaN, looked, problems);
    }

    static ConformanceResult failed(Path file, String kind, String problem) {
        return of(file, kind, "", List.of(problem));
    }

    static ConformanceResult notImplemented(Path file, String kind) {
        return new ConformanceResult(
                file, kind, Outcome.NOT_IMPLEMENTED, Double.NaN, Double.NaN, "not implemented", List.of());
    }
}
