package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// Finds the segmentation of a normalised text whose pieces have the largest sum of log probabilities (Viterbi).
///
/// A character that is no piece may stand alone as the unknown piece, at ten below the lowest score. Near-ties ("l" +
/// "ll" against "ll" + "l") fall as in the SentencePiece library: sums are stored in single precision, a candidate's
/// sum is compared with them in double precision, and of equals the longer last piece stays.
///
/// Source: T. Kudo, "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword
/// Candidates", ACL 2018.
final class UnigramEncoder {
    private static final float UNKNOWN_PENALTY = 10;

    /// Normal pieces in byte order, so that the pieces with a common prefix stand together, with their ids and scores.
    private final byte[][] pieces;

    private final int[] ids;
    private final float[] scores;
    private final int unknownId;
    private final float unknownScore;

    UnigramEncoder(List<SentencePieceModel.Piece> vocabulary, int unknownId) {
        byte[][] all =
                vocabulary.stream().map(piece -> piece.text().getBytes(UTF_8)).toArray(byte[][]::new);
        ids = IntStream.range(0, all.length)
                .filter(id -> vocabulary.get(id).kind() == SentencePieceModel.Kind.NORMAL)
                .boxed()
                .sorted((a, b) -> Arrays.compareUnsigned(all[a], all[b]))
                .mapToInt(Integer::intValue)
                .toArray();
        pieces = new byte[ids.length][];
        scores = new float[ids.length];
        float lowest = Float.MAX_VALUE;
        for (int i = 0; i < ids.length; i++) {
            pieces[i] = all[ids[i]];
            scores[i] = vocabulary.get(ids[i]).score();
            lowest = Math.min(lowest, scores[i]);
        }
        this.unknownId = unknownId;
        this.unknownScore = lowest - UNKNOWN_PENALTY;
    }

    /// Receives the pieces of a text in order.
    interface Sink {
        /// Takes the piece `id` that covers the bytes `start` (inclusive) to `end` (exclusive).
        void piece(int id, int start, int end);
    }

    /// Encodes a normalised text. A run of unknown characters is one unknown piece.
    void encode(byte[] text, Sink sink) {
        int n = text.length;
        // The best segmentation of text[0 .. i) ends in the piece endId[i], which starts at endStart[i].
        float[] best = new float[n + 1];
        int[] endStart = new int[n + 1];
        int[] endId = new int[n + 1];
        Arrays.fill(endStart, -1);
        int next;
        for (int start = 0; start < n; start = next) {
            next = Math.min(n, start + SentencePieceNormalizer.characterLength(text[start]));
            boolean characterIsPiece = false;
            int low = 0;
            int high = pieces.length;
            // Narrows the range of pieces that begin with text[start .. end) one byte at a time.
            for (int end = start + 1; end <= n; end++) {
                int depth = end - 1 - start;
                int b = text[end - 1] & 0xFF;
                low = firstAtLeast(low, high, depth, b);
                high = firstAtLeast(low, high, depth, b + 1);
                if (low == high) {
                    break;
                }
                if (pieces[low].length == depth + 1) {
                    double score = (double) best[start] + scores[low];
                    if (endStart[end] < 0 || score > best[end]) {
                        best[end] = (float) score;
                        endStart[end] = start;
                        endId[end] = ids[low];
                    }
                    characterIsPiece |= end == next;
                }
            }
            if (!characterIsPiece) {
                float score = best[start] + unknownScore;
                if (endStart[next] < 0 || score > best[next]) {
                    best[next] = score;
                    endStart[next] = start;
                    endId[next] = unknownId;
                }
            }
        }
        emit(endStart, endId, sink);
    }

    private void emit(int[] endStart, int[] endId, Sink sink) {
        int n = endStart.length - 1;
        // Turns the chain of pieces, which leads from the end to the beginning, around: endStart[i] becomes the end of
        // the piece that starts at i.
        int[] ends = new int[n + 1];
        for (int end = n; end > 0; end = endStart[end]) {
            ends[endStart[end]] = end;
        }
        int end;
        for (int start = 0; start < n; start = end) {
            end = ends[start];
            int id = endId[end];
            while (id == unknownId && end < n && endId[ends[end]] == unknownId) {
                end = ends[end];
            }
            sink.piece(id, start, end);
        }
    }

    /// The first of the pieces `low .. high`, which agree in their first `depth` bytes, whose byte at `depth` is at
    /// least `b`; a piece that ends there comes before all others.
    private int firstAtLeast(int low, int high, int depth, int b) {
        int from = low;
        int to = high;
        while (from < to) {
            int middle = (from + to) >>> 1;
            byte[] piece = pieces[middle];
            if (piece.length > depth && (piece[depth] & 0xFF) >= b) {
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        return from;
    }
}
