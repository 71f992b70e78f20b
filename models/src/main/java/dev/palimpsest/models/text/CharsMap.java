package dev.palimpsest.models.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.BitSet;

/// The `precompiled_charsmap` of a SentencePiece normaliser: a table from byte strings to their replacements.
///
/// Layout: a little-endian 32-bit size, a double-array trie of that many bytes, then the replacements, each ended by a
/// zero byte. A trie value is the offset of a replacement. A 32-bit unit of the trie is either a value (top bit set)
/// or a node: bits 0..7 label, bit 8 "has a value", bits 10..30 offset to the children, shifted left by eight if bit 9
/// is set; the child for byte b of a node at index i is at `i ^ offset ^ b`, its value at `i ^ offset`.
///
/// Source: J. Aoe, "An Efficient Digital Search Algorithm by Using a Double-Array Structure", IEEE TSE 15(9), 1989, in
/// the unit layout of the Darts-clone library.
final class CharsMap {
    private final int[] units;
    private final byte[] replacements;

    private CharsMap(int[] units, byte[] replacements) {
        this.units = units;
        this.replacements = replacements;
    }

    /// Parses and checks a table; an empty one replaces nothing.
    ///
    /// @throws VocabularyException if a node or value that can be reached lies outside the table
    static CharsMap parse(Path path, byte[] blob) throws VocabularyException {
        if (blob.length == 0) {
            return new CharsMap(new int[0], blob);
        }
        var buffer = ByteBuffer.wrap(blob).order(ByteOrder.LITTLE_ENDIAN);
        long size = blob.length < Integer.BYTES ? -1 : Integer.toUnsignedLong(buffer.getInt());
        if (size <= 0 || size % Integer.BYTES != 0 || size > buffer.remaining()) {
            throw new VocabularyException(path, "the normaliser's table of " + blob.length + " bytes is cut short");
        }
        int[] units = new int[(int) size / Integer.BYTES];
        buffer.asIntBuffer().get(units);
        var map = new CharsMap(units, Arrays.copyOfRange(blob, Integer.BYTES + (int) size, blob.length));
        map.check(path);
        return map;
    }

    /// Visits every node that a text can lead to, so that look-ups need no checks.
    private void check(Path path) throws VocabularyException {
        if (replacements.length == 0 || replacements[replacements.length - 1] != 0) {
            throw new VocabularyException(path, "the last replacement of the normaliser's table has no end");
        }
        var seen = new BitSet(units.length);
        var open = new ArrayDeque<Integer>();
        open.add(0);
        seen.set(0);
        while (!open.isEmpty()) {
            int node = open.remove();
            int children = node ^ offset(units[node]);
            // XOR with a byte stays within an aligned block of 256 units.
            if (children < 0 || (children | 0xFF) >= units.length) {
                throw new VocabularyException(path, "node " + node + " of the normaliser's trie points outside of it");
            }
            if (hasValue(units[node]) && value(units[children]) >= replacements.length) {
                throw new VocabularyException(
                        path, "node " + node + " of the normaliser's trie names a replacement outside of the table");
            }
            for (int b = 0; b < 256; b++) {
                int child = children ^ b;
                if (label(units[child]) == b && !seen.get(child)) {
                    seen.set(child);
                    open.add(child);
                }
            }
        }
    }

    /// The longest entry that `text[from ..]` begins with.
    ///
    /// @return length of the entry in the upper half, offset of its replacement in the lower one; 0 if there is none
    long longestMatch(byte[] text, int from) {
        long match = 0;
        if (units.length == 0) {
            return match;
        }
        int node = offset(units[0]);
        for (int i = from; i < text.length; i++) {
            int b = text[i] & 0xFF;
            node ^= b;
            int unit = units[node];
            if (label(unit) != b) {
                break;
            }
            node ^= offset(unit);
            if (hasValue(unit)) {
                match = (long) (i + 1 - from) << 32 | value(units[node]);
            }
        }
        return match;
    }

    /// End (exclusive) of the replacement at an offset.
    int replacementEnd(int offset) {
        int end = offset;
        while (replacements[end] != 0) {
            end++;
        }
        return end;
    }

    /// All replacements; shared, not to be written.
    byte[] replacements() {
        return replacements;
    }

    private static boolean hasValue(int unit) {
        return (unit >> 8 & 1) != 0;
    }

    private static int value(int unit) {
        return unit & 0x7FFFFFFF;
    }

    /// The label; no byte equals that of a value, whose top bit is set.
    private static int label(int unit) {
        return unit & 0x800000FF;
    }

    private static int offset(int unit) {
        return unit >>> 10 << ((unit & 1 << 9) >>> 6);
    }
}
