package dev.palimpsest.models.text;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/// The tokenizer of the T5 models: a SentencePiece unigram vocabulary, `spiece.model`, and an end mark after every
/// text.
///
/// A text is cut at the special tokens written in it; each part between them is normalised by the model's own table,
/// its white space collapsed and a space put in front, and split into the most probable pieces. A run of characters
/// that no piece covers becomes one `<unk>`. `</s>` is added at the end.
///
/// The hundred `<extra_id_k>` follow the pieces in falling order: with the real vocabulary of 32,000 pieces
/// `<extra_id_0>` is 32099 and `<extra_id_99>` is 32000. `<pad>` is 0, `</s>` 1, `<unk>` 2.
///
/// Source: C. Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", JMLR
/// 21, 2020; T. Kudo, J. Richardson, "SentencePiece", EMNLP 2018.
public final class T5Tokenizer implements Tokenizer {
    /// The length that T5 was trained with and that [#encode(String)] cuts to, the end mark included.
    public static final int MAX_LENGTH = 512;

    private static final int EXTRA_TOKENS = 100;

    private final List<SentencePieceModel.Piece> pieces;
    private final String unknownSurface;
    private final SentencePieceNormalizer normalizer;
    private final UnigramEncoder encoder;
    private final SpecialTokens specials;
    private final int padId;
    private final int endId;
    private final int unknownId;

    private T5Tokenizer(SentencePieceModel model, int padId, int endId, int unknownId) {
        this.pieces = model.pieces();
        this.unknownSurface = model.unknownSurface();
        this.padId = padId;
        this.endId = endId;
        this.unknownId = unknownId;
        normalizer = new SentencePieceNormalizer(model);
        encoder = new UnigramEncoder(pieces, unknownId);
        Map<String, Integer> ids = new HashMap<>();
        for (int id : new int[] {padId, endId, unknownId}) {
            ids.put(pieces.get(id).text(), id);
        }
        for (int id = pieces.size(); id < vocabularySize(); id++) {
            ids.put(extraToken(id), id);
        }
        specials = new SpecialTokens(ids);
    }

    /// Loads a vocabulary.
    ///
    /// @param path the `spiece.model` file
    /// @return the tokenizer
    /// @throws VocabularyException if the file is missing, empty, far too large, broken, or no T5 vocabulary; the
    ///     message names the byte offset where there is one
    /// @throws IOException if reading fails
    public static T5Tokenizer load(Path path) throws IOException {
        var model = SentencePieceModel.read(path);
        return new T5Tokenizer(
                model, idOf(path, model, "<pad>"), idOf(path, model, "</s>"), idOf(path, model, "<unk>"));
    }

    private static int idOf(Path path, SentencePieceModel model, String text) throws VocabularyException {
        var kind = text.equals("<unk>") ? SentencePieceModel.Kind.UNKNOWN : SentencePieceModel.Kind.CONTROL;
        for (int id = 0; id < model.pieces().size(); id++) {
            var piece = model.pieces().get(id);
            if (piece.text().equals(text) && piece.kind() == kind) {
                return id;
            }
        }
        throw new VocabularyException(path, "is no T5 vocabulary: it has no piece " + text);
    }

    /// Encodes a text for T5: at most [#MAX_LENGTH] ids, the last of which is `</s>`.
    @Override
    public int[] encode(String text) {
        return encode(text, MAX_LENGTH);
    }

    /// Encodes a text, cut to a length.
    ///
    /// @param text any string
    /// @param maxLength largest number of ids, at least 1
    /// @return up to `maxLength - 1` ids of the text, then `</s>`
    /// @throws IllegalArgumentException if `maxLength` is below 1
    public int[] encode(String text, int maxLength) {
        return tokens(text, maxLength).ids;
    }

    /// Encodes a text to exactly a length: cut as [#encode(String, int)] does, then filled with `<pad>`. Positions
    /// from `encode(text, length).length` on are padding, to be masked.
    ///
    /// @param text any string
    /// @param length number of ids, at least 1
    /// @return `length` ids
    /// @throws IllegalArgumentException if `length` is below 1
    public int[] encodePadded(String text, int length) {
        int[] ids = encode(text, length);
        int[] padded = Arrays.copyOf(ids, length);
        Arrays.fill(padded, ids.length, length, padId);
        return padded;
    }

    /// The ids of a text, and for each the index of the character of the text where the token's last byte comes from;
    /// for the end mark, the text's length.
    static final class Tokens {
        final int[] ids;
        final int[] source;

        private Tokens(int[] ids, int[] source) {
            this.ids = ids;
            this.source = source;
        }
    }

    Tokens tokens(String text, int maxLength) {
        if (maxLength < 1) {
            throw new IllegalArgumentException(
                    "encode: maximum length " + maxLength + " leaves no room for the end mark, expected at least 1");
        }
        String repaired = CodePoints.wellFormed(text);
        var ids = IntStream.builder();
        var source = IntStream.builder();
        int from = 0;
        for (var hit = specials.find(repaired, 0); hit != null; hit = specials.find(repaired, from)) {
            encodePlain(repaired, from, hit.start(), ids, source);
            ids.add(hit.id());
            source.add(hit.start());
            from = hit.end();
        }
        encodePlain(repaired, from, repaired.length(), ids, source);
        int[] all = ids.build().limit(maxLength - 1L).toArray();
        int[] allSource = source.build().limit(all.length).toArray();
        int[] withEnd = Arrays.copyOf(all, all.length + 1);
        int[] sourceWithEnd = Arrays.copyOf(allSource, all.length + 1);
        withEnd[all.length] = endId;
        sourceWithEnd[all.length] = text.length();
        return new Tokens(withEnd, sourceWithEnd);
    }

    private void encodePlain(String text, int from, int to, IntStream.Builder ids, IntStream.Builder source) {
        var normalized = normalizer.normalize(text.substring(from, to));
        encoder.encode(normalized.bytes, (id, start, end) -> {
            ids.add(id);
            source.add(from + normalized.source[end - 1]);
        });
    }

    /// Decodes ids to text: pieces are joined, U+2581 becomes a space, one space at the beginning is dropped. `<pad>`,
    /// `</s>` and other control pieces give nothing, `<unk>` gives the model's mark for it (" ⁇ "), `<extra_id_k>`
    /// itself.
    @Override
    public String decode(int... ids) {
        var text = new StringBuilder();
        for (int id : ids) {
            if (id < 0 || id >= vocabularySize()) {
                throw new IllegalArgumentException(
                        "decode: id " + id + " is outside the vocabulary of " + vocabularySize() + " tokens");
            }
            if (id >= pieces.size()) {
                text.append(extraToken(id));
                continue;
            }
            var piece = pieces.get(id);
            switch (piece.kind()) {
                case NORMAL, UNUSED -> text.append(piece.text().replace('\u2581', ' '));
                case UNKNOWN -> text.append(unknownSurface);
                case CONTROL -> {}
            }
        }
        boolean startsWithSpace = !text.isEmpty() && text.charAt(0) == ' ';
        return text.substring(startsWithSpace ? 1 : 0);
    }

    @Override
    public int vocabularySize() {
        return pieces.size() + EXTRA_TOKENS;
    }

    /// The id of `<pad>`.
    ///
    /// @return 0 with the real vocabulary
    public int padId() {
        return padId;
    }

    /// The id of the end mark `</s>`.
    ///
    /// @return 1 with the real vocabulary
    public int endId() {
        return endId;
    }

    /// The id of `<unk>`.
    ///
    /// @return 2 with the real vocabulary
    public int unknownId() {
        return unknownId;
    }

    private String extraToken(int id) {
        return "<extra_id_" + (vocabularySize() - 1 - id) + ">";
    }
}
