package dev.palimpsest.kernels;

import java.util.Arrays;

/// Which keys each query of an attention may see: for query row `i` the half-open range `[from[i], to[i])` of key
/// rows.
///
/// Full, packed ("varlen"), causal and block-causal attention are all of this form, so kernels need one loop and never
/// touch a hidden block. A query with an empty range yields zeros.
public final class KeyRanges {
    private final int[] from;
    private final int[] to;
    private final int keys;

    private KeyRanges(int[] from, int[] to, int keys) {
        this.from = from;
        this.to = to;
        this.keys = keys;
    }

    /// Ranges given one by one; both arrays are copied.
    ///
    /// @throws IllegalArgumentException if a range does not lie within `[0, keys)`
    public static KeyRanges of(int[] from, int[] to, int keys) {
        if (from.length != to.length) {
            throw new IllegalArgumentException("key ranges: " + from.length + " starts but " + to.length + " ends");
        }
        for (int i = 0; i < from.length; i++) {
            if (from[i] < 0 || to[i] < from[i] || to[i] > keys) {
                throw new IllegalArgumentException("key ranges: query " + i + " sees [" + from[i] + ", " + to[i]
                        + "), which does not lie within " + keys + " keys");
            }
        }
        return new KeyRanges(from.clone(), to.clone(), keys);
    }

    /// Every query sees every key.
    public static KeyRanges full(int queries, int keys) {
        int[] to = new int[queries];
        Arrays.fill(to, keys);
        return new KeyRanges(new int[queries], to, keys);
    }

    /// Samples packed behind each other: the queries of sample `s` see the keys of sample `s`.
    public static KeyRanges packed(int[] queryLengths, int[] keyLengths) {
        if (queryLengths.length != keyLengths.length) {
            throw new IllegalArgumentException(
                    "key ranges: " + queryLengths.length + " query lengths but " + keyLengths.length + " key lengths");
        }
        int queries = Arrays.stream(queryLengths).sum();
        int[] from = new int[queries];
        int[] to = new int[queries];
        int q = 0;
        int k = 0;
        for (int s = 0; s < queryLengths.length; s++) {
            Arrays.fill(from, q, q + queryLengths[s], k);
            k += keyLengths[s];
            Arrays.fill(to, q, q + queryLengths[s], k);
            q += queryLengths[s];
        }
        return new KeyRanges(from, to, k);
    }

    /// Causal attention of the last `queries` of `keys` positions: query `i` sees itself and everything before it.
    public static KeyRanges causal(int queries, int keys) {
        if (queries > keys) {
            throw new IllegalArgumentException("key ranges: " + queries + " causal queries but only " + keys + " keys");
        }
        int[] to = new int[queries];
        for (int i = 0; i < queries; i++) {
            to[i] = keys - queries + i + 1;
        }
        return new KeyRanges(new int[queries], to, keys);
    }

    /// Block-causal self-attention over packed samples: a token sees its own block and all earlier blocks of its
    /// sample.
    ///
    /// @param blockLengths for each sample the lengths of its blocks, in order
    public static KeyRanges blockCausal(int[][] blockLengths) {
        int n = 0;
        for (int[] sample : blockLengths) {
            n += Arrays.stream(sample).sum();
        }
        int[] from = new int[n];
        int[] to = new int[n];
        int at = 0;
        for (int[] sample : blockLengths) {
            int start = at;
            for (int length : sample) {
                Arrays.fill(from, at, at + length, start);
                Arrays.fill(to, at, at + length, at + length);
                at += length;
            }
        }
        return new KeyRanges(from, to, n);
    }

    /// Number of query rows.
    public int queries() {
        return from.length;
    }

    /// Number of key rows.
    public int keys() {
        return keys;
    }

    /// First key that a query sees.
    public int from(int query) {
        return from[query];
    }

    /// One past the last key that a query sees.
    public int to(int query) {
        return to[query];
    }
}
