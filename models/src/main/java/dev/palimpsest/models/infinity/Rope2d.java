package dev.palimpsest.models.infinity;

import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Tensor;
import java.util.Arrays;

/// Rotary embedding of rows and columns (Su et al. 2021, arXiv 2104.09864) for tokens of several scales (Han et al.
/// 2024, arXiv 2412.04431, section 3.3): the first half of a head's adjacent pairs is turned by the row, the other
/// half by the column, with the frequencies `10000^(-2m / (headDim / 2))` for m below `headDim / 4`.
///
/// @param headDim width of a head, a multiple of 4
public record Rope2d(Mode mode, int headDim) {
    private static final double BASE = 10_000;

    /// Positions along each side for which [Mode#INTERPOLATED] has angles.
    private static final int GRID = 128;

    /// Checks the width.
    public Rope2d {
        if (headDim < 4 || headDim % 4 != 0) {
            throw new IllegalArgumentException("rope2d: a head's width of " + headDim + " is not a multiple of 4");
        }
    }

    /// How scales of different sizes are laid over each other; the names of the original's `rope2d_normalized_by_hw`
    /// are the numbers.
    public enum Mode {
        /// Row and column of every scale count from 0 on.
        COUNTED(0),
        /// Cosines and sines of a grid of 128 positions along its longer side are interpolated to every scale.
        INTERPOLATED(1),
        /// Row and column are stretched to the frame and rounded, so that every scale covers all of it. All released
        /// models have this.
        STRETCHED(2);

        private final int number;

        Mode(int number) {
            this.number = number;
        }

        /// The original's number.
        public int number() {
            return number;
        }

        /// The mode of a number.
        ///
        /// @throws IllegalArgumentException if there is none
        public static Mode of(int number) {
            return Arrays.stream(values())
                    .filter(mode -> mode.number == number)
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException(
                            "rope2d_normalized_by_hw: " + number + " is not one of 0, 1, 2"));
        }
    }

    /// The rotation of the tokens of some samples.
    ///
    /// @param cos `(tokens, headDim / 2)`
    /// @param sin `(tokens, headDim / 2)`
    public record Rotation(Tensor cos, Tensor sin) {
        /// Rotates every head.
        ///
        /// @param x `(tokens, heads, headDim)`
        public Tensor apply(Tensor x) {
            return Functional.rope(RopeLayout.INTERLEAVED, x, cos, sin);
        }
    }

    /// The rotation of the tokens of consecutive scales, row by row, scale after scale, once for every sample.
    ///
    /// @param firstScale index of the first scale
    /// @param endScale one past the last
    /// @param samples how often the tokens are repeated
    public Rotation rotation(PictureLayout layout, int firstScale, int endScale, int samples) {
        int pairs = headDim / 2;
        ScaleSchedule schedule = layout.schedule();
        int tokens = schedule.start(endScale) - schedule.start(firstScale);
        float[] cos = new float[samples * tokens * pairs];
        float[] sin = new float[samples * tokens * pairs];
        int at = 0;
        for (int k = firstScale; k < endScale; k++) {
            Scale scale = schedule.get(k);
            Axis rows = axis(scale.height(), layout.frame().height(), layout.frame());
            Axis columns = axis(scale.width(), layout.frame().width(), layout.frame());
            for (int r = 0; r < scale.height(); r++) {
                for (int c = 0; c < scale.width(); c++) {
                    System.arraycopy(rows.cos[r], 0, cos, at, pairs / 2);
                    System.arraycopy(rows.sin[r], 0, sin, at, pairs / 2);
                    System.arraycopy(columns.cos[c], 0, cos, at + pairs / 2, pairs / 2);
                    System.arraycopy(columns.sin[c], 0, sin, at + pairs / 2, pairs / 2);
                    at += pairs;
                }
            }
        }
        for (int s = 1; s < samples; s++) {
            System.arraycopy(cos, 0, cos, s * tokens * pairs, tokens * pairs);
            System.arraycopy(sin, 0, sin, s * tokens * pairs, tokens * pairs);
        }
        return new Rotation(Tensor.of(cos, samples * tokens, pairs), Tensor.of(sin, samples * tokens, pairs));
    }

    /// Cosines and sines at the positions of one axis, for each position as many as there are frequencies.
    private record Axis(float[][] cos, float[][] sin) {
        static Axis of(float[][] angles) {
            float[][] cos = new float[angles.length][];
            float[][] sin = new float[angles.length][];
            for (int i = 0; i < angles.length; i++) {
                cos[i] = new float[angles[i].length];
                sin[i] = new float[angles[i].length];
                for (int m = 0; m < angles[i].length; m++) {
                    cos[i][m] = (float) Math.cos(angles[i][m]);
                    sin[i][m] = (float) Math.sin(angles[i][m]);
                }
            }
            return new Axis(cos, sin);
        }
    }

    /// @param extent positions of a scale along this axis
    /// @param frameExtent those of the frame
    private Axis axis(int extent, int frameExtent, Scale frame) {
        return switch (mode) {
            case COUNTED -> Axis.of(angles(extent, 1));
            case STRETCHED -> Axis.of(angles(extent, (float) ((double) frameExtent / extent)));
            case INTERPOLATED -> {
                int longer = Math.max(frame.height(), frame.width());
                int cut = frameExtent == longer ? GRID : (int) ((double) GRID / longer * frameExtent);
                Axis grid = Axis.of(angles(cut, 1));
                yield new Axis(interpolated(grid.cos, extent), interpolated(grid.sin, extent));
            }
        };
    }

    /// Angles at the positions `0, stretch, 2 stretch, ...`, rounded to whole positions, ties to even. Everything is
    /// rounded to f32 as in the original.
    private float[][] angles(int extent, float stretch) {
        int frequencies = headDim / 4;
        float[][] angles = new float[extent][frequencies];
        for (int i = 0; i < extent; i++) {
            float position = (float) Math.rint(i * stretch);
            for (int m = 0; m < frequencies; m++) {
                float frequency = 1 / (float) Math.pow(BASE, 4f * m / headDim);
                angles[i][m] = position * frequency;
            }
        }
        return angles;
    }

    /// Linear interpolation that keeps the first and the last position in their places. Rows depend on nothing but the
    /// row and columns on nothing but the column, so what the original does on both axes at once can be done on each.
    private static float[][] interpolated(float[][] grid, int extent) {
        float[][] out = new float[extent][grid[0].length];
        float step = extent > 1 ? (float) (grid.length - 1) / (extent - 1) : 0;
        for (int i = 0; i < extent; i++) {
            float source = i * step;
            int low = Math.min((int) source, grid.length - 1);
            int high = Math.min(low + 1, grid.length - 1);
            float weight = source - low;
            for (int m = 0; m < out[i].length; m++) {
                out[i][m] = (1 - weight) * grid[low][m] + weight * grid[high][m];
            }
        }
        return out;
    }
}
