package dev.palimpsest.models.text;

import java.util.Arrays;
import java.util.PriorityQueue;
import java.util.stream.IntStream;

/// Byte-pair encoding over a ranked list of byte strings: the rank of a token is its id and its priority at once.
///
/// A piece starts as single bytes. The adjacent pair whose concatenation has the lowest rank (the leftmost of equals)
/// is merged until no concatenation is a token. Candidates wait in a heap and the parts form a linked list, so a piece
/// of n bytes takes O(n log n); searching all pairs after each merge would take O(n²).
///
/// Source: R. Sennrich, B. Haddow, A. Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016.
final class BytePairEncoder {
    private final byte[][] tokens;
    /// Open-addressing hash table of ranks, -1 where free; its length is a power of two.
    private final int[] slots;
    private final int longest;

    /// @param tokens byte strings by rank, none of them empty; kept, not copied
    BytePairEncoder(byte[][] tokens) {
        this.tokens = tokens;
        this.slots = new int[Integer.highestOneBit(Math.max(8, tokens.length) * 2 - 1) * 2];
        Arrays.fill(slots, -1);
        int longestToken = 0;
        for (int rank = 0; rank < tokens.length; rank++) {
            byte[] token = tokens[rank];
            longestToken = Math.max(longestToken, token.length);
            int slot = slot(token, 0, token.length);
            // Of equal byte strings the first keeps the slot: rank() then tells its rank for the later one.
            if (slots[slot] < 0) {
                slots[slot] = rank;
            }
        }
        this.longest = longestToken;
    }

    int size() {
        return tokens.length;
    }

    /// The bytes of a token; shared, not to be written.
    byte[] token(int rank) {
        return tokens[rank];
    }

    /// The rank of `bytes[from .. to)`, or -1 if it is no token.
    int rank(byte[] bytes, int from, int to) {
        return to - from > longest ? -1 : slots[slot(bytes, from, to)];
    }

    /// The slot that holds the byte string, or the free one where it would stand.
    private int slot(byte[] bytes, int from, int to) {
        int hash = 0x811C9DC5; // FNV-1a
        for (int i = from; i < to; i++) {
            hash = (hash ^ bytes[i]) * 0x01000193;
        }
        int slot = (hash ^ hash >>> 15) & slots.length - 1;
        while (slots[slot] >= 0) {
            byte[] token = tokens[slots[slot]];
            if (Arrays.equals(token, 0, token.length, bytes, from, to)) {
                break;
            }
            slot = slot + 1 & slots.length - 1;
        }
        return slot;
    }

    /// Encodes one piece.
    ///
    /// @param piece bytes, each of which is a token by itself
    /// @param out receives the ids
    void encode(byte[] piece, IntStream.Builder out) {
        int whole = rank(piece, 0, piece.length);
        if (whole >= 0) {
            out.add(whole);
            return;
        }
        int n = piece.length;
        // The part that starts at byte i ends where the next one starts, next[i]; previous[] leads back. A part
        // swallowed by
        // its left neighbour is marked by next[i] = 0. pairRank[i] is the rank of part i joined with its right
        // neighbour.
        int[] next = new int[n + 1];
        int[] previous = new int[n + 1];
        int[] pairRank = new int[n];
        var candidates = new PriorityQueue<Long>();
        for (int i = 0; i < n; i++) {
            next[i] = i + 1;
            previous[i + 1] = i;
        }
        for (int i = 0; i < n; i++) {
            offer(piece, next, pairRank, candidates, i);
        }
        while (!candidates.isEmpty()) {
            long candidate = candidates.remove();
            int rank = (int) (candidate >>> 32);
            int at = (int) candidate;
            if (next[at] == 0 || pairRank[at] != rank) {
                continue; // one of the two parts has merged with another since
            }
            int swallowed = next[at];
            next[at] = next[swallowed];
            next[swallowed] = 0;
            previous[next[at]] = at;
            offer(piece, next, pairRank, candidates, at);
            if (at > 0) {
                offer(piece, next, pairRank, candidates, previous[at]);
            }
        }
        for (int i = 0; i < n; i = next[i]) {
            out.add(rank(piece, i, next[i]));
        }
    }

    /// Queues the pair of part `at` and its right neighbour if it is a token. A candidate orders by rank, then by
    /// place.
    private void offer(byte[] piece, int[] next, int[] pairRank, PriorityQueue<Long> candidates, int at) {
        int middle = next[at];
        pairRank[at] = middle < piece.length ? rank(piece, at, next[middle]) : -1;
        if (pairRank[at] >= 0) {
            candidates.add((long) pairRank[at] << 32 | at);
        }
    }
}
