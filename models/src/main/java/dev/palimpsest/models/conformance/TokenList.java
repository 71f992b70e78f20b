package dev.palimpsest.models.conformance;

import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.text.QwenTokenizer;
import dev.palimpsest.models.text.T5Tokenizer;
import dev.palimpsest.models.text.Tokenizer;
import dev.palimpsest.models.text.VocabularyException;
import dev.palimpsest.models.text.WordSpans;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Texts with the ids of their tokens.
///
/// A list says what it knows of its vocabulary: `vocab_sha256`, or `special_start`, the id of the first special token
/// of a byte-pair vocabulary. A list that says neither belongs to a SentencePiece vocabulary. Of several vocabularies
/// that answer to this description, the list is satisfied by one.
///
/// Cases are `text` and `ids`, perhaps with the text that the ids are `decoded` to; or `prompt`, `ids` and the
/// `mapping` of words to `[start, end)`, of those in `target_words` or of all.
final class TokenList {
    private static final int MOST_PROBLEMS = 20;

    private final Path file;
    private final JsonObject about;
    private final List<JsonObject> cases;

    TokenList(Path file, JsonObject about, List<JsonObject> cases) {
        this.file = file;
        this.about = about;
        this.cases = cases;
    }

    private boolean isSpans() {
        return cases.getFirst().has("mapping");
    }

    private boolean isBytePair() {
        return about.has("special_start") || about.has("vocab_sha256");
    }

    private String kind() {
        return isSpans() ? "text.spans" : "text.tokens";
    }

    ConformanceResult check(Vocabularies vocabularies) {
        try {
            ConformanceResult first = null;
            String description = about.text("description", "");
            for (Path vocabulary : vocabularies.find(file, isBytePair() ? ".tiktoken" : ".model", description)) {
                Tokenizer tokenizer = load(vocabularies, vocabulary);
                if (tokenizer != null) {
                    ConformanceResult result = ConformanceResult.of(
                            file, kind(), cases.size() + " texts, " + vocabulary.getFileName(), compare(tokenizer));
                    if (result.problems().isEmpty()) {
                        return result;
                    }
                    first = first == null ? result : first;
                }
            }
            return first != null ? first : ConformanceResult.failed(file, kind(), missing(vocabularies));
        } catch (IOException | RuntimeException e) {
            return ConformanceResult.failed(file, kind(), String.valueOf(e.getMessage()));
        }
    }

    /// The tokenizer with this vocabulary, null if it is not the one that the list describes.
    private @Nullable Tokenizer load(Vocabularies vocabularies, Path vocabulary) throws IOException {
        if (about.has("vocab_sha256") && !about.text("vocab_sha256").equals(Vocabularies.sha256(vocabulary))) {
            return null;
        }
        try {
            if (!isBytePair()) {
                return vocabularies.t5(vocabulary);
            }
            QwenTokenizer tokenizer = vocabularies.qwen(vocabulary);
            return about.integer("special_start", tokenizer.endOfText()) == tokenizer.endOfText() ? tokenizer : null;
        } catch (VocabularyException e) {
            return null; // something else with the same extension
        }
    }

    private String missing(Vocabularies vocabularies) {
        String wanted = about.has("vocab_sha256")
                ? "byte-pair vocabulary with the SHA-256 " + about.text("vocab_sha256")
                : about.has("special_start")
                        ? "byte-pair vocabulary of " + about.integer("special_start") + " ranks"
                        : "SentencePiece vocabulary";
        return "needs a " + wanted + ", which is neither beside it nor in " + vocabularies.data();
    }

    private List<String> compare(Tokenizer tokenizer) {
        List<String> problems = new ArrayList<>();
        for (JsonObject c : cases) {
            String text = isSpans() ? c.text("prompt") : c.text("text");
            int[] expected = c.int32s("ids");
            int[] ids = tokenizer.encode(text);
            if (!Arrays.equals(ids, expected)) {
                problems.add(
                        quote(text) + " gives " + Arrays.toString(ids) + " instead of " + Arrays.toString(expected));
            } else if (c.has("decoded") && !tokenizer.decode(expected).equals(c.text("decoded"))) {
                problems.add("the ids of " + quote(text) + " are decoded to " + quote(tokenizer.decode(expected)));
            } else if (isSpans() && tokenizer instanceof T5Tokenizer t5) {
                compareSpans(t5, c, text, problems);
            }
            if (problems.size() == MOST_PROBLEMS) {
                break;
            }
        }
        return problems;
    }

    private static void compareSpans(T5Tokenizer tokenizer, JsonObject c, String prompt, List<String> problems) {
        WordSpans spans = WordSpans.of(tokenizer, prompt);
        Map<String, List<Integer>> found = new LinkedHashMap<>();
        if (c.has("target_words")) {
            for (String target : c.texts("target_words")) {
                spans.find(target).ifPresent(s -> found.put(target, List.of(s.start(), s.end())));
            }
        } else {
            spans.all().forEach((word, s) -> found.put(word, List.of(s.start(), s.end())));
        }
        Map<String, List<Integer>> expected = new LinkedHashMap<>();
        JsonObject mapping = c.object("mapping");
        for (String word : mapping.names()) {
            expected.put(word, Arrays.stream(mapping.int32s(word)).boxed().toList());
        }
        if (!found.equals(expected)) {
            problems.add("the words of " + quote(prompt) + " have the tokens " + found + " instead of " + expected);
        }
    }

    private static String quote(String text) {
        return "'" + (text.length() <= 60 ? text : text.substring(0, 60) + "...") + "'";
    }
}
