package dev.palimpsest.weights;

import java.util.Collection;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Finding the name that was probably meant.
final class Names {
    private static final int LONGEST = 512;

    private Names() {}

    /// The error for a tensor that a checkpoint does not have.
    static CheckpointException unknown(Checkpoint checkpoint, String name) {
        String hint = nearest(name, checkpoint.names())
                .map(n -> "; did you mean " + CheckpointException.quote(n) + "?")
                .orElseGet(() -> sample(checkpoint));
        return new CheckpointException(checkpoint.path(), "has no tensor " + CheckpointException.quote(name) + hint);
    }

    /// A few of the names that do exist, as the end of a sentence.
    static String sample(Checkpoint checkpoint) {
        int n = checkpoint.names().size();
        return n == 0
                ? "; it has no tensors at all"
                : checkpoint.names().stream()
                        .limit(3)
                        .map(CheckpointException::quote)
                        .collect(Collectors.joining(", ", "; it has ", n > 3 ? " and " + (n - 3) + " more" : ""));
    }

    /// The candidate that looks most like `name`: one that differs by a prefix, else the one with the smallest edit
    /// distance if that is below a third of the length.
    static Optional<String> nearest(String name, Collection<String> candidates) {
        if (name.length() > LONGEST) {
            return Optional.empty();
        }
        String best = null;
        int bestDistance = name.length() / 3 + 1;
        String prefixed = null;
        for (String candidate : candidates) {
            if (Math.abs(candidate.length() - name.length()) < bestDistance && candidate.length() <= LONGEST) {
                int distance = distance(name, candidate, bestDistance);
                if (distance < bestDistance) {
                    best = candidate;
                    bestDistance = distance;
                }
            }
            if (differByPrefix(name, candidate) && isShorter(candidate, prefixed)) {
                prefixed = candidate;
            }
        }
        return Optional.ofNullable(prefixed != null && bestDistance > 2 ? prefixed : best);
    }

    private static boolean differByPrefix(String a, String b) {
        return a.length() > b.length() ? a.endsWith("." + b) : b.endsWith("." + a);
    }

    private static boolean isShorter(String a, @Nullable String b) {
        return b == null || a.length() < b.length();
    }

    /// Levenshtein distance, or `limit` if it is not below it.
    static int distance(String a, String b, int limit) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            int least = i;
            for (int j = 1; j <= b.length(); j++) {
                int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(substituted, Math.min(row[j], row[j - 1]) + 1);
                least = Math.min(least, row[j]);
            }
            if (least >= limit) {
                return limit;
            }
        }
        return Math.min(row[b.length()], limit);
    }
}
