package dev.palimpsest.models.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/// Token lists computed by the original tokenizers, and the vocabularies they belong to. Both lie next to the
/// repository, in `../shared`, for licence reasons; tests that need them are skipped where they are absent.
final class TokenCases {
    private TokenCases() {}

    /// A text with its ids; `decoded` where the list tells what the ids decode to.
    record Case(String text, List<Integer> ids, @Nullable String decoded) {
        @Override
        public String toString() {
            return text.length() <= 40 ? text : text.substring(0, 40) + "...";
        }
    }

    /// A prompt with its ids and the token spans of the target words, of all words if there are no targets.
    record SpanCase(
            String prompt, @Nullable List<String> targets, List<Integer> ids, Map<String, List<Integer>> mapping) {}

    /// A file below `../shared`; skips the calling test if it is absent.
    static Path shared(String name) {
        Path root = Path.of("").toAbsolutePath();
        while (!Files.exists(root.resolve("mvnw"))) {
            root = Objects.requireNonNull(root.getParent(), "the tests run outside of the repository");
        }
        Path file = root.resolveSibling("shared").resolve(name);
        assumeTrue(Files.exists(file), "needs ../shared/" + name);
        return file;
    }

    /// Reads `[{text, ids}, ...]` or an object that holds such a list as `cases`.
    static List<Case> read(Path file) throws IOException {
        Object tree = tree(file);
        List<?> list = (List<?>) (tree instanceof Map<?, ?> map ? map.get("cases") : tree);
        List<Case> cases = new ArrayList<>();
        for (Object entry : Objects.requireNonNull(list, "no cases")) {
            Map<?, ?> fields = (Map<?, ?>) entry;
            cases.add(new Case(
                    (String) Objects.requireNonNull(fields.get("text"), "no text"),
                    integers(fields.get("ids")),
                    (String) fields.get("decoded")));
        }
        assertThat(cases).isNotEmpty();
        return cases;
    }

    static List<SpanCase> readSpans(Path file) throws IOException {
        List<SpanCase> cases = new ArrayList<>();
        for (Object entry : (List<?>) tree(file)) {
            Map<?, ?> fields = (Map<?, ?>) entry;
            List<?> targets = (List<?>) fields.get("target_words");
            Map<String, List<Integer>> mapping = new LinkedHashMap<>();
            ((Map<?, ?>) Objects.requireNonNull(fields.get("mapping"), "no mapping"))
                    .forEach((word, span) -> mapping.put((String) word, integers(span)));
            cases.add(new SpanCase(
                    (String) Objects.requireNonNull(fields.get("prompt"), "no prompt"),
                    targets == null
                            ? null
                            : targets.stream().map(String.class::cast).toList(),
                    integers(fields.get("ids")),
                    mapping));
        }
        assertThat(cases).isNotEmpty();
        return cases;
    }

    static List<Integer> asList(int[] ids) {
        return IntStream.of(ids).boxed().toList();
    }

    static int[] asArray(List<Integer> ids) {
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private static List<Integer> integers(@Nullable Object list) {
        return ((List<?>) Objects.requireNonNull(list, "no list"))
                .stream().map(Integer.class::cast).toList();
    }

    private static Object tree(Path file) throws IOException {
        try (JsonParser parser =
                JsonFactory.builder().build().createParser(ObjectReadContext.empty(), Files.readString(file))) {
            parser.nextToken();
            return Objects.requireNonNull(value(parser), "null");
        }
    }

    private static @Nullable Object value(JsonParser parser) {
        return switch (parser.currentToken()) {
            case START_OBJECT -> {
                Map<String, @Nullable Object> object = new LinkedHashMap<>();
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String name = parser.currentName();
                    parser.nextToken();
                    object.put(name, value(parser));
                }
                yield object;
            }
            case START_ARRAY -> {
                List<@Nullable Object> array = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    array.add(value(parser));
                }
                yield array;
            }
            case VALUE_STRING -> parser.getString();
            case VALUE_NUMBER_INT -> parser.getIntValue();
            default -> null;
        };
    }
}
