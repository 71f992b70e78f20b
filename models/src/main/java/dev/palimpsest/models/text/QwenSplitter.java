package dev.palimpsest.models.text;

/// Cuts plain text into the pieces inside which byte pairs may merge: words with one leading character, single digits,
/// punctuation runs and white space. Equivalent to matching, again and again, the first alternative that fits of
///
/// 1. `'s 't 're 've 'm 'll 'd` in any case
/// 2. `[^\r\n\p{L}\p{N}]?\p{L}+`
/// 3. `\p{N}`
/// 4. ` ?[^\s\p{L}\p{N}]+[\r\n]*`
/// 5. `\s*[\r\n]+`
/// 6. `\s+(?!\S)`
/// 7. `\s+`
///
/// where `\s` is the Unicode property White_Space. A scanner takes linear time and constant stack on any input, which a
/// backtracking matcher does not promise.
final class QwenSplitter {
    private QwenSplitter() {}

    /// The end (exclusive) of the piece that starts at `from`.
    ///
    /// @param text well-formed text
    /// @param from start of a piece, less than the text's length
    static int pieceEnd(String text, int from) {
        int length = text.length();
        int first = text.codePointAt(from);
        int next = from + Character.charCount(first);
        int second = next < length ? text.codePointAt(next) : -1;
        if (first == '\'') {
            int end = contractionEnd(text, next);
            if (end > next) {
                return end; // alternative 1
            }
        }
        if (CodePoints.isLetter(first)) {
            return lettersEnd(text, next); // 2, without the leading character
        }
        if (CodePoints.isNumber(first)) {
            return next; // 3
        }
        if (!isNewline(first) && second >= 0 && CodePoints.isLetter(second)) {
            return lettersEnd(text, next); // 2
        }
        if (isSymbol(first) || (first == ' ' && second >= 0 && isSymbol(second))) {
            return newlinesEnd(text, symbolsEnd(text, next)); // 4
        }
        return whiteSpaceEnd(text, from); // 5, 6, 7
    }

    /// Where the rest of `'s 't 're 've 'm 'll 'd` ends if it starts at `from`, else `from`. Simple case folding maps
    /// one character outside ASCII to a letter of these: U+017F, the long s.
    private static int contractionEnd(String text, int from) {
        char first = lowerCase(text, from);
        char second = lowerCase(text, from + 1);
        return switch (first) {
            case 's', '\u017F', 't', 'm', 'd' -> from + 1;
            case 'r', 'v' -> second == 'e' ? from + 2 : from;
            case 'l' -> second == 'l' ? from + 2 : from;
            default -> from;
        };
    }

    private static char lowerCase(String text, int index) {
        if (index >= text.length()) {
            return 0;
        }
        char c = text.charAt(index);
        return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
    }

    private static int lettersEnd(String text, int from) {
        int at = from;
        while (at < text.length()) {
            int codePoint = text.codePointAt(at);
            if (!CodePoints.isLetter(codePoint)) {
                break;
            }
            at += Character.charCount(codePoint);
        }
        return at;
    }

    private static int symbolsEnd(String text, int from) {
        int at = from;
        while (at < text.length()) {
            int codePoint = text.codePointAt(at);
            if (!isSymbol(codePoint)) {
                break;
            }
            at += Character.charCount(codePoint);
        }
        return at;
    }

    private static int newlinesEnd(String text, int from) {
        int at = from;
        while (at < text.length() && isNewline(text.charAt(at))) {
            at++;
        }
        return at;
    }

    private static int whiteSpaceEnd(String text, int from) {
        int at = from;
        int afterNewline = from;
        while (at < text.length() && CodePoints.isWhiteSpace(text.charAt(at))) {
            at++;
            if (isNewline(text.charAt(at - 1))) {
                afterNewline = at;
            }
        }
        if (afterNewline > from) {
            return afterNewline; // 5: greedy, then back to the last newline of the run
        }
        // 6 gives the last white space back to the word that follows; 7 takes the lone one that 6 cannot.
        return at == text.length() || at == from + 1 ? at : at - 1;
    }

    private static boolean isNewline(int codePoint) {
        return codePoint == '\r' || codePoint == '\n';
    }

    private static boolean isSymbol(int codePoint) {
        return !CodePoints.isWhiteSpace(codePoint)
                && !CodePoints.isLetter(codePoint)
                && !CodePoints.isNumber(codePoint);
    }
}
