package dev.palimpsest.models.text;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/// Where the words of a prompt lie among its tokens, so that the attention to a word can be read off a cross-attention
/// map.
///
/// Words are what white space separates, punctuation included: in "a cat, a dog" there is a word "cat," and none
/// "cat". A word's span runs from its first token to the first token of the next word; the last word's span includes
/// the end mark. If a word occurs more than once its last occurrence counts.
public final class WordSpans {
    private final List<String> words;
    private final SequencedMap<String, Span> spans;

    /// A run of tokens.
    ///
    /// @param start index of the first token
    /// @param end index after the last token
    public record Span(int start, int end) {}

    private WordSpans(List<String> words, SequencedMap<String, Span> spans) {
        this.words = words;
        this.spans = spans;
    }

    /// Finds the spans of all words of a prompt in `tokenizer.encode(prompt)`. A word that has no token, because the
    /// prompt is too long or the word holds nothing but control characters, has no span.
    ///
    /// @param tokenizer the prompt's tokenizer
    /// @param prompt any string
    /// @return the spans
    public static WordSpans of(T5Tokenizer tokenizer, String prompt) {
        List<Word> words = split(prompt);
        var tokens = tokenizer.tokens(prompt, T5Tokenizer.MAX_LENGTH);
        int endMark = tokens.ids.length - 1;
        SequencedMap<String, Span> spans = new LinkedHashMap<>();
        int token = 0;
        for (Word word : words) {
            int first = token;
            // A token of white space lies before the next word and is counted to it.
            while (token < endMark && tokens.source[token] < word.end()) {
                token++;
            }
            if (token > first) {
                spans.put(word.text(), new Span(first, token == endMark ? endMark + 1 : token));
            }
        }
        return new WordSpans(words.stream().map(Word::text).toList(), spans);
    }

    /// The span of a word or of words in sequence, matched exactly, case and punctuation included.
    ///
    /// For a phrase the first place where its words follow each other decides whether there is a span; its ends are
    /// those of the first and the last word, as [#all] has them. Where the first word recurs after the phrase, the
    /// span therefore begins behind its end, as it does in EditInfinity's own code.
    ///
    /// @param target one word or several separated by white space
    /// @return the span, or nothing if the prompt does not contain the target or has no tokens for it
    public Optional<Span> find(String target) {
        List<String> phrase = split(target).stream().map(Word::text).toList();
        if (phrase.isEmpty() || Collections.indexOfSubList(words, phrase) < 0) {
            return Optional.empty();
        }
        Span first = spans.get(phrase.getFirst());
        Span last = spans.get(phrase.getLast());
        return first == null || last == null ? Optional.empty() : Optional.of(new Span(first.start(), last.end()));
    }

    /// The spans of all words that have one, in the order of their first occurrence.
    ///
    /// @return word to span; unmodifiable
    public Map<String, Span> all() {
        return Collections.unmodifiableMap(spans);
    }

    /// A word and the index after its last character.
    private record Word(String text, int end) {}

    private static List<Word> split(String text) {
        List<Word> words = new ArrayList<>();
        int start = 0;
        for (int at = 0; at <= text.length(); at++) {
            if (at == text.length() || separatesWords(text.charAt(at))) {
                if (at > start) {
                    words.add(new Word(text.substring(start, at), at));
                }
                start = at + 1;
            }
        }
        return words;
    }

    /// What Python's `str.split()` splits at, the rule of EditInfinity's own code: White_Space and the four ASCII
    /// separators.
    private static boolean separatesWords(char c) {
        return CodePoints.isWhiteSpace(c) || (c >= 0x1C && c <= 0x1F);
    }
}
