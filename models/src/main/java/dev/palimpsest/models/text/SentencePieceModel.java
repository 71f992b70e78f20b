package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// The contents of a SentencePiece `.model` file (message `ModelProto`) of the unigram kind.
///
/// @param pieces the vocabulary; a piece's index is its id
/// @param charsMap the normaliser's replacement table
/// @param addDummyPrefix whether a text is treated as if a space stood before it
/// @param removeExtraWhitespaces whether leading, trailing and repeated spaces are dropped
/// @param escapeWhitespaces whether a space is written U+2581 in pieces
/// @param unknownSurface what the unknown piece decodes to
record SentencePieceModel(
        List<Piece> pieces,
        CharsMap charsMap,
        boolean addDummyPrefix,
        boolean removeExtraWhitespaces,
        boolean escapeWhitespaces,
        String unknownSurface) {

    private static final int UNIGRAM = 1;

    /// What a piece may be used for.
    enum Kind {
        /// Found in text by its score.
        NORMAL,
        /// Stands for characters that no piece covers; there is exactly one.
        UNKNOWN,
        /// Never found in text, for instance the end mark.
        CONTROL,
        /// Holds an id and nothing else.
        UNUSED
    }

    /// One entry of the vocabulary.
    ///
    /// @param text the piece, with U+2581 for a space
    /// @param score log probability
    /// @param kind its use
    record Piece(String text, float score, Kind kind) {}

    /// Reads and checks a model file.
    ///
    /// @throws VocabularyException if the file is missing, broken, or not a unigram model this package can run
    static SentencePieceModel read(Path path) throws IOException {
        List<Piece> pieces = new ArrayList<>();
        var settings = new Settings();
        var model = new ProtobufReader(path, VocabularyFiles.read(path));
        while (model.next()) {
            switch (model.field()) {
                case 1 -> pieces.add(readPiece(model.message(), pieces.size()));
                case 2 -> settings.readTrainer(model.message());
                case 3 -> settings.readNormalizer(model.message());
                default -> model.skip();
            }
        }
        checkPieces(path, pieces);
        return new SentencePieceModel(
                List.copyOf(pieces),
                CharsMap.parse(path, settings.charsMap),
                settings.addDummyPrefix,
                settings.removeExtraWhitespaces,
                settings.escapeWhitespaces,
                settings.unknownSurface);
    }

    private static Piece readPiece(ProtobufReader message, int id) throws VocabularyException {
        String text = "";
        float score = 0;
        long type = 1;
        while (message.next()) {
            switch (message.field()) {
                case 1 -> text = utf8(message, "piece " + id);
                case 2 -> score = message.float32();
                case 3 -> type = message.integer();
                default -> message.skip();
            }
        }
        if (text.isEmpty()) {
            throw message.fault("piece " + id + " is empty");
        }
        if (!Float.isFinite(score)) {
            throw message.fault("piece " + id + " (" + text + ") has the score " + score);
        }
        Kind kind = switch ((int) type) {
            case 1 -> Kind.NORMAL;
            case 2 -> Kind.UNKNOWN;
            case 3 -> Kind.CONTROL;
            case 5 -> Kind.UNUSED;
            default ->
                throw message.fault("piece " + id + " (" + text + ") has the type " + type
                        + "; only normal, unknown, control and unused pieces are supported");
        };
        return new Piece(text, score, kind);
    }

    private static void checkPieces(Path path, List<Piece> pieces) throws VocabularyException {
        Map<String, Integer> idOf = new HashMap<>();
        int unknown = 0;
        int normal = 0;
        for (int id = 0; id < pieces.size(); id++) {
            Piece piece = pieces.get(id);
            Integer first = idOf.putIfAbsent(piece.text(), id);
            if (first != null) {
                throw new VocabularyException(
                        path, "piece " + id + " (" + piece.text() + ") was already given as piece " + first);
            }
            unknown += piece.kind() == Kind.UNKNOWN ? 1 : 0;
            normal += piece.kind() == Kind.NORMAL ? 1 : 0;
        }
        if (normal == 0 || unknown != 1) {
            throw new VocabularyException(
                    path,
                    "is no SentencePiece vocabulary: it has " + normal + " normal and " + unknown
                            + " unknown pieces, expected at least one and exactly one");
        }
    }

    private static String utf8(ProtobufReader message, String what) throws VocabularyException {
        byte[] bytes = message.bytes();
        try {
            return UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            throw message.fault(what + " is not valid UTF-8");
        }
    }

    /// The parts of `TrainerSpec` and `NormalizerSpec` that matter when encoding, with the format's defaults.
    private static final class Settings {
        byte[] charsMap = new byte[0];
        boolean addDummyPrefix = true;
        boolean removeExtraWhitespaces = true;
        boolean escapeWhitespaces = true;
        String unknownSurface = " \u2047 ";

        void readTrainer(ProtobufReader message) throws VocabularyException {
            while (message.next()) {
                switch (message.field()) {
                    case 3 -> {
                        long type = message.integer();
                        if (type != UNIGRAM) {
                            throw message.fault(
                                    "the model type is " + type + ", only " + UNIGRAM + " (unigram) is supported");
                        }
                    }
                    case 24 -> refuse(message, "white space as a suffix");
                    case 35 -> refuse(message, "byte fallback");
                    case 44 -> unknownSurface = utf8(message, "the surface of the unknown piece");
                    default -> message.skip();
                }
            }
        }

        void readNormalizer(ProtobufReader message) throws VocabularyException {
            while (message.next()) {
                switch (message.field()) {
                    case 2 -> charsMap = message.bytes();
                    case 3 -> addDummyPrefix = message.bool();
                    case 4 -> removeExtraWhitespaces = message.bool();
                    case 5 -> escapeWhitespaces = message.bool();
                    default -> message.skip();
                }
            }
        }

        private static void refuse(ProtobufReader message, String feature) throws VocabularyException {
            if (message.bool()) {
                throw message.fault("the model uses " + feature + ", which is not supported");
            }
        }
    }
}
