package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.models.api.LoadOptions;
import dev.palimpsest.models.conformance.ConformanceResult.Outcome;
import dev.palimpsest.models.json.JsonException;
import dev.palimpsest.models.json.JsonObject;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Checks whatever can be checked among files: golden files, which name their kind in their metadata; lists of
/// verdicts on checkpoints, lists of texts with their tokens, and tables of scales, all JSON and recognised by their
/// structure. No file name means anything, except that its extension says which of the two formats it is.
public final class Conformance {
    private static final long LARGEST_LIST = 64 << 20;

    private final GoldenRunner runner;
    private final LoadOptions options;
    private final Vocabularies vocabularies;

    /// A check of golden files by `runner`.
    ///
    /// @param data folder that is searched for vocabularies; it need not exist
    public Conformance(GoldenRunner runner, Path data) {
        this(runner, data, LoadOptions.defaults());
    }

    /// A check of golden files by `runner`, of components that compute as these options say. Golden files are judged in
    /// f32 only; in other arithmetics they are measured ([Outcome#MEASURED]).
    ///
    /// @param data folder that is searched for vocabularies; it need not exist
    public Conformance(GoldenRunner runner, Path data, LoadOptions options) {
        this.runner = runner;
        this.options = options;
        this.vocabularies = new Vocabularies(data);
    }

    /// What a JSON file turned out to be.
    private sealed interface Json {
        record Verdicts(VerdictList list) implements Json {}

        record Tokens(TokenList list) implements Json {}

        record Schedules(ScheduleList list) implements Json {}

        /// Not a list of any kind.
        record Other() implements Json {}

        record Broken(String reason) implements Json {}
    }

    /// Checks files, and everything below folders.
    ///
    /// A checkpoint that belongs to a list of verdicts is checked through that list alone. In a folder, files that are
    /// neither safetensors nor lists are passed over.
    ///
    /// @param paths files and folders
    /// @param listener gets every result as soon as it is known
    /// @return how many files came out how
    /// @throws IOException if a path does not exist or a folder cannot be read
    public Map<Outcome, Integer> check(List<Path> paths, Consumer<ConformanceResult> listener) throws IOException {
        Map<Path, Boolean> files = new LinkedHashMap<>(); // whether the file was named, not found in a folder
        for (Path path : paths) {
            if (!Files.exists(path)) {
                throw new NoSuchFileException(path.toString());
            }
            try (Stream<Path> tree = Files.walk(path)) {
                List<Path> found = tree.filter(Files::isRegularFile).sorted().toList();
                found.forEach(f -> files.putIfAbsent(f, f.equals(path)));
            }
        }
        Map<Path, Json> lists = new LinkedHashMap<>();
        Set<Path> listed = new HashSet<>();
        for (Path file : files.keySet()) {
            if (file.toString().endsWith(".json")) {
                Json json = read(file);
                lists.put(file, json);
                if (json instanceof Json.Verdicts(VerdictList list)) {
                    listed.addAll(list.files());
                }
            }
        }
        Map<Outcome, Integer> totals = new EnumMap<>(Outcome.class);
        Consumer<ConformanceResult> count = result -> {
            totals.merge(result.outcome(), 1, Integer::sum);
            listener.accept(result);
        };
        files.forEach((file, named) -> {
            Json json = lists.get(file);
            boolean belongsToList = listed.contains(file.toAbsolutePath().normalize());
            if (json != null) {
                checkJson(file, json, named && !belongsToList, count);
            } else if (!belongsToList && (named || file.toString().endsWith(".safetensors"))) {
                count.accept(checkGolden(file));
            }
        });
        return totals;
    }

    private void checkJson(Path file, Json json, boolean mustBeList, Consumer<ConformanceResult> results) {
        switch (json) {
            case Json.Verdicts(VerdictList list) -> list.check(results);
            case Json.Tokens(TokenList list) -> results.accept(list.check(vocabularies));
            case Json.Schedules(ScheduleList list) -> results.accept(list.check());
            case Json.Broken(String reason) -> results.accept(ConformanceResult.failed(file, "-", reason));
            case Json.Other() -> {
                if (mustBeList) {
                    results.accept(ConformanceResult.failed(
                            file, "-", "is neither a list of verdicts nor one of tokens, nor tables of scales"));
                }
            }
        }
    }

    private ConformanceResult checkGolden(Path path) {
        String kind = "-";
        try (GoldenFile file = GoldenFile.open(path, options)) {
            kind = file.kind();
            if (!runner.kinds().contains(kind)) {
                return ConformanceResult.notImplemented(path, kind);
            }
            GoldenReport report = runner.check(file);
            return options.arithmetic() == Arithmetic.F32
                    ? ConformanceResult.of(report)
                    : ConformanceResult.measured(report);
        } catch (ArithmeticException e) {
            return ConformanceResult.failed(
                    path, kind, "its shapes, or those that its config asks for, are larger than any array can be");
        } catch (OutOfMemoryError e) {
            return ConformanceResult.failed(path, kind, "needs more memory than there is: " + e.getMessage());
        } catch (RuntimeException e) {
            // Whatever an evaluator stumbles over is a finding, and the other files are still to be checked.
            return ConformanceResult.failed(path, kind, e.getMessage() == null ? e.toString() : e.getMessage());
        }
    }

    private static Json read(Path file) throws IOException {
        if (Files.size(file) > LARGEST_LIST) {
            return new Json.Other();
        }
        @Nullable Object value;
        try {
            value = JsonObject.parseValue(Files.readString(file), file.toString());
        } catch (JsonException e) {
            return new Json.Broken(String.valueOf(e.getMessage()));
        } catch (CharacterCodingException e) {
            return new Json.Broken(file + ": is not UTF-8 text");
        }
        List<?> cases = value instanceof List<?> list
                ? list
                : value instanceof JsonObject object && object.value("cases") instanceof List<?> list
                        ? list
                        : List.of();
        List<JsonObject> objects = new ArrayList<>();
        for (Object c : cases) {
            if (!(c instanceof JsonObject object)) {
                return new Json.Other();
            }
            objects.add(object);
        }
        JsonObject about = value instanceof JsonObject object ? object : JsonObject.empty(file.toString());
        if (!objects.isEmpty() && allHave(objects, "file", "verdict")) {
            return new Json.Verdicts(new VerdictList(file, objects));
        }
        if (!objects.isEmpty() && (allHave(objects, "text", "ids") || allHave(objects, "prompt", "ids", "mapping"))) {
            return new Json.Tokens(new TokenList(file, about, objects));
        }
        return about.value("schedules") instanceof JsonObject
                ? new Json.Schedules(new ScheduleList(file, about))
                : new Json.Other();
    }

    private static boolean allHave(List<JsonObject> objects, String... fields) {
        return objects.stream().allMatch(o -> o.names().containsAll(List.of(fields)));
    }
}
