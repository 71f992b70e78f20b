package dev.palimpsest.models.text;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Tokens that are written literally in a text, such as `<|endoftext|>` or `</s>`, and are cut out before anything
/// else looks at it. All of them begin with `<` and end with `>`, and none contains a `>` before its end.
final class SpecialTokens {
    private final Map<String, Integer> ids;
    private final int longest;

    SpecialTokens(Map<String, Integer> ids) {
        this.ids = Map.copyOf(ids);
        this.longest = ids.keySet().stream().mapToInt(String::length).max().orElse(0);
    }

    /// One occurrence: the characters `start` (inclusive) to `end` (exclusive) are the token `id`.
    record Hit(int start, int end, int id) {}

    /// Finds the first special token at or after an index.
    ///
    /// @return the hit, or null when the rest of the text has none
    @Nullable
    Hit find(String text, int from) {
        for (int start = text.indexOf('<', from); start >= 0; start = text.indexOf('<', start + 1)) {
            // The window keeps the search linear on a text of nothing but '<'.
            int end = text.indexOf('>', start, Math.min(text.length(), start + longest)) + 1;
            if (end > 0) {
                Integer id = ids.get(text.substring(start, end));
                if (id != null) {
                    return new Hit(start, end, id);
                }
            }
        }
        return null;
    }
}
