package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/// The tiktoken vocabulary format: one line `base64(bytes) rank` for each token, in any order, ranks 0 .. n-1 each
/// exactly once, every single byte among the tokens.
final class TiktokenFile {
    private TiktokenFile() {}

    /// Reads a vocabulary; see [QwenTokenizer#load].
    static BytePairEncoder read(Path path) throws IOException {
        List<byte[]> tokens = new ArrayList<>();
        List<Integer> ranks = new ArrayList<>();
        List<Integer> lines = new ArrayList<>();
        int number = 0;
        // Latin-1 keeps stray bytes as they are, one char each; a valid line is ASCII.
        for (String line : (Iterable<String>) new String(VocabularyFiles.read(path), ISO_8859_1).lines()::iterator) {
            number++;
            if (line.isEmpty()) {
                continue;
            }
            int space = line.indexOf(' ');
            if (space < 0) {
                throw VocabularyException.atLine(path, number, "expected \"base64 rank\", found no space");
            }
            tokens.add(parseToken(path, number, line.substring(0, space)));
            ranks.add(parseRank(path, number, line.substring(space + 1)));
            lines.add(number);
        }
        return orderByRank(path, tokens, ranks, lines);
    }

    private static byte[] parseToken(Path path, int line, String base64) throws VocabularyException {
        byte[] token;
        try {
            token = Base64.getDecoder().decode(base64);
        } catch (IllegalArgumentException e) {
            throw VocabularyException.atLine(path, line, "the token is not valid base64");
        }
        if (base64.length() % 4 != 0) { // Java's decoder takes a last group without its padding, other readers do not
            throw VocabularyException.atLine(path, line, "the base64 of the token is cut short");
        }
        if (token.length == 0) {
            throw VocabularyException.atLine(path, line, "the token is empty");
        }
        return token;
    }

    private static int parseRank(Path path, int line, String digits) throws VocabularyException {
        boolean plain =
                !digits.isEmpty() && digits.length() < 10 && digits.chars().allMatch(c -> c >= '0' && c <= '9');
        if (!plain) {
            throw VocabularyException.atLine(path, line, "the rank is not a whole number below 1000000000");
        }
        return Integer.parseInt(digits);
    }

    private static BytePairEncoder orderByRank(Path path, List<byte[]> tokens, List<Integer> ranks, List<Integer> lines)
            throws VocabularyException {
        int n = tokens.size();
        if (n == 0) {
            throw new VocabularyException(path, "the vocabulary file holds no tokens");
        }
        byte[][] byRank = new byte[n][];
        int[] lineOf = new int[n]; // by rank
        for (int i = 0; i < n; i++) {
            int rank = ranks.get(i);
            if (rank >= n) {
                throw VocabularyException.atLine(
                        path,
                        lines.get(i),
                        "rank " + rank + " leaves a gap: " + n + " tokens have the ranks 0 to " + (n - 1));
            }
            if (lineOf[rank] != 0) {
                throw VocabularyException.atLine(
                        path, lines.get(i), "rank " + rank + " was already given in line " + lineOf[rank]);
            }
            byRank[rank] = tokens.get(i);
            lineOf[rank] = lines.get(i);
        }
        var encoder = new BytePairEncoder(byRank);
        for (int rank = 0; rank < n; rank++) {
            int first = encoder.rank(byRank[rank], 0, byRank[rank].length);
            if (first != rank) {
                throw VocabularyException.atLine(
                        path, lineOf[rank], "the token was already given in line " + lineOf[first]);
            }
        }
        requireAllBytes(path, encoder);
        return encoder;
    }

    private static void requireAllBytes(Path path, BytePairEncoder encoder) throws VocabularyException {
        for (int b = 0; b < 256; b++) {
            if (encoder.rank(new byte[] {(byte) b}, 0, 1) < 0) {
                throw new VocabularyException(
                        path,
                        "no token stands for the single byte 0x%02X, so not every text could be encoded".formatted(b));
            }
        }
    }
}
