package dev.palimpsest.models.text;

/// The Unicode classes that the tokenizers' patterns speak of, and repair of ill-formed strings.
final class CodePoints {
    private static final int LETTER = 1 << Character.UPPERCASE_LETTER
            | 1 << Character.LOWERCASE_LETTER
            | 1 << Character.TITLECASE_LETTER
            | 1 << Character.MODIFIER_LETTER
            | 1 << Character.OTHER_LETTER;
    private static final int NUMBER =
            1 << Character.DECIMAL_DIGIT_NUMBER | 1 << Character.LETTER_NUMBER | 1 << Character.OTHER_NUMBER;

    private CodePoints() {}

    /// Category L. Combining marks are not letters, whatever `Character.isAlphabetic` says.
    static boolean isLetter(int codePoint) {
        return (LETTER >> Character.getType(codePoint) & 1) != 0;
    }

    /// Category N: decimal digits, letter numbers (Ⅷ) and other numbers (½, ²).
    static boolean isNumber(int codePoint) {
        return (NUMBER >> Character.getType(codePoint) & 1) != 0;
    }

    /// The property White_Space, which neither `Character.isWhitespace` (no U+0085, no U+00A0) nor `isSpaceChar` (no
    /// tab) covers. All of its members lie in the basic plane, so each is a single `char`.
    static boolean isWhiteSpace(int codePoint) {
        return switch (codePoint) {
            case '\t', '\n', 0x0B, '\f', '\r', ' ', 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000 -> true;
            default -> codePoint >= 0x2000 && codePoint <= 0x200A;
        };
    }

    /// The text with every unpaired surrogate replaced by U+FFFD, one for one, so that indices stay what they are.
    static String wellFormed(String text) {
        int length = text.length();
        StringBuilder repaired = null;
        for (int i = 0; i < length; i++) {
            char c = text.charAt(i);
            if (!Character.isSurrogate(c)) {
                continue;
            }
            if (Character.isHighSurrogate(c) && i + 1 < length && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
                continue;
            }
            if (repaired == null) {
                repaired = new StringBuilder(text);
            }
            repaired.setCharAt(i, '\uFFFD');
        }
        return repaired == null ? text : repaired.toString();
    }
}
