package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Vocabularies small enough to work out ids by hand.
final class SmallVocabularies {
    /// Tokens of more than one byte in the order of their ranks, which start at 256; rank and byte agree below that.
    static final List<String> MERGES = List.of(
            "th", // 256
            "he", // 257
            "the", // 258
            " the", // 259
            "crown", // 260: no pair of its bytes merges, so it is found as a whole piece or not at all
            "re", // 261
            "er", // 262
            "'s", // 263
            "  ", // 264
            "é", // 265
            "\n\n", // 266
            " c", // 267
            "at"); // 268

    /// The first special id of the vocabulary of [#tiktokenLines].
    static final int END_OF_TEXT = 256 + MERGES.size();

    private SmallVocabularies() {}

    static List<String> tiktokenLines() {
        List<byte[]> tokens = new ArrayList<>();
        for (int b = 0; b < 256; b++) {
            tokens.add(new byte[] {(byte) b});
        }
        MERGES.forEach(merge -> tokens.add(merge.getBytes(UTF_8)));
        List<String> lines = new ArrayList<>();
        for (int rank = 0; rank < tokens.size(); rank++) {
            lines.add(Base64.getEncoder().encodeToString(tokens.get(rank)) + " " + rank);
        }
        return lines;
    }

    static QwenTokenizer qwen(Path folder) throws IOException {
        return QwenTokenizer.load(Files.write(folder.resolve("small.tiktoken"), tiktokenLines()));
    }

    /// A T5 vocabulary of 19 pieces; U+2581 is written `_` here.
    static SentencePieceFile sentencePiece() {
        var file = new SentencePieceFile();
        file.piece("<pad>", 0, SentencePieceFile.CONTROL); // 0
        file.piece("</s>", 0, SentencePieceFile.CONTROL); // 1
        file.piece("<unk>", 0, SentencePieceFile.UNKNOWN); // 2
        Map<String, Float> pieces = new LinkedHashMap<>();
        pieces.put("_", -2f); // 3
        pieces.put("_a", -2.5f); // 4
        pieces.put("a", -4f); // 5
        pieces.put("c", -4.25f); // 6
        pieces.put("t", -4.5f); // 7
        pieces.put("cat", -8f); // 8
        pieces.put("_cat", -9f); // 9
        pieces.put("s", -4f); // 10
        pieces.put(",", -3f); // 11
        pieces.put("_the", -3f); // 12
        pieces.put("é", -7f); // 13
        pieces.put("fi", -6f); // 14
        pieces.put("x", -5f); // 15
        pieces.put("A", -5f); // 16
        pieces.put("1", -5f); // 17
        pieces.put("2", -5f); // 18
        pieces.forEach((text, score) -> file.piece(text.replace('_', '\u2581'), score, SentencePieceFile.NORMAL));
        Map<String, String> replacements = new LinkedHashMap<>();
        replacements.put("\t", " ");
        replacements.put("\n", " ");
        replacements.put("\u00A0", " ");
        replacements.put("\u3000", " ");
        replacements.put("\u200B", " ");
        replacements.put("\u0001", "");
        replacements.put("e\u0301", "é");
        replacements.put("\uFB01", "fi");
        replacements.put("\uFF21", "A");
        replacements.put("½", "1⁄2");
        file.charsMap(CharsMapWriter.write(replacements));
        return file;
    }

    static T5Tokenizer t5(Path folder) throws IOException {
        return T5Tokenizer.load(
                Files.write(folder.resolve("small.model"), sentencePiece().bytes()));
    }
}
