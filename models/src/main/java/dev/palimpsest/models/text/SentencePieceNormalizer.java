package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;

/// Brings a text into the form SentencePiece pieces are written in: characters replaced by the model's table, white
/// space collapsed, a space put in front, spaces written as U+2581.
final class SentencePieceNormalizer {
    /// U+2581, "lower one eighth block", in UTF-8: the visible form of a space.
    private static final byte[] SPACE_MARK = "\u2581".getBytes(UTF_8);

    private final CharsMap charsMap;
    private final boolean addDummyPrefix;
    private final boolean removeExtraWhitespaces;
    private final byte[] space;

    SentencePieceNormalizer(SentencePieceModel model) {
        charsMap = model.charsMap();
        addDummyPrefix = model.addDummyPrefix();
        removeExtraWhitespaces = model.removeExtraWhitespaces();
        space = model.escapeWhitespaces() ? SPACE_MARK : new byte[] {' '};
    }

    /// Normalised text in UTF-8, and for each of its bytes the index of the character of the source it came from.
    static final class Normalized {
        final byte[] bytes;
        final int[] source;

        private Normalized(byte[] bytes, int[] source) {
            this.bytes = bytes;
            this.source = source;
        }
    }

    /// Normalises one text.
    ///
    /// @param text well-formed text
    Normalized normalize(String text) {
        byte[] input = text.getBytes(UTF_8);
        int[] charIndex = charIndices(text, input.length);
        var chunk = new Chunk();
        var out = new Output();
        int at = 0;
        if (removeExtraWhitespaces) {
            while (at < input.length && chunk.read(input, at).isSpace()) {
                at += chunk.consumed;
            }
        }
        if (at == input.length) {
            return out.finish();
        }
        if (addDummyPrefix) {
            out.writeSpace(charIndex[at]);
        }
        boolean afterSpace = removeExtraWhitespaces;
        while (at < input.length) {
            chunk.read(input, at);
            if (afterSpace) {
                chunk.dropLeadingSpaces();
            }
            if (!chunk.isEmpty()) {
                out.write(chunk, charIndex[at]);
                afterSpace = removeExtraWhitespaces && chunk.endsWithSpace();
            }
            at += chunk.consumed;
        }
        if (removeExtraWhitespaces) {
            out.trimTrailingSpaces();
        }
        return out.finish();
    }

    /// The index of the character that each byte of the text's UTF-8 form belongs to.
    private static int[] charIndices(String text, int bytes) {
        int[] indices = new int[bytes];
        int at = 0;
        for (int i = 0; i < text.length(); ) {
            int codePoint = text.codePointAt(i);
            int length = codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
            Arrays.fill(indices, at, at + length, i);
            at += length;
            i += Character.charCount(codePoint);
        }
        return indices;
    }

    /// What stands for the next `consumed` bytes of the input: `bytes[from .. to)`.
    private final class Chunk {
        private byte[] bytes = SPACE_MARK;
        private int from;
        private int to;
        private int consumed;

        /// Looks up the replacement of the longest entry that the input goes on with, else takes the next character
        /// itself.
        Chunk read(byte[] input, int at) {
            long match = charsMap.longestMatch(input, at);
            if (match == 0) {
                bytes = input;
                from = at;
                to = Math.min(at + characterLength(input[at]), input.length);
                consumed = to - at;
            } else {
                bytes = charsMap.replacements();
                from = (int) match;
                to = charsMap.replacementEnd(from);
                consumed = (int) (match >>> 32);
            }
            return this;
        }

        boolean isEmpty() {
            return from == to;
        }

        boolean isSpace() {
            return to - from == 1 && bytes[from] == ' ';
        }

        boolean endsWithSpace() {
            return bytes[to - 1] == ' ';
        }

        void dropLeadingSpaces() {
            while (from < to && bytes[from] == ' ') {
                from++;
            }
        }
    }

    /// The normalised bytes so far.
    private final class Output {
        private byte[] bytes = new byte[64];
        private int[] source = new int[64];
        private int size;

        void write(Chunk chunk, int index) {
            for (int i = chunk.from; i < chunk.to; i++) {
                if (chunk.bytes[i] == ' ') {
                    writeSpace(index);
                } else {
                    append(chunk.bytes[i], index);
                }
            }
        }

        void writeSpace(int index) {
            for (byte b : space) {
                append(b, index);
            }
        }

        private void append(byte b, int index) {
            if (size == bytes.length) {
                bytes = Arrays.copyOf(bytes, 2 * size);
                source = Arrays.copyOf(source, 2 * size);
            }
            bytes[size] = b;
            source[size++] = index;
        }

        void trimTrailingSpaces() {
            while (size >= space.length && Arrays.equals(bytes, size - space.length, size, space, 0, space.length)) {
                size -= space.length;
            }
        }

        Normalized finish() {
            return new Normalized(Arrays.copyOf(bytes, size), Arrays.copyOf(source, size));
        }
    }

    /// Bytes of the UTF-8 character that begins with a byte; 1 for a byte that begins none.
    static int characterLength(byte first) {
        return (first & 0xE0) == 0xC0 ? 2 : (first & 0xF0) == 0xE0 ? 3 : (first & 0xF8) == 0xF0 ? 4 : 1;
    }
}
