package dev.palimpsest.models.editinfinity;

import dev.palimpsest.tensor.Tensor;
import java.util.Arrays;

/// How the source picture fades in around what may change: the kernel G by which each position of the latent keeps the
/// source's codes, 0 where the new picture counts alone and 1 where the source does (arXiv 2510.20217, piecewise
/// linear smoothing).
///
/// ```
/// G = 0                            if distance <= inner
/// G = (distance - inner) / (outer - inner)    in between
/// G = 1                            if distance >= outer
/// ```
///
/// The distance of a position is the number of steps up, down, left and right to the nearest one that may change.
///
/// @param inner distance up to which the source does not count
/// @param outer distance from which on it counts alone
/// @param hardIfLarge whether there is no ramp if what may change covers a large part of the picture: at least 6 of
///     its 4 x 4 blocks
public record Smoothing(double inner, double outer, boolean hardIfLarge) {
    /// As the original's code computes it: in effect 1 and 5, without a ramp for large masks.
    public static final Smoothing ORIGINAL = new Smoothing(1, 5, true);

    /// As the paper defines it: 1 and 4, for all masks.
    public static final Smoothing PAPER = new Smoothing(1, 4, false);

    private static final int COARSE_BLOCKS = 4;
    private static final int LARGE = 6;

    /// Checks the distances.
    public Smoothing {
        if (!(inner >= 0 && outer > inner && Double.isFinite(outer))) {
            throw new IllegalArgumentException("smoothing: the source cannot fade in between the distances " + inner
                    + " and " + outer + ", they must rise from at least 0");
        }
    }

    /// The share of the source at each position of a latent, with the mask cut as in the original.
    ///
    /// @param rows the latent's
    /// @param columns the latent's
    /// @return `(rows, columns)`; ones if nothing may change
    public Tensor weights(Mask mask, int rows, int columns) {
        return weights(mask, rows, columns, Mask.Blocks.ROUNDED);
    }

    /// The share of the source at each position of a latent.
    ///
    /// @param rows the latent's
    /// @param columns the latent's
    /// @param cut which pixels of the mask belong to a position
    /// @return `(rows, columns)`; ones if nothing may change
    public Tensor weights(Mask mask, int rows, int columns, Mask.Blocks cut) {
        Mask marked = mask.blocks(rows, columns, cut);
        float[] weights = new float[Math.multiplyExact(rows, columns)];
        if (marked.count() == 0) {
            Arrays.fill(weights, 1);
        } else {
            boolean hard = hardIfLarge
                    && mask.blocks(COARSE_BLOCKS, COARSE_BLOCKS, cut).count() >= LARGE;
            int[] distances = distances(marked);
            for (int i = 0; i < weights.length; i++) {
                double way = hard ? (distances[i] > inner ? 1 : 0) : (distances[i] - inner) / (outer - inner);
                weights[i] = (float) Math.clamp(way, 0, 1);
            }
        }
        return Tensor.of(weights, rows, columns);
    }

    /// Steps from each position to the nearest marked one. Two sweeps suffice (Rosenfeld & Pfaltz 1966): every
    /// shortest way is one of steps down and right followed by one of steps up and left, or a mixture that one of the
    /// sweeps extends.
    private static int[] distances(Mask marked) {
        int rows = marked.height();
        int columns = marked.width();
        int[] d = new int[rows * columns];
        for (int y = 0; y < rows; y++) {
            for (int x = 0; x < columns; x++) {
                int best = marked.isEdited(y, x) ? 0 : rows + columns;
                best = Math.min(best, y > 0 ? d[(y - 1) * columns + x] + 1 : best);
                best = Math.min(best, x > 0 ? d[y * columns + x - 1] + 1 : best);
                d[y * columns + x] = best;
            }
        }
        for (int y = rows - 1; y >= 0; y--) {
            for (int x = columns - 1; x >= 0; x--) {
                int best = d[y * columns + x];
                best = Math.min(best, y + 1 < rows ? d[(y + 1) * columns + x] + 1 : best);
                best = Math.min(best, x + 1 < columns ? d[y * columns + x + 1] + 1 : best);
                d[y * columns + x] = best;
            }
        }
        return d;
    }
}
